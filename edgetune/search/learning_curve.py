"""What a trial that is trained tells on its way, and whether it is still worth going on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from edgetune.search.objective import Direction


class Hopeless(Exception):
    """Ends a trial early; whoever trains lets it pass."""


@dataclass(frozen=True)
class Bars:
    """What a trial's best figure so far must reach for it to go on: the bar at each step, from 1.

    They are set before the trial begins, so that a worker far away needs no word from the search meanwhile and a
    resumed search decides as an unbroken one.
    """

    direction: Direction
    at: Mapping[int, float]

    def check(self, curve: Sequence[float]) -> None:
        """Raises :class:`Hopeless` when the best finite figure up to the last step does not reach that step's bar."""
        bar = self.at.get(len(curve))
        if bar is None:
            return
        maximize = self.direction == "maximize"
        finite = [figure for figure in curve if math.isfinite(figure)]
        best = max(finite, default=-math.inf) if maximize else min(finite, default=math.inf)
        if best < bar if maximize else best > bar:
            raise Hopeless(f"stopped after step {len(curve)}: at best {best:.4g}, the bar is {bar:.4g}")

    def to_json(self) -> dict[str, Any]:
        return {"direction": self.direction, "at": {str(step): bar for step, bar in self.at.items()}}

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Bars:
        return cls(given["direction"], {int(step): bar for step, bar in given["at"].items()})


_current: ContextVar[tuple[list[float], Bars | None] | None] = ContextVar("learning curve", default=None)


def report_step(figure: float) -> None:
    """For an evaluation to call after each step of its training, such as an epoch, with the costly objective so far.

    Outside of a search it does nothing.

    Raises
    ------
    Hopeless
        It is not worth going on.
    """
    current = _current.get()
    if current is not None:
        curve, bars = current
        curve.append(float(figure))
        if bars is not None:
            bars.check(curve)


@contextmanager
def recording(bars: Bars | None) -> Iterator[list[float]]:
    """Collects what :func:`report_step` is given."""
    curve: list[float] = []
    token = _current.set((curve, bars))
    try:
        yield curve
    finally:
        _current.reset(token)
