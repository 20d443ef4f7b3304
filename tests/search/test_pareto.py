import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetune.search.objective import Objective
from edgetune.search.pareto import front, hypervolume, hypervolume_history, non_dominated
from edgetune.search.problem import Problem
from edgetune.search.trial import Trial, TrialState
from edgetune.space.parameters import Choice, Sample, Space

PROBLEM = Problem(
    Space("toy", (Choice("x", tuple(range(100))),)), (Objective("accuracy", "maximize"), Objective("latency"))
)
points = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=30)


def trial(number: int, accuracy: float, latency: float, state: TrialState = "done") -> Trial:
    return Trial(number, Sample({"x": number}), {"accuracy": accuracy, "latency": latency}, state, 0)


@given(points)
def test_non_dominated_agrees_with_the_definition(rows: list[tuple[int, int, int]]) -> None:
    array = np.array(rows, dtype=float)
    dominated = [any((other <= point).all() and (other < point).any() for other in array) for point in array]
    assert (non_dominated(array, keep_equal=True) == ~np.array(dominated)).all()
    distinct = {tuple(row) for row in array[non_dominated(array)]}
    assert len(distinct) == non_dominated(array).sum()


@given(points)
def test_hypervolume_counts_the_cells_it_dominates(rows: list[tuple[int, int, int]]) -> None:
    cells = set(itertools.chain.from_iterable(itertools.product(*(range(x, 10) for x in row)) for row in rows))
    assert hypervolume(np.array(rows, dtype=float), [10, 10, 10]) == pytest.approx(len(cells))


def test_front_leaves_out_dominated_and_infeasible_trials() -> None:
    trials = [trial(0, 0.9, 5), trial(1, 0.8, 6), trial(2, 0.7, 1), trial(3, 0.99, 1, "infeasible"), trial(4, 0.9, 5)]
    assert [t.number for t in front(PROBLEM, trials)] == [0, 2]


def test_hypervolume_history_grows_and_ends_at_the_hypervolume() -> None:
    trials = [trial(0, 0.5, 8), trial(1, 0.4, 9), trial(2, 0.9, 5, "infeasible"), trial(3, 0.6, 4)]
    history = hypervolume_history(PROBLEM, trials, reference=[0.0, 10.0])
    assert history == pytest.approx([0.5 * 2, 0.5 * 2, 0.5 * 2, 0.6 * 6])
