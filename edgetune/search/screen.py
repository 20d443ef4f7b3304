"""What is expected of candidates, given the trials so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgetune.search.acquisition import Shortfall, standard_normal
from edgetune.search.objective import Objective
from edgetune.search.pareto import non_dominated
from edgetune.search.problem import Problem, violation
from edgetune.search.surrogate import Surrogate
from edgetune.search.trial import Trial
from edgetune.search.warp import EARLY, Warp
from edgetune.space.parameters import Sample


@dataclass(frozen=True)
class Forecast:
    """One figure of each candidate: warped and normally distributed, or, when it is cheap, known."""

    mean: np.ndarray
    deviation: np.ndarray | None
    warp: Warp | None

    def shortfall(self, bounds: np.ndarray) -> np.ndarray:
        """Expected distance below bounds, float (n, bounds)."""
        if self.warp is None or self.deviation is None:
            return np.maximum(bounds - self.mean[:, None], 0.0)
        return self.warp.shortfall(bounds, self.mean, self.deviation)

    def scenarios(self, noise: np.ndarray) -> np.ndarray:
        """Possible figures, float (n, scenarios), one for each draw of a standard normal."""
        if self.warp is None or self.deviation is None:
            return np.repeat(self.mean[:, None], len(noise), axis=1)
        return self.warp.backward(self.mean[:, None] + self.deviation[:, None] * noise)


@dataclass(frozen=True)
class Candidates:
    """New samples within the cheap limits.

    Parameters
    ----------
    rows
        Encoded, float (n, parameters).
    targets
        A forecast for each optimised objective.
    chance
        That the costly limits hold, float (n).
    """

    rows: np.ndarray
    targets: tuple[Forecast, ...]
    chance: np.ndarray

    @property
    def shortfalls(self) -> list[Shortfall]:
        return [target.shortfall for target in self.targets]

    def scenarios(self, n: int) -> np.ndarray:
        """Possible figures, float (candidates, n, targets)."""
        noise = standard_normal(n, len(self.targets))
        return np.stack([target.scenarios(noise[:, j]) for j, target in enumerate(self.targets)], axis=2)


class Screen:
    """Forecasts for candidates.

    Parameters
    ----------
    rows
        The trials' samples, encoded.
    pending
        Samples still under evaluation: they count with their expected figures, so the next ones are others.

    Attributes
    ----------
    front, reference
        Of the trials and what is pending, float (n, targets) and (targets); the reference is the worst of the front
        and of the early trials, short of what is beyond all hope.
    """

    front: np.ndarray
    reference: np.ndarray

    def __init__(
        self,
        problem: Problem,
        surrogate: Surrogate,
        trials: Sequence[Trial],
        rows: np.ndarray,
        pending: Sequence[Sample],
    ) -> None:
        self.problem = problem
        self.surrogate = surrogate
        self.costly = [objective for objective in problem.objectives if not objective.cheap]
        known = [trial.sample for trial in trials]
        self._typical = _medians(self._figures(known))
        surrogate.fit(rows, {o.name: _column(o, trials) for o in self.costly}, self._free(known))
        self._measure(trials)
        pending_rows = surrogate.encoding.rows(pending)
        self.taken = {row.tobytes() for row in np.vstack([rows, pending_rows])}
        if pending:
            surrogate.believe(pending_rows, self._free(pending))
            expected = self._candidates(pending_rows, pending).scenarios(1)[:, 0]
            front = np.vstack([self.front, expected])
            self.front = front[non_dominated(front)]

    def candidates(self, rows: np.ndarray) -> Candidates:
        """Those of the rows that are new and hold the cheap limits."""
        rows = np.unique(rows, axis=0)
        rows = rows[[row.tobytes() not in self.taken for row in rows]]
        samples: list[Sample] = []
        if self.problem.cheap is not None:
            samples = [self.surrogate.encoding.sample(row) for row in rows]
            figures = self.problem.cheap_figures(samples)
            within = [violation(self.problem.cheap_objectives, known) == 0 for known in figures]
            rows, samples = rows[within], [sample for sample, holds in zip(samples, within, strict=True) if holds]
        return self._candidates(rows, samples)

    def _candidates(self, rows: np.ndarray, samples: Sequence[Sample]) -> Candidates:
        free = self._free(samples) if self.problem.cheap is not None else None
        forecasts = forecast(self.problem, self.surrogate, rows, samples, free)
        targets = tuple(forecasts[target.name] for target in self.problem.targets)
        return Candidates(rows, targets, self._chance(forecasts, len(rows)))

    def _chance(self, forecasts: Mapping[str, Forecast], n: int) -> np.ndarray:
        from scipy.special import ndtr

        chance = np.ones(n)
        for objective in self.costly:
            if objective.limit is not None:
                forecast = forecasts[objective.name]
                assert forecast.warp is not None and forecast.deviation is not None
                limit = forecast.warp.forward(np.array([objective.minimized(objective.limit)]))
                chance *= ndtr((limit - forecast.mean) / forecast.deviation)
        return chance

    def _measure(self, trials: Sequence[Trial]) -> None:
        usable = [trial for trial in trials if trial.values is not None]
        points = self.problem.points(usable)
        done = self.problem.points([trial for trial in usable if trial.state == "done"])
        self.front = done[non_dominated(done)]
        self.ideal = points.min(axis=0)
        worst = np.vstack([self.front, points[:EARLY]]).max(axis=0)
        self.reference = np.minimum(worst, [Warp(column).worst for column in points.T])

    def _free(self, samples: Sequence[Sample]) -> np.ndarray:
        """What is known of samples without a trial, float (n, figures), typical where it is no finite number."""
        figures = self._figures(samples).reshape(len(samples), len(self._typical))
        return np.where(np.isfinite(figures), figures, self._typical)

    def _figures(self, samples: Sequence[Sample]) -> np.ndarray:
        known = self.problem.cheap_figures(samples)
        return np.array([[figures[name] for name in sorted(figures)] for figures in known], dtype=float)


def forecast(
    problem: Problem,
    surrogate: Surrogate,
    rows: np.ndarray,
    samples: Sequence[Sample],
    free: np.ndarray | None = None,
) -> dict[str, Forecast]:
    """Each figure of the candidates `rows`, which are `samples`; what the surrogate takes for noise is part of it.

    For the front is one of figures that were told, and a figure is seen only once.
    """
    forecasts: dict[str, Forecast] = {}
    for name, (mean, deviation) in surrogate.predict(rows, free).items():
        spread = np.hypot(deviation, surrogate.models_[name].noise ** 0.5)
        forecasts[name] = Forecast(mean, spread, surrogate.warps_[name])
    known = problem.cheap_figures(samples)
    for target in problem.targets:
        if target.cheap:
            exact = np.array([target.minimized(figures[target.name]) for figures in known])
            forecasts[target.name] = Forecast(exact, None, None)
    return forecasts


def _medians(figures: np.ndarray) -> np.ndarray:
    """Of the finite figures of each column, float (columns); 0 where there is none."""
    finite = [column[np.isfinite(column)] for column in figures.T]
    return np.array([np.median(column) if len(column) else 0.0 for column in finite])


def _column(objective: Objective, trials: Sequence[Trial]) -> np.ndarray:
    """The figures, smaller is better; not a number where a trial failed."""
    return np.array([objective.minimized(t.values[objective.name]) if t.values else np.nan for t in trials])
