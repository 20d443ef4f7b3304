"""Spaces, samples and the hash that names a network in every process."""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetune.errors import SpaceError
from edgetune.search.genetic import from_unit
from edgetune.space.mobile import MOBILE_LARGE, MOBILE_SMALL
from edgetune.space.parameters import Choice, Condition, Parameter, Range, Sample, Space, Value, is_active

TOY = Space(
    "toy",
    (
        Choice("depth", (1, 2)),
        Choice("kind", ("conv", "pool"), (Condition("depth", (2,)),)),
        Choice("kernel", (3, 5), (Condition("kind", ("conv",)),)),
        Range("dropout", 0.0, 0.5),
        Choice("residual", (False, True)),
    ),
)
WHOLE: dict[str, Value] = {"depth": 2, "kind": "conv", "kernel": 5, "dropout": 0.25, "residual": True}

seeds = st.integers(0, 2**32 - 1)
options = st.one_of(
    st.lists(st.integers(-1000, 1000), min_size=1, max_size=4, unique=True).map(sorted),
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=4, unique=True).map(sorted),
    st.lists(st.text(max_size=5), min_size=1, max_size=4, unique=True),
    st.just([False, True]),
)


@st.composite
def ranges(draw: st.DrawFn) -> Range:
    """Wide ones and ones of a few floating-point numbers, where rounding shows."""
    log = draw(st.booleans())
    low = draw(st.floats(1e-9, 1e6) if log else st.floats(-1e6, 1e6))
    wide = draw(st.booleans())
    high = low + draw(st.floats(1e-3, 1e6)) if wide else math.nextafter(low, math.inf)
    return Range("", low, high, log=log)


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    """Up to 6 parameters, each conditional on some of the options of up to 2 earlier choices."""
    parameters: list[Parameter] = []
    for i in range(draw(st.integers(1, 6))):
        deciders = [parameter for parameter in parameters if isinstance(parameter, Choice)]
        chosen = draw(st.lists(st.sampled_from(deciders), max_size=2, unique=True)) if deciders else []
        conditions = tuple(
            Condition(decider.label, tuple(draw(st.lists(st.sampled_from(decider.options), min_size=1, unique=True))))
            for decider in chosen
        )
        parameter: Parameter = draw(ranges()) if draw(st.booleans()) else Choice("", tuple(draw(options)))
        parameters.append(replace(parameter, label=f"p{i}", conditions=conditions))
    return Space("any", tuple(parameters))


@given(spaces(), seeds)
def test_a_drawn_sample_survives_json(space: Space, seed: int) -> None:
    sample = space.draw(np.random.default_rng(seed))
    again = space.from_json(sample.to_json())
    assert again == sample and again.hash == sample.hash and hash(again) == hash(sample)
    assert list(again.values) == list(sample.values), "the space's order, whatever the text's"
    assert {label: type(value) for label, value in again.values.items()} == {
        label: type(value) for label, value in sample.values.items()
    }


@given(spaces(), seeds)
def test_a_drawn_sample_holds_the_active_labels_and_no_other(space: Space, seed: int) -> None:
    values = space.draw(np.random.default_rng(seed)).values
    for parameter in space.parameters:
        active = all(values.get(condition.label) in condition.values for condition in parameter.conditions)
        assert (parameter.label in values) == active == is_active(parameter, values)
        assert not active or parameter.holds(values[parameter.label])


@given(spaces(), seeds)
def test_draws_are_repeatable(space: Space, seed: int) -> None:
    assert space.draw(np.random.default_rng(seed)) == space.draw(np.random.default_rng(seed))


@given(spaces(), seeds, seeds)
def test_completing_keeps_what_is_known_and_active(space: Space, known: int, rest: int) -> None:
    part = {
        label: value
        for i, (label, value) in enumerate(space.draw(np.random.default_rng(known)).values.items())
        if i % 2 == 0
    }
    sample = space.complete(part, np.random.default_rng(rest))
    assert all(sample[label] == value for label, value in part.items() if label in sample.values)
    assert space.sample(sample.values) == sample


def test_every_option_of_a_space_is_drawn() -> None:
    rng = np.random.default_rng(0)
    seen: dict[str, set[object]] = {label: set() for label in MOBILE_SMALL.space.by_label}
    for _ in range(200):
        for label, value in MOBILE_SMALL.space.draw(rng).values.items():
            seen[label].add(value)
    assert all(seen[choice.label] == set(choice.options) for choice in MOBILE_SMALL.space.parameters)  # type: ignore[union-attr]


def test_draws_are_uniform_or_log_uniform() -> None:
    rng = np.random.default_rng(0)
    plain, log = Range("a", 1.0, 100.0), Range("b", 1.0, 100.0, log=True)
    for draw in (lambda: (plain.draw(rng) - 1) / 99, lambda: math.log10(log.draw(rng)) / 2):  # type: ignore[operator,arg-type]
        values = np.array([draw() for _ in range(4000)])
        assert np.histogram(values, 4, (0, 1))[0] == pytest.approx(1000, abs=120)


@pytest.mark.parametrize("low", [0.1, 5.0, 7.0, 100.0])
def test_rounding_leaves_draws_inside_the_bounds(low: float) -> None:
    narrow = Range("a", low, math.nextafter(low, math.inf), log=True)
    assert math.exp(math.log(100.0)) > math.nextafter(100.0, math.inf), "what the test is about"
    assert all(narrow.holds(narrow.draw(np.random.default_rng(seed))) for seed in range(20))


def test_the_hash_is_the_sha256_of_the_canonical_json() -> None:
    sample = TOY.sample(WHOLE)
    text = '{"depth":2,"dropout":0.25,"kernel":5,"kind":"conv","residual":true}'
    assert sample.to_json() == text
    assert sample.hash == hashlib.sha256(text.encode()).hexdigest()[:16] == "709b441511b234df"


