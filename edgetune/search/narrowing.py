"""Which options of a space a search still uses: changes with their reasons, and the space that they leave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from edgetune.search.genetic import from_unit, to_unit
from edgetune.space.parameters import Choice, Parameter, Range, Sample, Space, Value

Action = Literal["begin", "freeze", "drop", "thaw", "widen"]
EDGE = 0.25
"""Of a range's width, on either side, where most of a front has to lie before it is widened,"""
STEP = 0.5
"""by so much of its width."""
FEWEST = 3
"""Members of a front that are most of one."""


@dataclass(frozen=True)
class Change:
    """The options of one label from now on, after so many trials, and why.

    A range has its two bounds, one option where it is frozen, and none where an older version thawed it.
    """

    trials: int
    action: Action
    label: str
    options: tuple[Value, ...]
    reason: str


def options_of(parameter: Parameter) -> tuple[Value, ...]:
    """All that the space declares, as a change has it."""
    return parameter.options if isinstance(parameter, Choice) else (parameter.low, parameter.high)


def in_words(parameter: Parameter, options: tuple[Value, ...]) -> str:
    """Options for a person to read."""
    if isinstance(parameter, Range) and len(options) != 1:
        low, high = map(float, options or options_of(parameter))
        return f"{low:g} to {high:g}"
    return ", ".join(map(str, options))


def replay(
    changes: Iterable[Change], start: Mapping[str, tuple[Value, ...]] | None = None
) -> dict[str, tuple[Value, ...]]:
    """The options by label that differ from what the space declares, once all changes are made."""
    allowed = dict(start or {})
    for change in changes:
        allowed[change.label] = change.options
    return allowed


def narrowings(space: Space, changes: Iterable[Change]) -> dict[str, tuple[Value, ...]]:
    """The options by label where the changes have left fewer than the space declares."""
    left = replay(changes)
    return {label: options for label, options in left.items() if options not in ((), options_of(space.by_label[label]))}


def narrowed(space: Space, allowed: Mapping[str, tuple[Value, ...]]) -> Space:
    """The space with only these options; conditions stay as they are."""
    return replace(space, parameters=tuple(_narrowed(parameter, allowed) for parameter in space.parameters))


def _narrowed(parameter: Parameter, allowed: Mapping[str, tuple[Value, ...]]) -> Parameter:
    options = allowed.get(parameter.label, ())
    if isinstance(parameter, Range) and len(options) == 2:
        low, high = map(float, options)
        return replace(parameter, low=low, high=high)
    return Choice(parameter.label, options, parameter.conditions) if options else parameter


def widened(parameter: Parameter, pool: tuple[Value, ...], used: Sequence[Value]) -> tuple[Value, ...]:
    """The pool, one step wider where the values that a front has sit on its edge, as far as the space declares.

    A list grows by the next option once the front has the last one; a range by half of its width, on the logarithm
    where it is logarithmic, once half of the front lies in its outer quarter.
    """
    if isinstance(parameter, Range):
        return _widened_range(parameter, pool, [float(value) for value in used])
    declared = parameter.options
    places = [declared.index(value) for value in used]
    low, high = declared.index(pool[0]), declared.index(pool[-1])
    if places and max(places) >= high and high + 1 < len(declared):
        high += 1
    elif places and min(places) <= low and low > 0:
        low -= 1
    return declared[low : high + 1]


def _widened_range(parameter: Range, pool: tuple[Value, ...], used: list[float]) -> tuple[Value, ...]:
    low, high = (to_unit(parameter, float(bound)) for bound in pool)
    width, places = high - low, np.array([to_unit(parameter, value) for value in used])
    if len(places) < FEWEST:
        return pool
    if high < 1 and np.mean(places >= high - EDGE * width) >= 0.5:
        above = high + STEP * width
        return pool[0], from_unit(parameter, above) if above < 1 else parameter.high
    if low > 0 and np.mean(places <= low + EDGE * width) >= 0.5:
        below = low - STEP * width
        return from_unit(parameter, below) if below > 0 else parameter.low, pool[1]
    return pool


def moved_into(space: Space, sample: Sample, rng: np.random.Generator, *, anew: bool = False) -> Sample:
    """The sample with each value that the narrowed space lacks replaced by the nearest one that it has.

    With `anew` it is drawn instead: a design that was spread over the wider space would crowd at the edges.
    """
    values: dict[str, Value] = {}
    for label, value in sample.values.items():
        parameter = space.by_label[label]
        if not parameter.holds(value):
            value = parameter.draw(rng) if anew else _nearest(parameter, value)
        values[label] = value
    return space.complete(values, rng)


def _nearest(parameter: Parameter, value: Value) -> Value:
    if isinstance(parameter, Range):
        return min(max(float(value), parameter.low), parameter.high)
    if isinstance(value, int | float) and all(isinstance(option, int | float) for option in parameter.options):
        return min(parameter.options, key=lambda option: abs(float(option) - float(value)))
    return parameter.options[0]
