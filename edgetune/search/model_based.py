"""What strategies with a surrogate share: a first design, then the best of many candidates."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cache, cached_property
from typing import TYPE_CHECKING

import numpy as np

from edgetune.search.cheap import REMEMBERED
from edgetune.search.enumeration import size_bound
from edgetune.search.nsga2 import best_first
from edgetune.search.problem import Problem
from edgetune.search.screen import Candidates, Screen
from edgetune.search.settings import check_count
from edgetune.search.strategy import Strategy
from edgetune.search.surrogate import Surrogate
from edgetune.search.trial import Trial
from edgetune.space.parameters import Sample

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

PARENTS = 32
CHILDREN = 384
STRANGERS = 128, 4096  # fewest and most; few where much is to be computed for each
COVARIANCES = 300_000  # of strangers with trials, about, for each proposal
REFINED = 4  # the best candidates whose every neighbour is looked at too


class ModelBased(Strategy):
    """Learns a surrogate of every costly figure, and proposes the candidate with the best score.

    Candidates are children of the best trials, random strangers, and the neighbours of the best of those. Samples still
    under evaluation count with their expected figures, so batches are diverse.

    Parameters
    ----------
    initial
        Trials before the surrogate takes over; by default as many as there are parameters, from 10 to 20.

    Raises
    ------
    ConfigError
        `initial` is not such a number.
    """

    def __init__(self, problem: Problem, *, seed: int = 0, initial: int | None = None) -> None:
        if initial is not None:
            check_count("initial", initial, least=0)
        super().__init__(problem, seed=seed, initial=initial or int(np.clip(len(problem.space.parameters), 10, 20)))
        self.surrogate = Surrogate(self.encoding)
        self.trials: list[Trial] = []
        self._rows = np.zeros((0, len(problem.space.parameters)))

    @abstractmethod
    def _scores(self, screen: Screen, candidates: Candidates, rng: np.random.Generator) -> np.ndarray:
        """How much each candidate is worth trying, float (n); only the order counts."""

    def _learn(self, trials: Sequence[Trial]) -> None:
        self.trials += trials
        self._rows = np.vstack([self._rows, self.encoding.rows([trial.sample for trial in trials])])

    def _propose(self, rng: np.random.Generator) -> Sample:
        return self.problem.space.draw(rng)

    def _search(self, rng: np.random.Generator) -> Sample | None:
        if len(self.known) >= self.initial and sum(trial.values is not None for trial in self.trials) >= 2:
            with _one_thread():
                best = self._best_candidate(rng)
            if best is not None:
                return best
        return super()._search(rng)

    def _best_candidate(self, rng: np.random.Generator) -> Sample | None:
        screen = Screen(self.problem, self.surrogate, self.trials, self._rows, list(self.pending.values()))
        # Scores may be relative to the candidates they are computed for, so the last ones are for all of them.
        rows = screen.candidates(self._bred(rng))
        if not len(rows.rows):
            return None
        scores = self._scores(screen, rows, np.random.default_rng([self.seed, len(self.known)]))
        top = rows.rows[np.argsort(-scores, kind="stable")[:REFINED]]
        near = screen.candidates(np.vstack([top, *(self.encoding.neighbours(row, rng) for row in top)]))
        scores = self._scores(screen, near, np.random.default_rng([self.seed, len(self.known)]))
        return self.encoding.sample(near.rows[int(np.argmax(scores))])

    def _bred(self, rng: np.random.Generator) -> np.ndarray:
        """Children of the best trials, and strangers."""
        usable = [i for i, trial in enumerate(self.trials) if trial.values is not None]
        order = best_first(self.problem, [self.trials[i] for i in usable])[:PARENTS]
        parents = self._rows[[usable[i] for i in order]]
        quick = self._known_for_good and len(self.problem.targets) <= 2  # volumes of more dimensions take long
        strangers = int(np.clip(COVARIANCES // len(self.trials), *STRANGERS)) if quick else STRANGERS[0]
        drawn = self.encoding.masked(self.encoding.draw(strangers, rng))
        return np.vstack([self.encoding.children(parents, CHILDREN, rng), drawn])

    @cached_property
    def _known_for_good(self) -> bool:
        """Nothing is computed for a candidate, or the space is so small that it is computed once and remembered."""
        return self.problem.cheap is None or size_bound(self.problem.space) <= REMEMBERED


def _one_thread() -> AbstractContextManager[object]:
    """Matrices of a few hundred rows are too small to share: beside other work, waiting for a second thread made a
    proposal several times as long."""
    return _linear_algebra().limit(limits=1, user_api="blas")


@cache
def _linear_algebra() -> ThreadpoolController:
    """The libraries that are loaded; to look for them takes as long as some proposals do."""
    import scipy.linalg  # noqa: F401  (brings a library of its own)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
