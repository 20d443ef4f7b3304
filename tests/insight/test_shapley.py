from __future__ import annotations

from itertools import combinations
from math import factorial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetune.insight.shapley import shapley_values
from edgetune.search.encoding import Encoding
from edgetune.space.parameters import Choice, Condition, Space

SPACE = Space("flat", tuple(Choice(f"x{i}", (0, 1, 2)) for i in range(4)))
ENCODING = Encoding(SPACE)


def interacting(rows: np.ndarray) -> np.ndarray:
    return (rows[:, 0] * rows[:, 1] + np.sin(rows[:, 2]))[:, None]


def exact(row: np.ndarray) -> np.ndarray:
    """By the definition: all coalitions, against all 81 samples."""
    everything = np.array(np.meshgrid(*[range(3)] * 4)).reshape(4, -1).T.astype(float)
    players, n = range(4), 4

    def worth(coalition: tuple[int, ...]) -> float:
        mixed = everything.copy()
        mixed[:, list(coalition)] = row[list(coalition)]
        return float(interacting(mixed).mean())

    values = np.zeros(n)
    for i in players:
        others = [j for j in players if j != i]
        for size in range(n):
            weight = factorial(size) * factorial(n - size - 1) / factorial(n)
            for s in combinations(others, size):
                values[i] += weight * (worth((*s, i)) - worth(s))
    return values


def test_sampling_comes_to_the_exact_values() -> None:
    row = np.array([2.0, 2.0, 1.0, 0.0])
    values, _ = shapley_values(interacting, ENCODING, row, orders=2000)
    assert values[:, 0] == pytest.approx(exact(row), abs=0.08)
    assert values[3, 0] == 0


@given(st.lists(st.integers(0, 2), min_size=4, max_size=4), st.integers(0, 1000))
def test_values_add_up_exactly(choices: list[int], seed: int) -> None:
    row = np.array(choices, dtype=float)
    values, base = shapley_values(interacting, ENCODING, row, orders=3, seed=seed)
    assert values[:, 0].sum() + base[0] == pytest.approx(interacting(row[None])[0, 0])


def test_what_is_not_active_is_worth_nothing() -> None:
    depth = Choice("depth", (1, 2))
    encoding = Encoding(Space("deep", (depth, Choice("width", (8, 16), (Condition("depth", (2,)),)))))
    values, _ = shapley_values(lambda rows: rows.sum(axis=1, keepdims=True), encoding, np.array([0.0, -1.0]))
    assert values[1, 0] == 0 and values[0, 0] != 0
