"""The front of the finalists, once they are trained in full."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgetune.config import Limits
from edgetune.errors import InfeasibleError
from edgetune.report.summary import Finalist
from edgetune.search.pareto import non_dominated


def final_front(finalists: Sequence[Finalist], limits: Limits) -> tuple[list[Finalist], list[str]]:
    """The finalists that hold the limit on accuracy and that no other dominates, and a note on each of the rest.

    Judged on the validation split, so that the test split decides nothing.

    Raises
    ------
    InfeasibleError
        None holds the limit on accuracy.
    """
    floor = limits.top1 or 0.0
    holding = [finalist for finalist in finalists if finalist.validation_top1 >= floor]
    if not holding:
        best = max(finalists, key=lambda finalist: finalist.validation_top1)
        raise InfeasibleError(
            f"no finalist reaches {floor:.1%} validation top-1; the nearest, {best.name}, {best.validation_top1:.1%}",
            where="--min-accuracy",
            mend="lower it, raise the limit on latency, or train longer",
        )
    points = np.array([[finalist.latency.latency_ms, -finalist.validation_top1] for finalist in holding])
    best_ones = [finalist for finalist, best in zip(holding, non_dominated(points), strict=True) if best]
    notes = [_note(finalist, floor) for finalist in finalists if finalist not in best_ones]
    return best_ones, notes


def _note(finalist: Finalist, floor: float) -> str:
    text = f"{finalist.name} was trained in full"
    if finalist.validation_top1 < floor:
        return f"{text}, but reaches only {finalist.validation_top1:.1%} validation top-1"
    return f"{text}, but another finalist is faster and more accurate; its bundle is kept"
