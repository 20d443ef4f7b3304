"""Spaces written as dicts: what they mean, and what is refused before a trial is spent."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from edgetune.errors import SpaceError
from edgetune.space.describe import log_uniform, space_of, uniform, when
from edgetune.space.parameters import Choice, Condition, Range, Space


def options(given: Any) -> tuple[Any, ...]:
    (parameter,) = space_of({"x": given}).parameters
    assert isinstance(parameter, Choice)
    return parameter.options


def test_nested_conditions_add_up() -> None:
    space = space_of({"a": [1, 2], "b": [1, 2], "c": when({"a": 1}, when({"b": 2}, [7, 8]))})
    assert "c" in space.sample({"a": 1, "b": 2, "c": 7}).values
    for a, b in ((1, 1), (2, 2), (2, 1)):
        assert "c" not in space.sample({"a": a, "b": b, "c": 7}).values


@pytest.mark.parametrize(
    "inner", [Range("", 0, 1, conditions=(Condition("b", (2,)),)), Choice("", (7, 8), (Condition("b", (2,)),))]
)
def test_conditions_of_a_parameter_inside_of_when_are_kept(inner: Any) -> None:
    space = space_of({"a": [1, 2], "b": [1, 2], "c": when({"a": 1}, inner)})
    assert space.by_label["c"].conditions == (Condition("a", (1,)), Condition("b", (2,)))


@pytest.mark.parametrize(
    ("decider", "named", "meant"),
    [
        ([0.5, 1.0, 2.0], 1, 1.0),
        ([1, 2], 1.0, 1),
        ([False, True], 1, True),
        ([1, 2], np.int64(1), 1),
        (["a", "b"], np.str_("a"), "a"),
    ],
)
def test_a_condition_names_its_options_however_they_are_spelled(decider: Any, named: Any, meant: Any) -> None:
    (condition,) = space_of({"m": decider, "x": when({"m": named}, [1, 2, 3])}).by_label["x"].conditions
    assert condition.values == (meant,) and type(condition.values[0]) is type(meant)


def test_true_and_one_are_two_options_in_conditions_too() -> None:
    space = space_of({"m": [True, 1], "x": when({"m": 1}, [1, 2])})
    assert "x" in space.sample({"m": 1, "x": 1}).values and "x" not in space.sample({"m": True, "x": 1}).values


@pytest.mark.parametrize(
    "several", [[2, 3], (2, 3), {3, 2}, np.array([2, 3]), range(2, 4), {2: "", 3: ""}, iter([2, 3])]
)
def test_several_values_of_a_condition_come_in_any_container(several: Any) -> None:
    assert space_of({"m": [1, 2, 3], "x": when({"m": several}, [1, 2])}).by_label["x"].conditions == (
        Condition("m", (2, 3)),
    )


@pytest.mark.parametrize(
    ("description", "message"),
    [
        (
            {"op": ["conv", "skip"], "x": when({"op": "convv"}, [1])},
            r"^space\.x: .*'convv', .* 'op' \(did you mean conv",
        ),
        ({"d": [1, 2], "x": when({"d": [2, 4]}, [1, 2])}, r"names 4, .* \(known: 1, 2\)"),
        ({"d": [1, 2], "x": when({"d": []}, [1, 2])}, "without a value"),
        ({"d": [1, 2], "x": when({"d": [[1]]}, [1, 2])}, r"names \[1\]"),
        ({"d": uniform(0, 1), "x": when({"d": 0.5}, [1, 2])}, "'d', which is a range"),
        (Space("own", (Choice("d", (1, 2)), Choice("x", (1, 2), (Condition("d", (3,)),)))), r"own\.x: .*names 3"),
    ],
)
def test_conditions_that_never_hold_are_refused(description: Any, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        space_of(description)


def test_conditions_that_are_no_dict_are_refused() -> None:
    with pytest.raises(SpaceError, match="a dict"):
        when("depth", [1, 2])  # type: ignore[arg-type]


def test_numpys_numbers_and_arrays_are_pythons() -> None:
    for given in (np.array([8, 16]), [np.int32(16), np.int64(8)], range(8, 17, 8)):
        assert options(given) == (8, 16) and {type(option) for option in options(given)} == {int}
    (lr,) = space_of({"lr": uniform(np.float32(0), np.float32(1))}).parameters  # type: ignore[arg-type]
    assert isinstance(lr, Range) and lr == Range("lr", 0.0, 1.0) and type(lr.low) is type(lr.high) is float


@pytest.mark.parametrize("twice", [[1, 1.0], [1, 1], ["a", "a"], [True, True], np.array([0.5, 0.5])])
def test_an_option_that_occurs_twice_is_refused(twice: Any) -> None:
    with pytest.raises(SpaceError, match="twice"):
        space_of({"x": twice})


@pytest.mark.parametrize(
    "given", [[1, math.nan], [math.inf, 1.0], [None], [(1, 2)], np.ones((2, 2)), b"ab", Choice("", (1, 1))]
)
def test_options_that_no_study_can_hold_are_refused(given: Any) -> None:
    with pytest.raises(SpaceError, match=r"space\.x"):
        space_of({"x": given})


@pytest.mark.parametrize(
    "given",
    [
        uniform(0, math.inf),
        uniform(-1e308, 1e308),
        uniform(math.nan, 1),
        uniform("0", 1),  # type: ignore[arg-type]
        uniform(0, 10**400),
        uniform(None, 1),  # type: ignore[arg-type]
        log_uniform(1, math.inf),
    ],
)
def test_ranges_without_two_finite_ends_are_refused(given: Range) -> None:
    with pytest.raises(SpaceError, match=r"space\.x: no range from"):
        space_of({"x": given})
