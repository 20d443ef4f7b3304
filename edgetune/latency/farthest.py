"""A few points that stand for many."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SAME = 1e-6  # squared distance up to which two points are one


def farthest(points: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """Positions of at most `most` different points, float (points, dimensions), each the farthest from those before
    (Gonzalez 1985); the first is the nearest to the mean.
    """
    chosen = [int(np.argmin(((points - points.mean(0)) ** 2).sum(1)))]
    distance = ((points - points[chosen[0]]) ** 2).sum(1)
    while len(chosen) < most and distance.max() > SAME:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, ((points - points[chosen[-1]]) ** 2).sum(1))
    return np.array(chosen)
