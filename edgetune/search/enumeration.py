"""Every sample of a finite space."""

from __future__ import annotations

import math
from collections.abc import Iterator

from edgetune.space.parameters import Choice, Sample, Space, Value, is_active

ENUMERABLE = 1 << 15  # spaces up to this size are looked through entirely before a search gives up


def size_bound(space: Space) -> float:
    """How many samples a space holds at most: conditions are left out of account."""
    return math.prod(parameter.count for parameter in space.parameters)


def enumerate_space(space: Space) -> Iterator[Sample]:
    """All samples, the last label changing fastest. Every parameter must be a choice."""

    def descend(chosen: dict[str, Value], place: int) -> Iterator[Sample]:
        if place == len(space.parameters):
            yield Sample(chosen)
            return
        parameter = space.parameters[place]
        if not is_active(parameter, chosen):
            yield from descend(chosen, place + 1)
            return
        assert isinstance(parameter, Choice)
        for option in parameter.options:
            yield from descend({**chosen, parameter.label: option}, place + 1)

    return descend({}, 0)
