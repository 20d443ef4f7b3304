"""How far a search is from the front that is known to be there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgetune.search.pareto import hypervolume


@dataclass(frozen=True)
class TrueFront:
    """A front's hypervolume below a reference point. Every objective is minimised."""

    reference: np.ndarray
    volume: float

    @classmethod
    def of(cls, points: np.ndarray, reference: np.ndarray) -> TrueFront:
        """Of points, float (points, objectives), with the front among them."""
        return cls(reference, hypervolume(points, reference))

    def regret(self, points: np.ndarray) -> float:
        """1 - hypervolume / hypervolume of the front, in percent."""
        return 100 * (1 - hypervolume(points, self.reference) / self.volume)
