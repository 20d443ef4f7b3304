"""Regularized evolution (Real 2019), for any number of objectives."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from edgetune.search.genetic import mutant
from edgetune.search.nsga2 import best_first
from edgetune.search.problem import Problem
from edgetune.search.settings import check_count
from edgetune.search.strategy import Strategy
from edgetune.search.trial import Trial
from edgetune.space.parameters import Sample


class RegularizedEvolution(Strategy):
    """The best of a few members is mutated, the oldest member dies.

    "Best" is by violation of the limits, then rank, then crowding among those few, as in NSGA-II.

    Parameters
    ----------
    population
        Members alive; as many samples are drawn at random first.
    tournament
        Members compared for each parent.

    Raises
    ------
    ConfigError
        A population or a tournament of none.
    """

    def __init__(self, problem: Problem, *, seed: int = 0, population: int = 50, tournament: int = 10) -> None:
        check_count("population", population, least=1)
        check_count("tournament", tournament, least=1)
        super().__init__(problem, seed=seed)
        self.population = population
        self.tournament = tournament
        self.members: deque[Trial] = deque(maxlen=population)

    def _propose(self, rng: np.random.Generator) -> Sample:
        if len(self.known) < self.population or not self.members:
            return self.problem.space.draw(rng)
        size = min(self.tournament, len(self.members))
        contest = [self.members[i] for i in rng.choice(len(self.members), size=size, replace=False)]
        parent = contest[best_first(self.problem, contest)[0]]
        return mutant(self.problem.space, parent.sample, rng)

    def _learn(self, trials: Sequence[Trial]) -> None:
        self.members.extend(trial for trial in trials if trial.values is not None)
