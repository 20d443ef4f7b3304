"""Which networks of a space a batch trains: its ends and some between (the sandwich rule, Yu and Huang 2019)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from edgetune.space.architecture import Architecture
from edgetune.space.mobile import MobileSpace
from edgetune.space.parameters import Sample
from edgetune.space.shrinking import draw_opened, opened_at, smallest_opened

RANDOM_NETWORKS = 2
"""A batch, besides those at the ends."""


@dataclass(frozen=True)
class Sandwich:
    """Networks of a space that shrinks progressively.

    Parameters
    ----------
    architecture
        Makes a sample of the space a network for the pictures at hand.
    shrinking
        From which share of the training on a choice may be other than the largest; see
        :data:`edgetune.space.shrinking.CHOICES`. One that is not named may never.
    both_ends
        In each batch, as in the paper; else one of them by chance, which for the same time are more batches.
    """

    space: MobileSpace
    architecture: Callable[[Sample], Architecture]
    shrinking: Mapping[str, float]
    both_ends: bool

    def networks(self, done: float, rng: np.random.Generator) -> list[Architecture]:
        """From the largest to random ones; the largest, of one block kind by chance, alone where nothing may differ."""
        opened, largest = opened_at(self.shrinking, done), self.space.largest()
        ends = [largest[int(rng.integers(len(largest)))]]
        between: list[Sample] = []
        if opened:
            ends.append(smallest_opened(self.space, opened, rng))
            if not self.both_ends:
                ends = [ends[int(rng.integers(2))]]
            between = [draw_opened(self.space, opened, rng) for _ in range(RANDOM_NETWORKS)]
        return [self.architecture(sample) for sample in (*ends, *between)]
