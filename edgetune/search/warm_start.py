"""A search that goes on from what earlier ones found, once they have ranked its own first trials rightly.

An earlier study must rank its own trials, half of them from the other half, better than chance would. It is silent
until its surrogate's ranks of this study's trials agree with what came of them better than chance would; then it speaks
as often as it has earned, as in the ranking-weighted ensembles of Feurer (2018). Until then the search is, proposal by
proposal, the one that had no past, so a past about something else costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edgetune.search.acquisition import SCENARIOS, Volume, standard_normal
from edgetune.search.encoding import Encoding
from edgetune.search.memory import Memory, Past, agrees, is_related
from edgetune.search.nsga2 import best_first
from edgetune.search.pareto import non_dominated
from edgetune.search.screen import forecast
from edgetune.search.strategy import Strategy
from edgetune.search.trial import Trial
from edgetune.search.warp import EARLY
from edgetune.search.wrapping import Wrapping
from edgetune.space.parameters import Sample

FEWEST = 6
"""Trials that can prove anything: of 5 the best τ has a chance of 1 in 120."""
MOST = 0.85
"""Share of the proposals that earlier studies may make."""
FULL_TRUST = 0.5
"""Lower bound of Kendall's τ from which on they make them."""
REPEATED = 64
"""Of an earlier study's best trials are tried here too, while it is trusted."""
PARENTS, CHILDREN = 48, 256


class WarmStart(Wrapping):
    """Another strategy, helped by earlier studies.

    Parameters
    ----------
    inner
        A new strategy.
    pasts
        Earlier studies; those that know too few of this space's labels, not all of its costly objectives, or nothing
        that holds for the other half of their own trials are left out.
    on_trust
        Told, once each, the earlier study that has proved itself, after how many trials, and how far it is trusted.
    """

    def __init__(
        self,
        inner: Strategy,
        pasts: Sequence[Past],
        *,
        on_trust: Callable[[Past, int, float], None] = lambda past, trials, trust: None,
    ) -> None:
        super().__init__(inner)
        self.encoding = Encoding(self.problem.space)
        related = [Memory(past, self.problem, self.encoding) for past in pasts if is_related(past, self.problem)]
        self.memories = [memory for memory in related if memory.knows_itself()]
        self.trials: list[Trial] = []
        self.on_trust = on_trust
        self._proved: set[int] = set()
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
        for place in range(len(self.memories)):
            if place not in self._proved and (trust := self.trust(place)) > 0:
                self._proved.add(place)
                self.on_trust(self.memories[place].past, len(self.known) - len(self.pending), trust)

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
        memory.recalled.fit(rows, figures)

    def _scenarios(self, memory: Memory, rows: np.ndarray) -> np.ndarray:
        """Possible figures, float (n, scenarios, targets); cheap ones are what they are."""
        targets = self.problem.targets
        noise = standard_normal(SCENARIOS, len(targets))
        forecasts = forecast(self.problem, memory.recalled, rows, [self.encoding.sample(row) for row in rows])
        return np.stack([forecasts[target.name].scenarios(noise[:, j]) for j, target in enumerate(targets)], axis=2)

    def _volume(self) -> Volume:
        points = self.problem.points(self.trials)
        done = self.problem.points([trial for trial in self.trials if trial.state == "done"])
        best = done[non_dominated(done)]
        return Volume(best, points.min(axis=0), np.vstack([best, points[:EARLY]]).max(axis=0))


def _line(expected: np.ndarray, found: np.ndarray) -> tuple[float, float]:
    """Slope (never negative) and shift that lead from one to the other."""
    spread = expected.std()
    slope = max(0.0, float(np.cov(expected, found, bias=True)[0, 1] / spread**2)) if spread > 1e-12 else 0.0
    return slope, float(found.mean() - slope * expected.mean())
