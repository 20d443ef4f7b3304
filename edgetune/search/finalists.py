"""Which trials of the front are worth training in full."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgetune.errors import StudyError
from edgetune.search.pareto import front, hypervolume
from edgetune.search.problem import Problem
from edgetune.search.trial import Trial

MARGIN = 0.1  # how far beyond the front's worst point the reference point lies, so that its ends count too
NEARLY = 0.2  # of what the front spans: a trial no farther from the best in what is learnt is nearly as good


def pick_finalists(problem: Problem, trials: Sequence[Trial], count: int) -> list[Trial]:
    """The `count` trials that are worth most.

    The best in each costly objective comes first, whatever it adds: inherited weights flatten that end of the front,
    and training in full lifts it most. Then the largest of those nearly as good, on the front or not. The rest are the
    trials of the front that together dominate the most hypervolume, greedily chosen, which reaches at least 63 % of the
    best subset's (Bringmann 2014); objectives are scaled to the front's own range first.

    Raises
    ------
    StudyError
        No trial succeeded; the message has the last failure.
    """
    best = front(problem, trials)
    if not best:
        last = trials[-1].error if trials else "there is none"
        mend = "mend what they failed with and begin a new run"
        raise StudyError(f"none of the {len(trials)} trials succeeded; the last: {last}", mend=mend)
    points = problem.points(best)
    span = np.ptp(points, axis=0)
    large = largest_of_the_good(problem, trials, points.min(axis=0) + NEARLY * span)
    candidates = best if large is None or large in best else [*best, large]
    scaled = (problem.points(candidates) - points.min(axis=0)) / np.where(span > 0, span, 1.0)
    reference = np.full(points.shape[1], 1 + MARGIN)
    first = [int(points[:, axis].argmin()) for axis in costly_axes(problem)]
    if large is not None:
        first.append(candidates.index(large))
    chosen = list(dict.fromkeys(first))[:count]
    while len(chosen) < min(count, len(candidates)):
        left = [index for index in range(len(candidates)) if index not in chosen]
        chosen.append(max(left, key=lambda index: hypervolume(scaled[[*chosen, index]], reference)))
    return [candidates[index] for index in sorted(chosen)]


def largest_of_the_good(problem: Problem, trials: Sequence[Trial], good: np.ndarray) -> Trial | None:
    """The largest trial among those no worse than `good` in each costly objective; of several the best in the first.

    Weights that many networks share are learnt for the small ones first: what a large one inherits says the least of
    what it reaches when it is trained by itself. None where there is no cheap objective, or no costly one.
    """
    costly = costly_axes(problem)
    if len(costly) in (0, len(problem.targets)):
        return None
    done = [trial for trial in trials if trial.state == "done"]
    points = problem.points(done)
    near = np.flatnonzero((points[:, costly] <= good[costly]).all(axis=1))
    return done[max(near, key=lambda index: (size(done[index]), -points[index, costly[0]]))] if len(near) else None


def from_smallest(trials: Sequence[Trial]) -> list[Trial]:
    """In the order of how much they can learn, as far as that is known before they are trained."""
    return sorted(trials, key=size)


def size(trial: Trial) -> float:
    """Multiply-accumulates of a picture: latencies also tell how well a board's library fits a network."""
    return (trial.values or {})["macs"]


def costly_axes(problem: Problem) -> list[int]:
    """Of the front, those that take a trial to know."""
    return [axis for axis, objective in enumerate(problem.targets) if not objective.cheap]
