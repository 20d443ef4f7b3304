"""Which trials of the front are worth training in full."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgetune.errors import StudyError
from edgetune.search.pareto import front, hypervolume
from edgetune.search.problem import Problem
from edgetune.search.trial import Trial

MARGIN = 0.1  # how far beyond the front's worst point the reference point lies, so that its ends count too


def pick_finalists(problem: Problem, trials: Sequence[Trial], count: int) -> list[Trial]:
    """The `count` trials of the front that together dominate the most hypervolume, greedily chosen.

    The best in each costly objective comes first, whatever it adds: inherited weights flatten that end of the front,
    and training in full lifts it most. Greedy choice reaches at least 63 % of the best subset's hypervolume (Bringmann
    2014); objectives are scaled to the front's own range first.

    Raises
    ------
    StudyError
        No trial succeeded; the message has the last failure.
    """
    candidates = front(problem, trials)
    if not candidates:
        last = trials[-1].error if trials else "there is none"
        mend = "mend what they failed with and begin a new run"
        raise StudyError(f"none of the {len(trials)} trials succeeded; the last: {last}", mend=mend)
    points = problem.points(candidates)
    span = np.ptp(points, axis=0)
    scaled = (points - points.min(axis=0)) / np.where(span > 0, span, 1.0)
    reference = np.full(points.shape[1], 1 + MARGIN)
    costly = [axis for axis, objective in enumerate(problem.targets) if not objective.cheap]
    chosen = list(dict.fromkeys(int(points[:, axis].argmin()) for axis in costly))[:count]
    while len(chosen) < min(count, len(candidates)):
        left = [index for index in range(len(candidates)) if index not in chosen]
        chosen.append(max(left, key=lambda index: hypervolume(scaled[[*chosen, index]], reference)))
    return [candidates[index] for index in sorted(chosen)]
