"""An earlier study, seen from the problem at hand: whether it is about the same, and what it expects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from edgetune.search.encoding import Encoding
from edgetune.search.nsga2 import best_first
from edgetune.search.problem import Problem
from edgetune.search.surrogate import Surrogate
from edgetune.search.trial import Trial
from edgetune.space.parameters import Choice, Sample, Space, Value

CHANCE = 0.005
"""That a stranger ranks so well; asked after each of 120 trials, it is believed in about one search of 50."""
FEWEST_KNOWN = 12
"""Trials of an earlier study."""
OVERLAP = 0.5
"""Share of this space's labels that an earlier study must know."""
LEARNT_FROM = 256
"""Trials of an earlier study that its surrogate is fitted to."""


@dataclass(frozen=True)
class Past:
    """An earlier study's finished trials: values by label and figures by name, in its own directions."""

    source: str
    samples: tuple[Mapping[str, Value], ...]
    figures: tuple[Mapping[str, float], ...]
    directions: Mapping[str, str] = field(default_factory=dict)


class Recalled(Surrogate):
    """A surrogate that takes its hyper-parameters from another one, fitted to the earlier study alone."""

    def __init__(self, fitted: Surrogate) -> None:
        super().__init__(fitted.encoding)
        self._recalled = dict(fitted.thetas_)

    def hyperparameters(self, figures: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return self._recalled


class Memory:
    """One earlier study, seen from this problem: its trials moved into this space, a surrogate of them.

    `reliability` is the part of each figure's variance that is not noise, and `figures` are shrunk by it towards what
    the surrogate expects.
    """

    def __init__(self, past: Past, problem: Problem, encoding: Encoding) -> None:
        self.past, self.problem, self.encoding = past, problem, encoding
        self.targets = [target for target in problem.targets if not target.cheap]
        kept = _best_and_spread(_as_trials(past, problem), problem)
        self.rows = encoding.rows([trial.sample for trial in kept])
        self.surrogate = Surrogate(encoding)
        self.found = {
            t.name: np.array([t.minimized((trial.values or {})[t.name]) for trial in kept]) for t in self.targets
        }
        self.surrogate.fit(self.rows, self.found)
        noise = np.array([self.surrogate.models_[target.name].noise for target in self.targets])
        self.reliability = np.clip(1 - noise, 0.0, 1.0)
        expected = self.expected(self.rows)
        self.figures = expected + self.reliability * (np.column_stack(list(self.found.values())) - expected)
        self.recalled = Recalled(self.surrogate)

    def knows_itself(self) -> bool:
        """Whether every second trial tells of the others, for each target; a smooth guess would rank by luck alone."""
        if len(self.rows) < FEWEST_KNOWN:  # many trials may be alike in this space; no rank of so few is above chance
            return False
        half = Surrogate(self.encoding)
        shown, hidden = self.rows[::2], self.rows[1::2]
        half.fit(shown, {name: found[::2] for name, found in self.found.items()})
        expected = half.predict(hidden)
        return all(agrees(expected[name][0], found[1::2]) for name, found in self.found.items())

    def expected(self, rows: np.ndarray) -> np.ndarray:
        """The costly targets as the earlier study would have seen them, float (n, targets), smaller is better."""
        found = self.surrogate.predict(rows)
        return np.column_stack([self.surrogate.warps_[t.name].backward(found[t.name][0]) for t in self.targets])


def agrees(expected: np.ndarray, found: Sequence[float] | np.ndarray) -> bool:
    """Whether a permutation test tells Kendall's τ from chance."""
    from scipy.stats import kendalltau

    return bool(kendalltau(expected, found, alternative="greater").pvalue < CHANCE)  # nan where all are alike


def is_related(past: Past, problem: Problem) -> bool:
    """Whether an earlier study knows enough of this space's labels, and every costly objective, its direction too."""
    return why_unrelated(past, problem) is None


def why_unrelated(past: Past, problem: Problem) -> str | None:
    """What an earlier study lacks, in words; None where it is related."""
    if len(past.samples) < FEWEST_KNOWN:
        return f"it has {len(past.samples)} trials with figures, {FEWEST_KNOWN} are needed"
    known = {label for sample in past.samples for label in sample}
    labels = [parameter.label for parameter in problem.space.parameters]
    shared = sum(label in known for label in labels)
    if shared < OVERLAP * len(labels):
        return f"it knows {shared} of this space's {len(labels)} choices, {OVERLAP:.0%} are needed"
    for target in problem.targets:
        if target.cheap:
            continue
        if past.directions.get(target.name, target.direction) != target.direction:
            return f"it wants {target.name} the other way"
        if not all(target.name in figures for figures in past.figures):
            return f"not all of its trials know {target.name}"
    return None


def why_silent(past: Past, problem: Problem) -> str | None:
    """Why an earlier study will not be listened to, whatever this one finds; None where it may be."""
    reason = why_unrelated(past, problem)
    if reason is None and not Memory(past, problem, Encoding(problem.space)).knows_itself():
        return "half of its trials do not tell of the other half"
    return reason


def moved(space: Space, values: Mapping[str, Value]) -> Sample:
    """An earlier sample in this space; what it lacks takes a middle option, a value out of a range its end."""
    chosen: dict[str, Value] = {}
    for parameter in space.parameters:
        value = values.get(parameter.label)
        if isinstance(parameter, Choice):
            middle = parameter.options[len(parameter.options) // 2]
            chosen[parameter.label] = value if value is not None and parameter.holds(value) else middle
        elif isinstance(value, int | float):
            chosen[parameter.label] = min(max(float(value), parameter.low), parameter.high)
        else:
            chosen[parameter.label] = (
                (parameter.low * parameter.high) ** 0.5 if parameter.log else (parameter.low + parameter.high) / 2
            )
    return space.sample(chosen)


def _as_trials(past: Past, problem: Problem) -> list[Trial]:
    """Cheap figures are this problem's own; of samples that become alike the first counts."""
    trials: dict[str, Trial] = {}
    for values, figures in zip(past.samples, past.figures, strict=True):
        sample = moved(problem.space, values)
        told = {**figures, **problem.cheap_values(sample)}
        trials.setdefault(sample.hash, Trial(len(trials), sample, told, problem.state(told), seed=0))
    return list(trials.values())


def _best_and_spread(trials: Sequence[Trial], problem: Problem) -> list[Trial]:
    """The best first; of many, the better half of the kept ones and the rest evenly."""
    ordered = [trials[i] for i in best_first(problem, trials)]
    if len(ordered) <= LEARNT_FROM:
        return ordered
    half = LEARNT_FROM // 2
    rest = np.linspace(half, len(ordered) - 1, half).astype(int)
    return ordered[:half] + [ordered[i] for i in rest]
