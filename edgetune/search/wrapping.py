"""A strategy around another one: it puts samples of its own in place of some that the inner one would propose."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgetune.search.strategy import Strategy
from edgetune.search.trial import Trial
from edgetune.space.parameters import Sample


class Wrapping(Strategy):
    """The inner strategy knows every sample that is out or told, whoever proposed it, so both resume alike.

    Parameters
    ----------
    inner
        A new strategy; what is told to this one is passed on.
    """

    def __init__(self, inner: Strategy) -> None:
        super().__init__(inner.problem, seed=inner.seed)
        self.inner = inner
        self._inside: list[Strategy] = [inner, *(inner._inside if isinstance(inner, Wrapping) else ())]

    def _stream(self) -> np.random.Generator:
        """Of its own: with the inner one's numbers, whether it steps in would decide what the inner one proposes."""
        return np.random.default_rng([self.seed, len(self.known), len(self._inside)])

    def _propose(self, rng: np.random.Generator) -> Sample | None:
        return self.problem.space.draw(rng)

    def _learn(self, trials: Sequence[Trial]) -> None:
        self.inner.tell(trials)

    def _from_inner(self) -> Sample | None:
        """The inner strategy's own proposal, which it takes to be out."""
        return next(iter(self.inner.ask(1)), None)

    def _instead(self, sample: Sample, of: Sample | None = None) -> Sample:
        """Lets the inner strategy, and what that is wrapped around, believe that it proposed `sample`, and not `of`."""
        for strategy in self._inside:
            if of is not None and of.hash != sample.hash:
                strategy.known.discard(of.hash)
                strategy.pending.pop(of.hash, None)
            strategy.known.add(sample.hash)
            strategy.pending[sample.hash] = sample
        return sample

    def _is_new(self, sample: Sample) -> bool:
        return sample.hash not in self.known and self.problem.cheap_violation(sample) == 0
