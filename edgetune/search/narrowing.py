"""Which options of a space a search still uses: changes with their reasons, and the space that they leave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from edgetune.space.parameters import Choice, Parameter, Range, Sample, Space, Value

Action = Literal["freeze", "drop", "thaw", "widen"]


@dataclass(frozen=True)
class Change:
    """The options of one label from now on, after so many trials, and why. A frozen range has one option."""

    trials: int
    action: Action
    label: str
    options: tuple[Value, ...]
    reason: str


def options_of(parameter: Parameter) -> tuple[Value, ...]:
    """All that the space declares; a range, while it is open, has no list."""
    return parameter.options if isinstance(parameter, Choice) else ()


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
    return {label: options for label, options in left.items() if options != options_of(space.by_label[label])}


def narrowed(space: Space, allowed: Mapping[str, tuple[Value, ...]]) -> Space:
    """The space with only these options; conditions stay as they are."""
    return replace(space, parameters=tuple(_narrowed(parameter, allowed) for parameter in space.parameters))


def _narrowed(parameter: Parameter, allowed: Mapping[str, tuple[Value, ...]]) -> Parameter:
    options = allowed.get(parameter.label, ())
    return Choice(parameter.label, options, parameter.conditions) if options else parameter


def moved_into(space: Space, sample: Sample, rng: np.random.Generator) -> Sample:
    """The sample with each value that the narrowed space lacks replaced by the nearest one that it has."""
    values: dict[str, Value] = {}
    for label, value in sample.values.items():
        parameter = space.by_label[label]
        values[label] = value if isinstance(parameter, Range) or parameter.holds(value) else _nearest(parameter, value)
    return space.complete(values, rng)


def _nearest(parameter: Choice, value: Value) -> Value:
    if isinstance(value, int | float) and all(isinstance(option, int | float) for option in parameter.options):
        return min(parameter.options, key=lambda option: abs(float(option) - float(value)))
    return parameter.options[0]
