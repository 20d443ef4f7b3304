"""The plain description of a search space: parameters, conditions, samples. Needs neither torch nor NNI."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Real
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from edgetune.errors import SpaceError, nearest

Value: TypeAlias = bool | int | float | str


@dataclass(frozen=True)
class Condition:
    """A parameter exists only while another one has one of these values."""

    label: str
    values: tuple[Value, ...]

    def holds(self, chosen: Value | None) -> bool:
        return _among(chosen, self.values)


@dataclass(frozen=True)
class Choice:
    """One of a few options; numeric options are listed in ascending order."""

    label: str
    options: tuple[Value, ...]
    conditions: tuple[Condition, ...] = ()

    def draw(self, rng: np.random.Generator) -> Value:
        return self.options[int(rng.integers(len(self.options)))]

    def holds(self, value: Value) -> bool:
        return _among(value, self.options)

    def spelled(self, value: Value) -> Value:
        """The option that equals `value`, such as 1.0 for 1 and True for 1; `value` itself where there is none."""
        return value if self.holds(value) else next((option for option in self.options if option == value), value)

    @property
    def count(self) -> float:
        return len(self.options)

    @property
    def takes(self) -> str:
        """For a person to read."""
        return f"one of {', '.join(map(repr, self.options))}"


@dataclass(frozen=True)
class Range:
    """A number between two bounds (both included), uniform or log-uniform."""

    label: str
    low: float
    high: float
    log: bool = False
    conditions: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        """Bounds become floats, and -0.0 becomes 0.0: a value at a bound is spelled as any other, and has its hash."""
        for name in ("low", "high"):
            bound = getattr(self, name)
            with suppress(OverflowError):
                object.__setattr__(self, name, float(bound) + 0.0 if isinstance(bound, Real) else bound)

    def draw(self, rng: np.random.Generator) -> Value:
        if not self.log:
            return float(rng.uniform(self.low, self.high))
        value = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        return min(max(value, self.low), self.high)  # rounding may put it a hair outside

    def holds(self, value: Value) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high

    @property
    def count(self) -> float:
        return math.inf

    @property
    def takes(self) -> str:
        """For a person to read."""
        return f"a number from {self.low:g} to {self.high:g}"


Parameter: TypeAlias = Choice | Range


@dataclass(frozen=True)
class Sample:
    """A value for every active label of a space, in the space's order.

    Two samples that describe the same network are equal and have the same :attr:`hash`,
    in every process and version.
    """

    values: Mapping[str, Value]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", MappingProxyType(dict(self.values)))

    def __getitem__(self, label: str) -> Value:
        return self.values[label]

    def __hash__(self) -> int:
        return hash(self.to_json())

    def to_json(self) -> str:
        return json.dumps(dict(self.values), sort_keys=True, separators=(",", ":"))

    @cached_property
    def hash(self) -> str:
        """The first 16 hex digits of the SHA-256 of the canonical JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Space:
    """Parameters with conditions; a condition names a parameter listed earlier, and its values as the options are."""

    name: str
    parameters: tuple[Parameter, ...]

    def __post_init__(self) -> None:
        seen: dict[str, Parameter] = {}
        for parameter in self.parameters:
            if parameter.label in seen:
                raise SpaceError("the label occurs twice", where=f"{self.name}.{parameter.label}", mend="rename one")
            for condition in parameter.conditions:
                if condition.label not in seen:
                    raise SpaceError(
                        f"a condition names {condition.label!r}, which is not listed before it",
                        where=f"{self.name}.{parameter.label}",
                        mend="list the parameter that decides first",
                    )
            seen[parameter.label] = parameter
        spelled = tuple(_with_spelled_conditions(parameter, seen) for parameter in self.parameters)
        object.__setattr__(self, "parameters", spelled)

    @cached_property
    def by_label(self) -> Mapping[str, Parameter]:
        return MappingProxyType({parameter.label: parameter for parameter in self.parameters})

    def draw(self, rng: np.random.Generator) -> Sample:
        """A random sample, each active parameter drawn on its own."""
        return self.complete({}, rng)

    def complete(self, values: Mapping[str, Value], rng: np.random.Generator) -> Sample:
        """The sample with `values` where its parameters are active, the rest drawn at random."""
        chosen: dict[str, Value] = {}
        for parameter in self.parameters:
            if is_active(parameter, chosen):
                known = parameter.label in values
                chosen[parameter.label] = values[parameter.label] if known else parameter.draw(rng)
        return self.sample(chosen)

    def sample(self, values: Mapping[str, Value]) -> Sample:
        """Checks `values` and drops what is not active.

        Raises
        ------
        SpaceError
            An active label is missing, a label is unknown, or a value is not among its options. Numpy's numbers count
            as Python's.
        """
        for label in values:
            if label not in self.by_label:
                raise SpaceError(f"unknown label {label!r}", where=self.name, mend=nearest(label, self.by_label))
        chosen: dict[str, Value] = {}
        for parameter in self.parameters:
            if not is_active(parameter, chosen):
                continue
            if parameter.label not in values:
                raise SpaceError(f"no value for {parameter.label!r}", where=self.name, mend="give one")
            value = plain(values[parameter.label])
            if not parameter.holds(value):
                mend = f"it takes {parameter.takes}"
                raise SpaceError(f"{value!r} is not a value of {parameter.label!r}", where=self.name, mend=mend)
            # One spelling of equal numbers: 0, 0.0 and -0.0 are one network and have one hash.
            chosen[parameter.label] = float(value) + 0.0 if isinstance(parameter, Range) else value
        return Sample(chosen)

    def from_json(self, text: str) -> Sample:
        """The inverse of :meth:`Sample.to_json`; raises as :meth:`sample` does, and where `text` is something else."""
        try:
            values = json.loads(text)
        except json.JSONDecodeError:
            values = None
        if not isinstance(values, dict):
            raise SpaceError(f"not a sample: {text!r}", where=self.name, mend="give a JSON object of labels and values")
        return self.sample(values)


def is_active(parameter: Parameter, chosen: Mapping[str, Value]) -> bool:
    """Whether the values chosen so far make this parameter exist."""
    return all(condition.holds(chosen.get(condition.label)) for condition in parameter.conditions)


def plain(value: Any) -> Any:
    """Numpy's numbers and arrays as Python's numbers and lists, anything else as it is.

    >>> plain(np.float64(0.5)), plain(np.arange(2)), plain("x")
    (0.5, [0, 1], 'x')
    """
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


def _among(value: Value | None, values: tuple[Value, ...]) -> bool:
    """Whether it is one of them, spelled alike: 1, 1.0 and True are three."""
    return any(value == one and type(value) is type(one) for one in values)


def _with_spelled_conditions(parameter: Parameter, deciders: Mapping[str, Parameter]) -> Parameter:
    """Conditions compare with what a sample holds, so 1 becomes the 1.0 that is among the options."""
    if not parameter.conditions:
        return parameter
    conditions = tuple(_spelled(condition, deciders[condition.label]) for condition in parameter.conditions)
    return replace(parameter, conditions=conditions)


def _spelled(condition: Condition, decider: Parameter) -> Condition:
    if isinstance(decider, Range):
        return condition
    return replace(condition, values=tuple(decider.spelled(value) for value in condition.values))
