"""A search that goes on from what earlier ones found, once they have ranked its own first trials rightly.

An earlier study must rank its own trials, half of them from the other half, better than chance would. It is silent
until its surrogate's ranks of this study's trials agree with what came of them better than chance would; then it speaks
as often as it has earned, as in the ranking-weighted ensembles of Feurer (2018). Until then the search is, proposal by
proposal, the one that had no past, so a past about something else costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from edgetune.search.acquisition import SCENARIOS, Volume, standard_normal
from edgetune.search.encoding import Encoding
from edgetune.search.nsga2 import best_first
from edgetune.search.pareto import non_dominated
from edgetune.search.problem import Problem
from edgetune.search.screen import Forecast
from edgetune.search.strategy import Strategy
from edgetune.search.surrogate import Surrogate
from edgetune.search.trial import Trial
from edgetune.search.warp import EARLY
from edgetune.search.wrapping import Wrapping
from edgetune.space.parameters import Choice, Sample, Space, Value

FEWEST = 6  # trials that can prove anything: of 5 the best τ has a chance of 1 in 120
CHANCE = (
    0.005  # that a stranger ranks so well; asked after each of 120 trials, it is believed in about one search of 50
)
MOST = 0.85  # share of the proposals that earlier studies may make
FULL_TRUST = 0.5  # lower bound of Kendall's τ from which on they make them
FEWEST_KNOWN = 12  # trials of an earlier study
OVERLAP = 0.5  # share of this space's labels that an earlier study must know
LEARNT_FROM = 256  # trials of an earlier study that its surrogate is fitted to
REPEATED = 64  # of its best trials are tried here too, while it is trusted
PARENTS, CHILDREN = 48, 256


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
        self.surrogate.fit(self.rows, np.zeros((len(kept), 0)), self.found)
        noise = np.array([self.surrogate.models_[target.name].noise for target in self.targets])
        self.reliability = np.clip(1 - noise, 0.0, 1.0)
        expected = self.expected(self.rows)
        self.figures = expected + self.reliability * (np.column_stack(list(self.found.values())) - expected)
        self.recalled = Recalled(self.surrogate)

    def knows_itself(self) -> bool:
        """Whether every second trial tells of the others, for each target; a smooth guess would rank by luck alone."""
        half = Surrogate(self.encoding)
        shown, hidden = self.rows[::2], self.rows[1::2]
        half.fit(shown, np.zeros((len(shown), 0)), {name: found[::2] for name, found in self.found.items()})
        expected = half.predict(hidden, np.zeros((len(hidden), 0)))
        return all(agrees(expected[name][0], found[1::2]) for name, found in self.found.items())

    def expected(self, rows: np.ndarray) -> np.ndarray:
        """The costly targets as the earlier study would have seen them, float (n, targets), smaller is better."""
        found = self.surrogate.predict(rows, np.zeros((len(rows), 0)))
        return np.column_stack([self.surrogate.warps_[t.name].backward(found[t.name][0]) for t in self.targets])


class WarmStart(Wrapping):
    """Another strategy, helped by earlier studies.

    Parameters
    ----------
    inner
        A new strategy.
    pasts
        Earlier studies; those that know too few of this space's labels, not all of its costly objectives, or nothing
        that holds for the other half of their own trials are left out.
    """

    def __init__(self, inner: Strategy, pasts: Sequence[Past]) -> None:
        super().__init__(inner)
        self.encoding = Encoding(self.problem.space)
        related = [Memory(past, self.problem, self.encoding) for past in pasts if is_related(past, self.problem)]
        self.memories = [memory for memory in related if memory.knows_itself()]
        self.trials: list[Trial] = []
        self._seen = [np.zeros((0, len(memory.targets))) for memory in self.memories]

    def _learn(self, trials: Sequence[Trial]) -> None:
        super()._learn(trials)
        told = [trial for trial in trials if trial.values is not None]
        if told and self.memories:
            rows = self.encoding.rows([trial.sample for trial in told])
            self._seen = [
                np.vstack([seen, memory.expected(rows)]) for seen, memory in zip(self._seen, self.memories, strict=True)
            ]
        self.trials += told

    def _next(self, rng: np.random.Generator) -> Sample | None:
        sample = self._from_past(rng) if self.memories else None
        return self._from_inner() if sample is None else self._instead(sample)

    def _from_past(self, rng: np.random.Generator) -> Sample | None:
        trust = np.array([self.trust(i) for i in range(len(self.memories))])
        if rng.random() >= MOST * trust.max():
            return None
        return self._best_candidate(int(rng.choice(len(trust), p=trust / trust.sum())), rng)

    def trust(self, place: int) -> float:
        """From 0 to 1: how rightly an earlier study ranks this study's trials, by its worst objective.

        Kendall's τ less its standard error, times the part of the figure that its surrogate explains in its own trials;
        0 where a permutation test does not tell some objective's τ from chance.
        """
        from scipy.stats import kendalltau

        n = len(self.trials)
        if n < FEWEST:
            return 0.0
        error = np.sqrt(2 * (2 * n + 5) / (9 * n * (n - 1)))
        taus = []
        for j, target in enumerate(self.memories[place].targets):
            found = [target.minimized((trial.values or {})[target.name]) for trial in self.trials]
            if not agrees(self._seen[place][:, j], found):
                return 0.0
            taus.append(kendalltau(self._seen[place][:, j], found).statistic)
        earned = (np.array(taus) - error) / FULL_TRUST
        return float((np.clip(earned, 0.0, 1.0) * self.memories[place].reliability).min())

    def _best_candidate(self, place: int, rng: np.random.Generator) -> Sample | None:
        """The earlier study's best trials in their order, then what both studies expect to improve the front most."""
        memory = self.memories[place]
        best_ones = (self.encoding.sample(row) for row in memory.rows[:REPEATED])
        if (again := next((sample for sample in best_ones if self._is_new(sample)), None)) is not None:
            return again
        rows_told = self.encoding.rows([trial.sample for trial in self.trials])
        best = best_first(self.problem, self.trials)[:PARENTS]
        parents = np.vstack([rows_told[best], memory.rows[:PARENTS]])
        rows = np.unique(np.vstack([memory.rows, self.encoding.children(parents, CHILDREN, rng)]), axis=0)
        taken = {row.tobytes() for row in rows_told}
        rows = rows[[row.tobytes() not in taken for row in rows]]
        self._recall(place, rows_told)
        gains = self._volume().expected_improvement(self._scenarios(memory, rows))
        promising = (rows[i] for i in np.argsort(-gains, kind="stable") if gains[i] > 0)
        return next((sample for row in promising if self._is_new(sample := self.encoding.sample(row))), None)

    def _recall(self, place: int, rows_told: np.ndarray) -> None:
        """Conditions a surrogate on this study's trials and on the earlier one's, fitted to them by a line each."""
        memory, told = self.memories[place], self.problem.points(self.trials)
        figures = {}
        for j, target in enumerate(memory.targets):
            found = told[:, self.problem.targets.index(target)]
            slope, shift = _line(self._seen[place][:, j], found)
            figures[target.name] = np.append(slope * memory.figures[:, j] + shift, found)
        rows = np.vstack([memory.rows, rows_told])
        memory.recalled.fit(rows, np.zeros((len(rows), 0)), figures)

    def _scenarios(self, memory: Memory, rows: np.ndarray) -> np.ndarray:
        """Possible figures, float (n, scenarios, targets); cheap ones are what they are.

        What the surrogate takes for noise is part of a figure that is only ever seen once, so it counts as a chance.
        """
        noise = standard_normal(SCENARIOS, len(self.problem.targets))
        expected = memory.recalled.predict(rows, np.zeros((len(rows), 0)))
        known = self.problem.cheap_figures([self.encoding.sample(row) for row in rows])
        forecasts = []
        for target in self.problem.targets:
            if target.cheap:
                exact = np.array([target.minimized(figures[target.name]) for figures in known])
                forecasts.append(Forecast(exact, None, None))
            else:
                mean, deviation = expected[target.name]
                spread = np.sqrt(deviation**2 + memory.recalled.models_[target.name].noise)
                forecasts.append(Forecast(mean, spread, memory.recalled.warps_[target.name]))
        return np.stack([forecast.scenarios(noise[:, j]) for j, forecast in enumerate(forecasts)], axis=2)

    def _volume(self) -> Volume:
        points = self.problem.points(self.trials)
        done = self.problem.points([trial for trial in self.trials if trial.state == "done"])
        best = done[non_dominated(done)]
        return Volume(best, points.min(axis=0), np.vstack([best, points[:EARLY]]).max(axis=0))


