"""Progressive shrinking (Cai 2020): a mobile space of which only some choices are open, the others being the largest.

Once-for-all opens the kernel, the depth, then the width; the choices that its space has not are `operators` here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from edgetune.space.mobile import MobileSpace
from edgetune.space.parameters import Sample, Value

CHOICES = ("operators", "kernel", "depth", "expansion", "width")
"""What can be opened; the first are a block's kind, activations and squeeze-excite."""


def opened_at(shares: Mapping[str, float], done: float) -> frozenset[str]:
    """The choices whose share of a training has passed."""
    return frozenset(choice for choice, share in shares.items() if done >= share)


def draw_opened(mobile: MobileSpace, opened: Collection[str], rng: np.random.Generator) -> Sample:
    """A random network that differs from one of the largest in opened :data:`CHOICES` only."""
    return mobile.space.complete(_closed(mobile, opened, rng), rng)


def smallest_opened(mobile: MobileSpace, opened: Collection[str], rng: np.random.Generator) -> Sample:
    """One of the largest networks, its opened choices at their lower ends."""
    return mobile.space.complete({**mobile.ends(0, "mbconv"), **_closed(mobile, opened, rng)}, rng)


def _closed(mobile: MobileSpace, opened: Collection[str], rng: np.random.Generator) -> dict[str, Value]:
    """What may not be chosen yet: the upper ends, with one block kind in all blocks."""
    kind = mobile.kinds[int(rng.integers(len(mobile.kinds)))]
    return {label: value for label, value in mobile.ends(-1, kind).items() if _choice(label) not in opened}


def _choice(label: str) -> str:
    last = label.rpartition(".")[2]
    return last if last in CHOICES else "operators"
