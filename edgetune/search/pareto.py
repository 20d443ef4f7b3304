"""Pareto arithmetic on points to be minimised, through moocore."""

from __future__ import annotations

from collections.abc import Sequence

import moocore
import numpy as np

from edgetune.search.problem import Problem
from edgetune.search.trial import Trial


def non_dominated(points: np.ndarray, *, keep_equal: bool = False) -> np.ndarray:
    """Which points no other dominates, bool (n,). Of equal points only the first counts, unless `keep_equal`."""
    if len(points) == 0:
        return np.zeros(0, dtype=bool)
    return np.asarray(moocore.is_nondominated(points, keep_weakly=keep_equal), dtype=bool)


def pareto_rank(points: np.ndarray) -> np.ndarray:
    """Rank of every point in the non-dominated sorting (Deb 2002), int (n,), 0 is best."""
    return np.asarray(moocore.pareto_rank(points), dtype=int)


def hypervolume(points: np.ndarray, reference: Sequence[float] | np.ndarray) -> float:
    """The volume that `points`, float (n, m), dominate below `reference`, float (m,)."""
    return float(moocore.hypervolume(points, ref=np.asarray(reference, dtype=float))) if len(points) else 0.0


def front(problem: Problem, trials: Sequence[Trial]) -> list[Trial]:
    """The non-dominated trials among those that hold every limit, best in the first objective first."""
    done = [trial for trial in trials if trial.state == "done"]
    points = problem.points(done)
    best = np.flatnonzero(non_dominated(points))
    order = best[np.lexsort(points[best].T[::-1])]
    return [done[i] for i in order]


def hypervolume_history(
    problem: Problem, trials: Sequence[Trial], reference: Sequence[float] | None = None
) -> list[float]:
    """Hypervolume after each trial.

    Parameters
    ----------
    reference
        In the objectives' own direction and unit; without it, the worst value of any finished trial on each axis.
    """
    done = [trial for trial in trials if trial.state == "done"]
    if not done:
        return [0.0] * len(trials)
    points = problem.points(done)
    bound = (
        points.max(axis=0)
        if reference is None
        else np.array([target.minimized(value) for target, value in zip(problem.targets, reference, strict=True)])
    )
    history, kept, volume, row = [], points[:0], 0.0, 0
    for trial in trials:
        if trial.state == "done":
            kept = np.vstack([kept, points[row : row + 1]])
            kept = kept[non_dominated(kept)]
            volume = hypervolume(kept, bound)
            row += 1
        history.append(volume)
    return history
