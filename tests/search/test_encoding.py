import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetune.search.encoding import INACTIVE, Encoding
from edgetune.space.mobile import MOBILE_SMALL
from edgetune.space.parameters import Choice, Condition, Range, Space

MIXED = Space(
    "mixed",
    (
        Choice("optimizer", ("sgd", "adam")),
        Range("lr", 1e-4, 1e-1, log=True),
        Range("momentum", 0.0, 0.99, conditions=(Condition("optimizer", ("sgd",)),)),
        Choice("depth", (1, 2, 3)),
        Choice("width2", (8, 16), (Condition("depth", (2, 3)),)),
        Choice("width3", (8, 16), (Condition("depth", (3,)), Condition("width2", (16,)))),
    ),
)
seeds = st.integers(0, 2**32 - 1)
spaces = st.sampled_from([MIXED, MOBILE_SMALL.space])


@given(spaces, seeds)
def test_samples_survive_the_way_to_rows_and_back(space: Space, seed: int) -> None:
    rng = np.random.default_rng(seed)
    samples = [space.draw(rng) for _ in range(3)]
    for sample, row in zip(samples, Encoding(space).rows(samples), strict=True):
        back = Encoding(space).sample(row)
        assert list(back.values) == list(sample.values)
        assert all(
            back[label] == (pytest.approx(value) if isinstance(value, float) else value)
            for label, value in sample.values.items()
        )


@given(spaces, seeds)
def test_bred_rows_are_samples_of_the_space(space: Space, seed: int) -> None:
    rng = np.random.default_rng(seed)
    encoding = Encoding(space)
    parents = encoding.masked(encoding.draw(4, rng))
    for rows in (parents, encoding.children(parents, 8, rng), encoding.neighbours(parents[0], rng)):
        for row in rows:
            sample = encoding.sample(row)
            assert space.sample(sample.values) == sample


def test_neighbours_are_all_single_changes() -> None:
    space = Space("toy", (Choice("a", (1, 2, 3)), Choice("b", ("x", "y"))))
    encoding = Encoding(space)
    (row,) = encoding.rows([space.sample({"a": 2, "b": "x"})])
    found = {tuple(encoding.sample(r).values.values()) for r in encoding.neighbours(row, np.random.default_rng(0))}
    assert found == {(1, "x"), (3, "x"), (2, "y")}


@given(seeds)
def test_a_random_pair_differs_by_about_one_in_each_parameter(seed: int) -> None:
    encoding = Encoding(MIXED)
    rows = encoding.draw(400, np.random.default_rng(seed))
    columns, owners = encoding.parameter_features(rows)
    for parameter in range(len(MIXED.parameters)):
        block = columns[:, owners == parameter]
        assert np.mean(((block[:200] - block[200:]) ** 2).sum(axis=1)) == pytest.approx(1, abs=0.35)


def test_aggregates_count_the_options_of_active_parameters_alike() -> None:
    encoding = Encoding(Space("edges", tuple(Choice(f"e{i}", ("skip", "conv", "none")) for i in range(6))))
    (row,) = encoding.rows([encoding.space.sample({f"e{i}": "conv" if i < 4 else "none" for i in range(6)})])
    assert encoding.aggregate_features(row[None]).tolist() == [[0, 4, 2]]


def test_the_first_design_uses_every_option_evenly() -> None:
    encoding = Encoding(MOBILE_SMALL.space)
    rows = encoding.spread(12, np.random.default_rng(0))
    for column, options in zip(rows.T, encoding.options, strict=True):
        used = np.bincount(column[column != INACTIVE].astype(int), minlength=options)
        assert (column == INACTIVE).any() or np.ptp(used) <= 1


def test_parameters_with_the_same_options_share_them() -> None:
    texts, other = ("skip", "conv"), ("relu", "gelu")
    encoding = Encoding(
        Space(
            "s", (Choice("a", texts), Choice("n", (1, 2)), Choice("b", texts), Choice("c", other), Choice("d", other))
        )
    )
    columns, _ = encoding.parameter_features(encoding.draw(3, np.random.default_rng(0)))
    assert encoding.option_columns().tolist() == [0, 1, -1, 0, 1, 2, 3, 2, 3]
    assert columns.shape[1] == 9
