"""Independent draws: what every other strategy must beat."""

from __future__ import annotations

from edgetune.search.strategy import Strategy
from edgetune.space.parameters import Sample


class RandomSearch(Strategy):
    """Each active parameter drawn on its own."""

    def _propose(self) -> Sample:
        return self.problem.space.draw(self.rng)