def test_the_hash_is_equal_in_another_process() -> None:
    code = (
        "import numpy as np; from edgetune.space.mobile import MOBILE_LARGE as space\n"
        "print(*(space.space.draw(np.random.default_rng(seed)).hash for seed in range(20)))"
    )
    here = [MOBILE_LARGE.space.draw(np.random.default_rng(seed)).hash for seed in range(20)]
    for hash_seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        there = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
        )
        assert there.stdout.split() == here
    assert len(set(here)) == 20


def test_equal_samples_have_equal_hashes_however_they_are_written() -> None:
    sample = TOY.sample({"depth": 1, "dropout": 0, "residual": False})
    for zero in (0.0, -0.0, np.float64(0)):
        other = TOY.sample({"residual": False, "dropout": zero, "depth": 1})
        assert other == sample and other.hash == sample.hash
    assert len({sample, TOY.sample(json.loads('{"dropout": 0.0, "depth": 1, "residual": false}'))}) == 1


def test_numpys_values_are_pythons() -> None:
    given = {"kernel": np.int64(5), "residual": np.True_, "kind": np.str_("conv"), "dropout": np.float32(0.25)}
    sample = TOY.sample(WHOLE | given)  # type: ignore[arg-type]
    assert sample.hash == TOY.sample(WHOLE).hash
    assert [type(value) for value in sample.values.values()] == [int, str, int, float, bool]


@pytest.mark.parametrize("log", [False, True])
def test_a_value_at_a_bound_has_one_hash_however_the_bound_is_written(log: bool) -> None:
    """A sample that is asked for by one hash and told by another would stay under evaluation for ever."""
    space = Space("bounds", (Range("x", 1, 10, log=log),))
    for place in (0.0, 1.0):
        value = from_unit(space.parameters[0], place)  # type: ignore[arg-type]
        assert type(value) is float and Sample({"x": value}).hash == space.sample({"x": value}).hash
    assert type(Range("x", -0.0, 1).low) is float and math.copysign(1, Range("x", -0.0, 1).low) == 1


def test_inactive_labels_are_dropped() -> None:
    assert dict(TOY.sample(WHOLE | {"kind": "pool"}).values) == {k: v for k, v in WHOLE.items() if k != "kernel"} | {
        "kind": "pool"
    }
    shallow = TOY.sample(WHOLE | {"depth": 1})  # drops the kind, and with it what depends on the kind
    assert set(shallow.values) == {"depth", "dropout", "residual"}


def test_a_sample_cannot_be_changed() -> None:
    values = dict(WHOLE)
    sample = TOY.sample(values)
    values["depth"] = 1
    assert sample["depth"] == 2
    with pytest.raises(TypeError):
        sample.values["depth"] = 1  # type: ignore[index]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kernle": 3}, r"unknown label 'kernle' \(did you mean kernel\?\)"),
        ({"zzz": 3}, r"unknown label 'zzz' \(known: depth, dropout, kernel, kind, residual\)"),
        ({"kernel": 4}, r"4 is not a value of 'kernel' \(it takes one of 3, 5\)"),
        ({"kernel": 5.0}, "5.0 is not a value of 'kernel'"),
        ({"kernel": np.int64(4)}, "4 is not a value of 'kernel'"),
        ({"kind": "Conv"}, "'Conv' is not a value"),
        ({"depth": True}, "True is not a value of 'depth'"),  # though True == 1
        ({"residual": 1}, "1 is not a value of 'residual'"),
        ({"dropout": 0.51}, r"0.51 is not a value of 'dropout' \(it takes a number from 0 to 0.5\)"),
        ({"dropout": math.nan}, "nan is not a value"),
        ({"dropout": "0.1"}, "'0.1' is not a value"),
        ({"dropout": False}, "False is not a value"),
        ({"depth": None}, "None is not a value"),
        ({"depth": [1]}, r"\[1\] is not a value"),
    ],
)
def test_values_that_do_not_belong_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(SpaceError, match=f"^toy: .*{message}"):
        TOY.sample(WHOLE | values)  # type: ignore[arg-type]


@pytest.mark.parametrize("label", WHOLE)
def test_a_missing_value_is_refused(label: str) -> None:
    with pytest.raises(SpaceError, match=f"^toy: no value for '{label}'"):
        TOY.sample({other: value for other, value in WHOLE.items() if other != label})


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '"depth"', "null", '{"depth": 2}'])
def test_text_that_is_no_sample_is_refused(text: str) -> None:
    with pytest.raises(SpaceError, match=r"^toy: "):
        TOY.from_json(text)


def test_a_condition_on_a_later_label_is_refused() -> None:
    first = Choice("kernel", (3, 5), (Condition("kind", ("conv",)),))
    second = Choice("kind", ("conv", "pool"))
    with pytest.raises(SpaceError, match=r"^net\.kernel: a condition names 'kind', which is not listed before it"):
        Space("net", (first, second))
    assert Space("net", (second, first)).sample({"kind": "pool"}) == Sample({"kind": "pool"})


def test_a_condition_on_itself_is_refused() -> None:
    with pytest.raises(SpaceError, match="'a', which is not listed before"):
        Space("net", (Choice("a", (1, 2), (Condition("a", (1,)),)),))


def test_a_label_that_occurs_twice_is_refused() -> None:
    with pytest.raises(SpaceError, match=r"^net\.a: the label occurs twice"):
        Space("net", (Choice("a", (1, 2)), Range("a", 0, 1)))


def test_counts() -> None:
    assert Choice("a", (1, 2, 3)).count == 3
    assert Range("a", 0, 1).count == math.inf
