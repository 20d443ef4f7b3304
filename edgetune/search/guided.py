"""The default strategy: candidates bred by evolution, screened by surrogates that learn from every trial."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgetune.search.acquisition import SCENARIOS, Volume, standard_normal
from edgetune.search.encoding import Encoding
from edgetune.search.nsga2 import best_first
from edgetune.search.objective import Objective
from edgetune.search.pareto import non_dominated
from edgetune.search.problem import Problem
from edgetune.search.strategy import Strategy
from edgetune.search.surrogate import EARLY, Surrogate, Warp
from edgetune.search.trial import Trial
from edgetune.space.parameters import Sample

PARENTS = 32
CHILDREN = 384
STRANGERS = 128
REFINED = 4  # the best candidates whose every neighbour is looked at too


class Guided(Strategy):
    """Expected hypervolume improvement over candidates that evolution breeds from the best trials.

    Each costly figure has a Gaussian process; cheap figures are computed, and serve as features of the others.
    Samples still under evaluation count with their expected figures, so batches are diverse.

    Parameters
    ----------
    initial
        Trials before the surrogates take over; by default as many as there are parameters, from 10 to 20.
    """

    def __init__(self, problem: Problem, *, seed: int = 0, initial: int | None = None) -> None:
        super().__init__(problem, seed=seed)
        self.encoding = Encoding(problem.space)
        self.surrogate = Surrogate(self.encoding)
        self.initial = initial or int(np.clip(len(problem.space.parameters), 10, 20))
        self.trials: list[Trial] = []
        self._rows = np.zeros((0, len(problem.space.parameters)))
        self._design = self.encoding.masked(spread(self.encoding, self.initial, np.random.default_rng(seed)))

    def _learn(self, trials: Sequence[Trial]) -> None:
        self.trials += trials
        self._rows = np.vstack([self._rows, self.encoding.rows([trial.sample for trial in trials])])

    def _propose(self, rng: np.random.Generator) -> Sample:
        return self.problem.space.draw(rng)

    def _next(self, rng: np.random.Generator) -> Sample | None:
        if len(self.known) < self.initial:
            sample = self.encoding.sample(self._design[len(self.known)])
            if sample.hash not in self.known and self.problem.cheap_violation(sample) == 0:
                self._met_feasible = True
                return sample
        elif sum(trial.values is not None for trial in self.trials) >= 2:
            best = self._best_candidate(rng)
            if best is not None:
                return best
        return super()._next(rng)

    def _best_candidate(self, rng: np.random.Generator) -> Sample | None:
        pending = list(self.pending.values())
        screen = Screen(self.problem, self.surrogate, self.trials, self._rows, pending)
        taken = {row.tobytes() for row in np.vstack([self._rows, self.encoding.rows(pending)])}
        candidates, scores = screen.scored(self._bred(rng), taken)
        top = np.argsort(-scores, kind="stable")[:REFINED]
        around = [self.encoding.neighbours(candidates[i], rng) for i in top]
        if around:
            near, near_scores = screen.scored(np.vstack(around), taken)
            candidates, scores = np.vstack([candidates, near]), np.append(scores, near_scores)
        if not len(scores) or scores.max() <= 0:
            return None
        return self.encoding.sample(candidates[int(np.argmax(scores))])

    def _bred(self, rng: np.random.Generator) -> np.ndarray:
        """Children of the best trials, and strangers."""
        usable = [i for i, trial in enumerate(self.trials) if trial.values is not None]
        order = best_first(self.problem, [self.trials[i] for i in usable])[:PARENTS]
        parents = self._rows[[usable[i] for i in order]]
        strangers = self.encoding.masked(self.encoding.draw(STRANGERS, rng))
        return np.vstack([self.encoding.children(parents, CHILDREN, rng), strangers])


class Screen:
    """Scores candidates against what is known."""

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
        figures = {objective.name: _column(objective, trials) for objective in self.costly}
        surrogate.fit(rows, self._free([trial.sample for trial in trials]), figures)
        self.volume = self._volume(trials)
        if pending:
            pending_rows = surrogate.encoding.rows(pending)
            surrogate.believe(pending_rows, self._free(pending))
            self.volume.add(self._scenarios(pending_rows, pending)[0].mean(axis=1))

    def scored(self, rows: np.ndarray, taken: set[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """The new rows within the cheap limits, and their expected improvement times the chance to be feasible."""
        rows = np.unique(rows, axis=0)
        rows = rows[[row.tobytes() not in taken for row in rows]]
        samples: list[Sample] = []
        if self.problem.cheap is not None and len(rows):
            samples = [self.surrogate.encoding.sample(row) for row in rows]
            within = [self.problem.cheap_violation(sample) == 0 for sample in samples]
            rows, samples = rows[within], [sample for sample, holds in zip(samples, within, strict=True) if holds]
        if not len(rows):
            return rows, np.zeros(0)
        scenarios, chance = self._scenarios(rows, samples)
        return rows, self.volume.expected_improvement(scenarios) * chance

    def _scenarios(self, rows: np.ndarray, samples: Sequence[Sample]) -> tuple[np.ndarray, np.ndarray]:
        """Possible figures of candidates, float (n, scenarios, targets), and the chance that limits hold, float (n)."""
        expected = self.surrogate.predict(rows, self._free(samples, len(rows)))
        noise = standard_normal(SCENARIOS, len(self.problem.targets))
        columns = []
        for j, target in enumerate(self.problem.targets):
            if target.cheap:
                exact = np.array(
                    [target.minimized(self.problem.cheap_values(sample)[target.name]) for sample in samples]
                )
                columns.append(np.repeat(exact[:, None], SCENARIOS, axis=1))
            else:
                mean, deviation = expected[target.name]
                warped = mean[:, None] + deviation[:, None] * noise[:, j]
                columns.append(self.surrogate.warps_[target.name].backward(warped))
        return np.stack(columns, axis=2), self._chance(expected, len(rows))

    def _chance(self, expected: dict[str, tuple[np.ndarray, np.ndarray]], n: int) -> np.ndarray:
        from scipy.special import ndtr

        chance = np.ones(n)
        for objective in self.costly:
            if objective.limit is not None:
                mean, deviation = expected[objective.name]
                limit = self.surrogate.warps_[objective.name].forward(np.array([objective.minimized(objective.limit)]))
                chance *= ndtr((limit - mean) / deviation)
        return chance

    def _volume(self, trials: Sequence[Trial]) -> Volume:
        """Counts from the worst of the front and of the early trials, short of what is beyond all hope."""
        usable = [trial for trial in trials if trial.values is not None]
        points = self.problem.points(usable)
        done = self.problem.points([trial for trial in usable if trial.state == "done"])
        front = done[non_dominated(done)]
        warps = [Warp(column, 1.0) for column in points.T]
        worst = np.vstack([front, points[:EARLY]]).max(axis=0)
        return Volume(front, points.min(axis=0), np.minimum(worst, [warp.cap for warp in warps]))

    def _free(self, samples: Sequence[Sample], n: int | None = None) -> np.ndarray:
        """What is known of samples without a trial, float (n, figures)."""
        if self.problem.cheap is None:
            return np.zeros((len(samples) if n is None else n, 0))
        known = [self.problem.cheap_values(sample) for sample in samples]
        return np.array([[figures[name] for name in sorted(figures)] for figures in known], dtype=float)


def _column(objective: Objective, trials: Sequence[Trial]) -> np.ndarray:
    """The figures, smaller is better; not a number where a trial failed."""
    return np.array([objective.minimized(t.values[objective.name]) if t.values else np.nan for t in trials])


def spread(encoding: Encoding, n: int, rng: np.random.Generator) -> np.ndarray:
    """A Latin hypercube, float (n, parameters), filled: values are used as evenly as `n` rows allow."""
    columns = [rng.permutation(n) for _ in encoding.parameters]
    places = (np.array(columns).T + rng.random((n, len(columns)))) / n
    return np.where(encoding.options > 0, np.floor(places * encoding.options), places)
