"""NSGA-II (Deb 2002), one child at a time, with constraint domination."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgetune.search.genetic import offspring
from edgetune.search.pareto import pareto_rank
from edgetune.search.problem import Problem
from edgetune.search.settings import check_count
from edgetune.search.strategy import Strategy
from edgetune.search.trial import Trial
from edgetune.space.parameters import Sample


class NSGA2(Strategy):
    """Parents won by binary tournament on rank, then crowding; survivors chosen after every trial.

    Parameters
    ----------
    population
        Survivors kept, at least two parents; the first so many samples are a Latin hypercube.

    Raises
    ------
    ConfigError
        A population that cannot be.
    """

    def __init__(self, problem: Problem, *, seed: int = 0, population: int = 20) -> None:
        check_count("population", population, least=2)
        super().__init__(problem, seed=seed, initial=population)
        self.population = population
        self.survivors: list[Trial] = []

    def _propose(self, rng: np.random.Generator) -> Sample:
        if len(self.survivors) < 2:
            return self.problem.space.draw(rng)
        return offspring(self.problem.space, self._winner(rng), self._winner(rng), rng)

    def _winner(self, rng: np.random.Generator) -> Sample:
        """The better of two survivors, which are kept best first."""
        return self.survivors[int(rng.integers(len(self.survivors), size=2).min())].sample

    def _learn(self, trials: Sequence[Trial]) -> None:
        candidates = self.survivors + [trial for trial in trials if trial.values is not None]
        self.survivors = [candidates[i] for i in best_first(self.problem, candidates)[: self.population]]


def best_first(problem: Problem, trials: Sequence[Trial]) -> list[int]:
    """Order of trials by violation of the limits, then rank, then crowding distance (largest first)."""
    if not trials:
        return []
    points = problem.points(trials)
    violation = np.array([problem.violation(trial) for trial in trials])
    rank = np.zeros(len(trials), dtype=int)
    feasible = violation == 0
    if feasible.any():
        rank[feasible] = pareto_rank(points[feasible])
    crowding = np.zeros(len(trials))
    for level in set(rank[feasible]):
        members = np.flatnonzero(feasible & (rank == level))
        crowding[members] = crowding_distance(points[members])
    return [int(i) for i in np.lexsort((-crowding, rank, violation))]


def crowding_distance(points: np.ndarray) -> np.ndarray:
    """Crowding distance of each point of one front, float (n,); infinite at its ends."""
    from pymoo.operators.survival.rank_and_crowding.metrics import calc_crowding_distance

    return np.asarray(calc_crowding_distance(points))