def agrees(expected: np.ndarray, found: Sequence[float] | np.ndarray) -> bool:
    """Whether a permutation test tells Kendall's τ from chance."""
    from scipy.stats import kendalltau

    return bool(kendalltau(expected, found, alternative="greater").pvalue < CHANCE)  # nan where all are alike


def is_related(past: Past, problem: Problem) -> bool:
    """Whether an earlier study knows enough of this space's labels, and every costly objective, its direction too."""
    known = {label for sample in past.samples for label in sample}
    labels = [parameter.label for parameter in problem.space.parameters]
    costly = [target for target in problem.targets if not target.cheap]
    return (
        len(past.samples) >= FEWEST_KNOWN
        and sum(label in known for label in labels) >= OVERLAP * len(labels)
        and all(past.directions.get(target.name, target.direction) == target.direction for target in costly)
        and all(target.name in figures for target in costly for figures in past.figures)
    )


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


def _line(expected: np.ndarray, found: np.ndarray) -> tuple[float, float]:
    """Slope (never negative) and shift that lead from one to the other."""
    spread = expected.std()
    slope = max(0.0, float(np.cov(expected, found, bias=True)[0, 1] / spread**2)) if spread > 1e-12 else 0.0
    return slope, float(found.mean() - slope * expected.mean())
