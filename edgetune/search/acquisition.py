"""How much a candidate is worth trying, from what is expected of it.

Everything is measured by the dominated hypervolume: exactly for one and two objectives, and otherwise as a mean over
directions of the largest scalarised value (Golovin and Zhang 2020, "Random hypervolume scalarizations for provable
multi-objective black box optimization").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np

Shortfall: TypeAlias = Callable[[np.ndarray], np.ndarray]
"""Bounds, float (bounds), to how far each candidate's figure is expected to lie below them, float (n, bounds)."""

DIRECTIONS = 64
SCENARIOS = 16


class Volume:
    """Scalarised distances beyond a reference point.

    Parameters
    ----------
    points
        Of the trials so far, float (n, objectives), smaller is better; may be empty.
    ideal, reference
        Best and worst figure that count, float (objectives).
    """

    def __init__(self, points: np.ndarray, ideal: np.ndarray, reference: np.ndarray) -> None:
        self.reference = reference
        self.span = np.maximum(reference - ideal, 1e-12)
        self.directions = directions(len(ideal))
        self.best = np.zeros(len(self.directions))
        self.add(points)

    def add(self, points: np.ndarray) -> None:
        """Counts further points as reached."""
        if len(points):
            self.best = np.maximum(self.best, self.values(points).max(axis=0))

    def values(self, points: np.ndarray) -> np.ndarray:
        """For points, float (…, objectives), the value in each direction, float (…, directions)."""
        gains = np.maximum(self.reference - points, 0.0) / self.span
        reach = gains[..., 0, None] / self.directions[:, 0]
        for j in range(1, self.directions.shape[1]):
            reach = np.minimum(reach, gains[..., j, None] / self.directions[:, j])
        return np.asarray(reach ** self.directions.shape[1])

    def expected_improvement(self, scenarios: np.ndarray) -> np.ndarray:
        """Expected growth of the hypervolume (up to a constant factor), float (n,).

        Parameters
        ----------
        scenarios
            Possible figures of each candidate, float (n, scenarios, objectives).
        """
        growth = np.maximum(self.values(scenarios) - self.best, 0.0)
        return np.asarray(growth.mean(axis=(1, 2)))


def expected_hypervolume_improvement(
    front: np.ndarray, reference: np.ndarray, shortfalls: Sequence[Shortfall]
) -> np.ndarray:
    """Exact for independent figures, float (n); expected improvement where there is one objective.

    In two dimensions the area not yet dominated falls into strips between neighbours of the front, and in each the
    expectation is a product (Emmerich 2011).

    Parameters
    ----------
    front
        Non-dominated points, float (k, objectives), smaller is better.
    reference
        Worst figures that count, float (objectives): one or two.
    shortfalls
        One for each objective.
    """
    front = front[(front < reference).all(axis=1)]
    if len(reference) == 1:
        return shortfalls[0](np.min(front, axis=0, initial=reference[0]))[:, 0]
    front = front[np.argsort(front[:, 0])]
    right = np.append(front[:, 0], reference[0])
    top = np.append(reference[1], front[:, 1])
    widths = np.diff(shortfalls[0](right), axis=1, prepend=0)
    return np.asarray((widths * shortfalls[1](top)).sum(axis=1))


def expected_improvement(scenarios: np.ndarray, best: float) -> np.ndarray:
    """By how much possible figures, float (n, scenarios), lie below the best one on average, float (n)."""
    return np.asarray(np.maximum(best - scenarios, 0.0).mean(axis=1))


def confidence_bound(scenarios: np.ndarray, kappa: float) -> np.ndarray:
    """How low a figure may be, `kappa` standard deviations below its mean, negated: larger is better, float (n)."""
    return np.asarray(kappa * scenarios.std(axis=1) - scenarios.mean(axis=1))


def tchebycheff(points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Many objectives, float (…, objectives), as one, smaller is better: augmented Tchebycheff (Knowles 2006)."""
    weighted = points * weights
    return np.asarray(weighted.max(axis=-1) + 0.05 * weighted.sum(axis=-1))


@lru_cache(maxsize=8)
def directions(objectives: int) -> np.ndarray:
    """Unit vectors spread evenly over the positive orthant, float (directions, objectives), none on its border."""
    if objectives == 1:
        return np.ones((1, 1))
    if objectives == 2:
        angles = (np.arange(DIRECTIONS) + 0.5) / DIRECTIONS * np.pi / 2
        return np.column_stack([np.cos(angles), np.sin(angles)])
    vectors = np.abs(standard_normal(4 * DIRECTIONS, objectives)) + 1e-6
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


@lru_cache(maxsize=8)
def standard_normal(n: int, dimensions: int) -> np.ndarray:
    """Well spread draws of a standard normal, float (n, dimensions); always the same ones.

    A Kronecker sequence on powers of the generalised golden ratio (Roberts 2018).
    """
    from scipy.optimize import brentq
    from scipy.special import ndtri

    ratio = brentq(lambda x: x ** (dimensions + 1) - x - 1, 1.0, 2.0)
    steps = ratio ** -np.arange(1.0, dimensions + 1)
    return np.asarray(ndtri((0.5 + np.outer(np.arange(n), steps)) % 1.0))
