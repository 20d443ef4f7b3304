"""Spaces written as dicts, and spaces read from NNI mutables."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from edgetune.errors import SpaceError, nearest
from edgetune.space.parameters import Choice, Condition, Parameter, Range, Space, Value, plain


@dataclass(frozen=True)
class Conditional:
    """Options or a range that exist only under conditions; made by :func:`when`."""

    conditions: tuple[Condition, ...]
    options: Any


def uniform(low: float, high: float) -> Range:
    """A number between two bounds."""
    return Range("", low, high)


def log_uniform(low: float, high: float) -> Range:
    """A number between two positive bounds, uniform on the logarithm."""
    return Range("", low, high, log=True)


def when(conditions: Mapping[str, Any], options: Any) -> Conditional:
    """Options or a range that exist only while other labels have one of the given values.

    Parameters
    ----------
    conditions
        Label to a value, or to several: a list, a set, an array. All labels must have one of theirs.
    options
        As without conditions; those of a nested :func:`when` hold as well.

    Examples
    --------
    >>> space_of({"depth": [1, 2], "width2": when({"depth": 2}, [8, 16])}).parameters[1].conditions
    (Condition(label='depth', values=(2,)),)

    Raises
    ------
    SpaceError
        `conditions` is no dict. Labels and values are looked at when the space is made.
    """
    if not isinstance(conditions, Mapping):
        raise SpaceError(f"conditions are a dict, not {conditions!r}", where="when", mend='write {"depth": 2}')
    return Conditional(tuple(Condition(str(label), _values(given)) for label, given in conditions.items()), options)


def space_of(description: Any, name: str = "space") -> Space:
    """The plain space that a description means.

    Parameters
    ----------
    description
        A :class:`Space`; a dict from label to a list of options, a range, :func:`when`, or an NNI mutable;
        or an NNI `ModelSpace`. Labels that decide come before those that depend on them.

    Raises
    ------
    SpaceError
        It is something else, or one of its labels is; a condition that can never hold.
    """
    if isinstance(description, Space):
        return _checked_conditions(description)
    if _is_nni(description):
        from edgetune.space.nni_space import described

        description = described(description)
    if not isinstance(description, Mapping) or not description:
        raise SpaceError(
            "not a search space", where=name, mend="give a dict from label to a list of options or a range"
        )
    parameters = tuple(_parameter(name, str(label), options) for label, options in description.items())
    return _checked_conditions(Space(name, parameters))


def _parameter(name: str, label: str, options: Any) -> Parameter:
    where = f"{name}.{label}"
    if _is_nni(options):
        from edgetune.space.nni_space import options_of

        options = options_of(label, options)
    if isinstance(options, Conditional):
        inner = _parameter(name, label, options.options)
        return replace(inner, conditions=(*options.conditions, *inner.conditions))
    if isinstance(options, Range):
        return _checked_range(where, replace(options, label=label))
    if isinstance(options, Choice):
        return replace(options, label=label, options=_checked_options(where, options.options))
    return Choice(label, _checked_options(where, plain(options)))


def _checked_options(where: str, given: Any) -> tuple[Value, ...]:
    """Numbers in ascending order."""
    if not isinstance(given, Sequence) or isinstance(given, str | bytes) or not given:
        raise SpaceError(f"{given!r} is neither a list of options nor a range", where=where, mend="give one of them")
    options = [plain(option) for option in given]
    if not all(isinstance(option, bool | int | float | str) for option in options):
        raise SpaceError("options are numbers, texts, True or False", where=where, mend="name other things by a text")
    if not all(math.isfinite(option) for option in options if isinstance(option, float)):
        raise SpaceError("options are finite numbers", where=where, mend="name other things by a text")
    if len({(isinstance(option, bool), option) for option in options}) < len(options):
        raise SpaceError("an option occurs twice", where=where, mend="list it once")
    numbers = all(isinstance(option, int | float) and not isinstance(option, bool) for option in options)
    return tuple(sorted(options)) if numbers else tuple(options)


def _checked_range(where: str, parameter: Range) -> Range:
    low, high = parameter.low, parameter.high
    numbers = isinstance(low, float) and isinstance(high, float)
    if not (numbers and low < high and math.isfinite(high - low) and (low > 0 or not parameter.log)):
        raise SpaceError(
            f"no range from {low!r} to {high!r}",
            where=where,
            mend="give two finite numbers, the lower first, above 0 where it is logarithmic",
        )
    return parameter


def _checked_conditions(space: Space) -> Space:
    """Each value of a condition is an option of the parameter it names.

    Not a matter of :class:`Space` itself: a search that narrows a space leaves out options that conditions still name.
    """
    for parameter in space.parameters:
        for condition in parameter.conditions:
            _check_condition(f"{space.name}.{parameter.label}", condition, space.by_label[condition.label])
    return space


def _check_condition(where: str, condition: Condition, decider: Parameter) -> None:
    label = condition.label
    if isinstance(decider, Range):
        raise SpaceError(f"a condition on {label!r}, which is a range", where=where, mend="make it a list of options")
    if not condition.values:
        raise SpaceError(f"a condition on {label!r} without a value", where=where, mend=f"{label} is {decider.takes}")
    for value in condition.values:
        if not decider.holds(value):
            what = f"a condition names {value!r}, which is no option of {label!r}"
            raise SpaceError(what, where=where, mend=nearest(str(value), map(str, decider.options)))


def _values(given: Any) -> tuple[Value, ...]:
    """Of a condition: one or several, a set's in an order that does not vary."""
    values: Any = plain(given)
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        values = [values]
    return tuple(plain(value) for value in (sorted(values, key=repr) if isinstance(values, Set) else values))


def _is_nni(thing: Any) -> bool:
    """Whether this is an NNI mutable, without importing NNI: whoever has one imported it."""
    nni = sys.modules.get("nni.mutable")
    return nni is not None and isinstance(thing, nni.Mutable)
