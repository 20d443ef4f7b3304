"""Independent draws: what every other strategy must beat."""

from __future__ import annotations

import numpy as np

from edgetune.search.strategy import Strategy
from edgetune.space.parameters import Sample


class RandomSearch(Strategy):
    """Each active parameter drawn on its own."""

    def _propose(self, rng: np.random.Generator) -> Sample:
        return self.problem.space.draw(rng)
