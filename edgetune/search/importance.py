"""How much each parameter decides of each objective, judged from the trials so far.

Three views, because they answer three questions:

`ped_anova`  which parameters tell good samples from the rest (Watanabe 2023, arXiv 2304.10255; for conditional ones
             arXiv 2601.20800), by Optuna, among random samples as the surrogate expects them.
`variance`   whose change moves the figure, over the whole space: total-effect indices (Homma and Saltelli 1996) of the
             surrogate. A parameter that exists only under conditions counts as often as it exists.
`local`      by how much one changed choice moves the figure around the front, in the figure's own unit.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from edgetune.errors import MissingDependencyError
from edgetune.search.encoding import INACTIVE, Encoding
from edgetune.search.optuna_export import distribution_of
from edgetune.search.pareto import front
from edgetune.search.problem import Problem
from edgetune.search.surrogate import Surrogate
from edgetune.search.trial import Trial
from edgetune.space.parameters import Sample

Shares: TypeAlias = Mapping[str, Mapping[str, float]]  # objective, then label

FEWEST = 20  # trials, below which nothing is said
DRAWS = 256  # random samples behind a total-effect index
RANDOM = 4000  # samples that PED-ANOVA looks at
TOP = 0.2  # share of them that counts as good


@dataclass(frozen=True)
class Importance:
    """The three views after so many trials. Shares of `ped_anova` and `variance` add up to 1 for each objective."""

    trials: int
    ped_anova: Shares = field(default_factory=dict)
    variance: Shares = field(default_factory=dict)
    local: Shares = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        views = {"ped_anova": self.ped_anova, "variance": self.variance, "local": self.local}
        return {"trials": self.trials, **{name: _plain(view) for name, view in views.items()}}


def importance(problem: Problem, trials: Sequence[Trial]) -> Importance | None:
    """All three views of the optimised objectives; None where fewer than 20 trials have figures."""
    usable = [trial for trial in trials if trial.values is not None]
    if len(usable) < FEWEST:
        return None
    model = Model(problem, usable)
    return Importance(len(trials), model.ped_anova(), model.variance(), model.local(front(problem, usable)))


class Model:
    """A surrogate of each optimised objective over the parameters alone, whatever else is known of a sample."""

    def __init__(self, problem: Problem, trials: Sequence[Trial]) -> None:
        self.problem = problem
        self.encoding = Encoding(problem.space)
        self.surrogate = Surrogate(self.encoding)
        rows = self.encoding.rows([trial.sample for trial in trials])
        figures = dict(zip([target.name for target in problem.targets], problem.points(trials).T, strict=True))
        self.surrogate.fit(rows, figures)

    def predict(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The expected figures by objective, float (n,), in their own unit and direction."""
        expected = self.surrogate.predict(rows)
        return {
            target.name: target.minimized(1.0) * self.surrogate.warps_[target.name].backward(expected[target.name][0])
            for target in self.problem.targets
        }

    def warped(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The expected figures as the surrogate sees them: standardised, hopeless ones cut off."""
        return {name: mean for name, (mean, _) in self.surrogate.predict(rows).items()}

    def variance(self) -> dict[str, dict[str, float]]:
        """Total-effect indices by Jansen's estimator (1999), scaled to a sum of 1."""
        rng = np.random.default_rng(0)
        base, other = self.encoding.draw(DRAWS, rng), self.encoding.draw(DRAWS, rng)
        changed = [np.where(np.arange(base.shape[1]) == i, other, base) for i in range(base.shape[1])]
        rows = self.encoding.masked(np.vstack([base, *changed]))
        shares = {}
        for name, values in self.warped(rows).items():
            start, moved = values[:DRAWS], values[DRAWS:].reshape(-1, DRAWS)
            effects = ((moved - start) ** 2).mean(axis=1) / 2
            shares[name] = self._by_label(effects / (effects.sum() or 1.0))
        return shares

    def ped_anova(self) -> dict[str, dict[str, float]]:
        """What tells the best fifth of random samples from the rest, as the surrogate expects them.

        Optuna's evaluator takes trials for a random sample, which those of a strategy are not.
        """
        rows = self.encoding.masked(self.encoding.draw(RANDOM, np.random.default_rng(0)))
        expected = self.warped(rows)
        # What lies within a tenth of a standard deviation is alike: the order of such samples is chance.
        points = np.column_stack([expected[target.name].round(1) for target in self.problem.targets])
        return ped_anova(self.problem, [self.encoding.sample(row) for row in rows], points)

    def local(self, members: Sequence[Trial]) -> dict[str, dict[str, float]]:
        """Mean absolute change of the expected figure when one choice of a front's member becomes another."""
        sums = {target.name: np.zeros(len(self.encoding.parameters)) for target in self.problem.targets}
        counts = np.zeros(len(self.encoding.parameters))
        for row in self.encoding.rows([trial.sample for trial in members]):
            flipped, columns = self.flips(row)
            expected = self.predict(np.vstack([row, flipped]))
            np.add.at(counts, columns, 1)
            for name, values in expected.items():
                np.add.at(sums[name], columns, np.abs(values[1:] - values[0]))
        return {name: self._by_label(total / np.maximum(counts, 1)) for name, total in sums.items()}

    def flips(self, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Each row that differs in one active choice (a tenth of its width up and down in a range), and which.

        What a change makes active takes its middle option.
        """
        options = self.encoding.options
        filled = np.where(row == INACTIVE, np.where(options > 0, options // 2, 0.5), row)
        rows, columns = [], []
        for i in np.flatnonzero(row != INACTIVE):
            places = np.arange(options[i]) if options[i] else np.clip([row[i] - 0.1, row[i] + 0.1], 0, 1)
            for place in places[places != row[i]]:
                rows.append(np.where(np.arange(len(row)) == i, place, filled))
                columns.append(i)
        return self.encoding.masked(np.array(rows).reshape(-1, len(row))), np.array(columns, dtype=int)

    def _by_label(self, values: np.ndarray) -> dict[str, float]:
        labels = [parameter.label for parameter in self.encoding.parameters]
        return dict(zip(labels, map(float, values), strict=True))


def ped_anova(problem: Problem, samples: Sequence[Sample], points: np.ndarray) -> dict[str, dict[str, float]]:
    """PED-ANOVA of Optuna: what tells the best fifth of the samples from the rest.

    Parameters
    ----------
    samples
        Drawn at random: what a strategy bred has correlations of its own, which count as importance.
    points
        Their figures, float (n, targets), smaller is better.

    Raises
    ------
    MissingDependencyError
        Optuna is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise MissingDependencyError("needs Optuna", where="importance", mend="pip install edgetune[search]") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    distributions = {parameter.label: distribution_of(parameter) for parameter in problem.space.parameters}
    study = optuna.create_study(directions=["minimize"] * len(problem.targets))
    trials = []
    for sample, figures in zip(samples, points, strict=True):
        values = dict(sample.values)
        told = {label: distributions[label] for label in values}
        trials.append(optuna.trial.create_trial(params=values, distributions=told, values=figures.tolist()))
    study.add_trials(trials)
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=TOP)
    shares = {}
    for place, target in enumerate(problem.targets):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of options that few trials took
            found = evaluator.evaluate(study, target=partial(_figure, place=place))
        total = sum(found.values()) or 1.0
        shares[target.name] = {label: found.get(label, 0.0) / total for label in distributions}
    return shares


def _figure(trial: Any, place: int) -> float:
    return float(trial.values[place])


def _plain(view: Shares) -> dict[str, dict[str, float]]:
    return {name: {label: round(value, 6) for label, value in shares.items()} for name, shares in view.items()}
