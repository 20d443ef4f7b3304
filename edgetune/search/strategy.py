"""The seam between the search loop and whoever decides what to try next."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from edgetune.search.encoding import Encoding
from edgetune.search.feasibility import Nearest, find_feasible, infeasible_error
from edgetune.search.problem import Problem
from edgetune.search.trial import Trial
from edgetune.space.parameters import Sample

PATIENCE = 64  # candidates in a row that are known or break a cheap limit, before feasible ones are bred on purpose


class Strategy(ABC):
    """Proposes samples and learns from trials.

    What :meth:`ask` answers depends on nothing but the seed, the trials told and the samples asked for that are
    still out. So a stopped search goes on by being told its stored trials, without asking for them again.
    No sample is proposed twice, nor one that was told.

    Parameters
    ----------
    problem
        What is searched for.
    seed
        Of the strategy's random numbers.
    initial
        The first so many samples are a Latin hypercube, the same for every strategy with this seed.
    """

    def __init__(self, problem: Problem, *, seed: int = 0, initial: int = 0) -> None:
        self.problem = problem
        self.seed = seed
        self.initial = initial
        self.encoding = Encoding(problem.space)
        self._design = self.encoding.spread(initial, np.random.default_rng(seed))
        self.known: set[str] = set()
        self.pending: dict[str, Sample] = {}
        self._met_feasible = False
        self._exhausted = False

    def ask(self, n: int = 1) -> list[Sample]:
        """Up to `n` new samples within the cheap limits; fewer only when no more of them were found in the space.

        Raises
        ------
        InfeasibleError
            No sample within the cheap limits was ever found; it names the nearest.
        """
        batch: list[Sample] = []
        while len(batch) < n and not self._exhausted:
            sample = self._next(self._stream())
            if sample is None:
                self._exhausted = True
            else:
                self.known.add(sample.hash)
                self.pending[sample.hash] = sample
                batch.append(sample)
        return batch

    def _stream(self) -> np.random.Generator:
        """The random numbers of the next proposal; what wraps a strategy draws from others."""
        return np.random.default_rng([self.seed, len(self.known)])

    def tell(self, trials: Sequence[Trial]) -> None:
        """Learns what came of samples, whether or not they were asked for."""
        for trial in trials:
            self.known.add(trial.sample.hash)
            self.pending.pop(trial.sample.hash, None)
        self._learn(trials)

    @abstractmethod
    def _propose(self, rng: np.random.Generator) -> Sample | None:
        """A candidate; it may be known or break a limit. None: out of ideas."""

    def _learn(self, trials: Sequence[Trial]) -> None:  # noqa: B027 — not every strategy learns
        """What a strategy that learns does with the trials."""

    def _next(self, rng: np.random.Generator) -> Sample | None:
        if len(self.known) < self.initial:
            planned = self.encoding.sample(self._design[len(self.known)])
            if planned.hash not in self.known and self.problem.cheap_violation(planned) == 0:
                self._met_feasible = True
                return planned
        return self._search(rng)

    def _search(self, rng: np.random.Generator) -> Sample | None:
        """The first proposal that is new and within the cheap limits; where none is, one bred on purpose."""
        nearest = Nearest(self.problem)
        for _ in range(PATIENCE):
            candidate = self._propose(rng)
            if candidate is None:
                break
            if nearest.look(candidate) and candidate.hash not in self.known:
                self._met_feasible = True
                return candidate
        bred = find_feasible(nearest, self.known, rng)
        if bred is None and not self._met_feasible:
            best = nearest.shrink()[0]
            if self.problem.cheap_violation(best) > 0:
                raise infeasible_error(self.problem, self.problem.cheap_objectives, self.problem.cheap_values(best))
        self._met_feasible = True
        return bred
