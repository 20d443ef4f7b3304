from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetune.data.source import Split
from edgetune.data.splits import Splits, split
from edgetune.errors import DataError

CLASSES = ("a", "b", "c")


def divide(
    labels: list[int], digests: list[int] | None = None, given: Sequence[int] | None = None, seed: int = 0
) -> Splits:
    return split(
        np.array(labels, np.int64),
        np.zeros(len(labels), np.int8) if given is None else np.array(given, np.int8),
        np.arange(len(labels), dtype=np.uint64) if digests is None else np.array(digests, np.uint64),
        CLASSES[: max(labels) + 1],
        seed,
    )


@given(st.lists(st.integers(3, 80), min_size=2, max_size=3), st.integers(0, 5))
def test_every_picture_is_in_one_split_and_every_class_in_each(sizes: list[int], seed: int) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    parts = divide(labels.tolist(), seed=seed)
    rows = np.concatenate([parts.train, parts.validation, parts.test])
    assert sorted(rows) == list(range(len(labels)))
    for share, part in ((0.1, parts.validation), (0.15, parts.test)):
        counts = np.bincount(labels[part], minlength=len(sizes))
        assert (counts == [max(1, round(share * size)) for size in sizes]).all()
    assert not parts.notes


def test_the_seed_decides() -> None:
    labels = [0, 1] * 50
    assert (divide(labels).train == divide(labels).train).all()
    assert set(divide(labels).test) != set(divide(labels, seed=1).test)


def test_a_prefix_is_a_fair_sample() -> None:
    labels = [0] * 500 + [1] * 500
    first = np.array(labels)[divide(labels).train[:200]]
    assert 70 <= first.sum() <= 130


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 15), st.sampled_from(list(Split))), min_size=60, max_size=90)
)
def test_no_picture_is_in_two_splits(rows: list[tuple[int, int, Split]]) -> None:
    labels, digests, parts = (list(column) for column in zip(*rows, strict=True))
    try:
        found = divide(labels, digests, parts)
    except DataError:
        return
    keys = np.array(digests)
    sets = [set(keys[part]) for part in (found.train, found.validation, found.test)]
    assert not (sets[0] & sets[1] or sets[0] & sets[2] or sets[1] & sets[2])
    assert len(sets[0]) == len(found.train)
    given_test = np.flatnonzero(np.array(parts) == Split.TEST)
    if len(given_test):
        assert sorted(found.test) == sorted(given_test)


def test_what_is_left_out_is_counted() -> None:
    #          unique          copies  two classes  also in test
    labels = [0] * 6 + [1] * 6 + [0, 0] + [0, 1] + [1] + [0, 1, 1]
    digests = [*range(12), 20, 20, 30, 30, 40, 50, 51, 40]
    given = [Split.TRAIN] * 17 + [Split.TEST] * 3
    parts = divide(labels, digests, given)
    assert len(parts.train) + len(parts.validation) == 13
    assert len(parts.test) == 3
    assert parts.notes == (
        "2 picture(s) that are found under more than one class left out",
        "1 picture(s) left out that the test or validation split also holds",
        "1 exact copies of other pictures left out",
    )


def test_given_validation_is_kept_and_the_test_split_carved() -> None:
    given = ([Split.TRAIN] * 20 + [Split.VALIDATION] * 5) * 2
    parts = divide([0] * 25 + [1] * 25, given=given)
    assert sorted(parts.validation) == [*range(20, 25), *range(45, 50)]
    assert len(parts.test) == 6
    assert len(parts.train) == 34


def test_too_few_pictures_are_an_error_that_names_the_class() -> None:
    with pytest.raises(DataError, match="class 'b' has 2 usable training picture"):
        divide([0] * 10 + [1] * 2)
    with pytest.raises(DataError, match=r"class 'b' has 1 usable.*9 exact copies"):
        divide([0] * 10 + [1] * 10, [*range(10)] + [99] * 10)
