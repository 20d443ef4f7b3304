"""Spaces written as dicts, and spaces read from NNI mutables."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edgetune.errors import SpaceError
from edgetune.space.parameters import Choice, Condition, Parameter, Range, Space


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

    >>> space_of({"depth": [1, 2], "width2": when({"depth": 2}, [8, 16])}).parameters[1].conditions
    (Condition(label='depth', values=(2,)),)
    """
    lists = {label: tuple(given) if _is_list(given) else (given,) for label, given in conditions.items()}
    return Conditional(tuple(Condition(label, values) for label, values in lists.items()), options)


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
        It is something else, or one of its labels is.
    """
    if isinstance(description, Space):
        return description
    if _is_nni(description):
        description = description.simplify()
    if not isinstance(description, Mapping) or not description:
        raise SpaceError(
            "not a search space", where=name, mend="give a dict from label to a list of options or a range"
        )
    return Space(name, tuple(_parameter(name, str(label), options) for label, options in description.items()))


def _parameter(name: str, label: str, options: Any) -> Parameter:
    where = f"{name}.{label}"
    if _is_nni(options):
        from edgetune.space.nni_space import parameter_of

        return parameter_of(label, options)
    if isinstance(options, Conditional):
        return replace(_parameter(name, label, options.options), conditions=options.conditions)
    if isinstance(options, Choice | Range):
        named = replace(options, label=label)
        return _checked_range(where, named) if isinstance(named, Range) else named
    if not _is_list(options) or not options:
        raise SpaceError(f"{options!r} is neither a list of options nor a range", where=where, mend="give one of them")
    if not all(isinstance(option, bool | int | float | str) for option in options):
        raise SpaceError("options are numbers, texts, True or False", where=where, mend="name other things by a text")
    if len(set(map(repr, options))) < len(options):
        raise SpaceError("an option occurs twice", where=where, mend="list it once")
    numbers = all(isinstance(option, int | float) and not isinstance(option, bool) for option in options)
    return Choice(label, tuple(sorted(options)) if numbers else tuple(options))


def _checked_range(where: str, parameter: Range) -> Range:
    if not (parameter.low < parameter.high and (parameter.low > 0 or not parameter.log)):
        raise SpaceError(
            f"no range from {parameter.low} to {parameter.high}",
            where=where,
            mend="give a lower bound below the upper one, above 0 where it is logarithmic",
        )
    return parameter


def _is_list(options: Any) -> bool:
    return isinstance(options, Sequence) and not isinstance(options, str)


def _is_nni(thing: Any) -> bool:
    """Whether this is an NNI mutable, without importing NNI: whoever has one imported it."""
    nni = sys.modules.get("nni.mutable")
    return nni is not None and isinstance(thing, nni.Mutable)
