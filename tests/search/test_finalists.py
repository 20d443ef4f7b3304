"""The trials that are worth training in full."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetune.errors import StudyError
from edgetune.search.finalists import from_smallest, pick_finalists
from edgetune.search.objective import Objective
from edgetune.search.pareto import front
from edgetune.search.problem import Problem
from edgetune.search.trial import Trial
from edgetune.space.parameters import Choice, Space

SPACE = Space("toy", (Choice("width", tuple(range(100))),))
PROBLEM = Problem(
    SPACE, (Objective("top1", "maximize"), Objective("latency_ms", cheap=True)), lambda sample: {"latency_ms": 1.0}
)
FIGURES = st.lists(st.tuples(st.floats(0.5, 1.0), st.floats(0.1, 10.0)), min_size=1, max_size=40)


def trials(figures: list[tuple[float, float]], millions: list[float] | None = None) -> list[Trial]:
    """As many million MACs as milliseconds, unless told."""
    millions = millions or [latency for _, latency in figures]
    return [
        Trial(
            number=number,
            sample=SPACE.sample({"width": number}),
            state="done",
            values={"top1": top1, "latency_ms": latency, "macs": 1e6 * macs},
            seed=0,
            seconds=0.0,
        )
        for number, ((top1, latency), macs) in enumerate(zip(figures, millions, strict=True))
    ]


@given(FIGURES, st.integers(1, 8))
def test_finalists_are_the_front_the_most_accurate_and_a_large_one(
    figures: list[tuple[float, float]], count: int
) -> None:
    done = trials(figures)
    best = front(PROBLEM, done)
    picked = pick_finalists(PROBLEM, done, count)
    assert min(count, len(best)) <= len(picked) <= count
    assert len({trial.number for trial in picked}) == len(picked)
    assert len({trial.number for trial in picked} - {trial.number for trial in best}) <= 1
    assert max(figures)[0] in [(trial.values or {})["top1"] for trial in picked]


def test_the_largest_of_those_nearly_as_good_is_one() -> None:
    """The slowest of all is not nearly as good. Figures like those of a search on CIFAR-10."""
    figures = [(0.593, 1.44), (0.587, 1.37), (0.470, 0.90), (0.573, 1.70), (0.535, 1.75)]
    assert {trial.number for trial in pick_finalists(PROBLEM, trials(figures), 2)} == {0, 3}


def test_the_larger_of_two_is_the_one_of_more_macs() -> None:
    """Figures of a search on CIFAR-10: the slowest as predicted had fewer MACs, and was trained longest for nothing."""
    figures = [(0.673, 1.96), (0.672, 1.98), (0.660, 2.05), (0.600, 1.20)]
    done = trials(figures, [9.34, 9.34, 7.79, 2.4])
    picked = pick_finalists(PROBLEM, done, 2)
    assert {trial.number for trial in picked} == {0, 3}
    assert [trial.number for trial in from_smallest(picked)] == [3, 0]


def test_where_all_is_learnt_or_nothing_is_the_front_gives_the_finalists() -> None:
    figures = [(0.90, 1.0), (0.89, 2.0), (0.5, 0.5)]
    for cheap in ((False, False), (True, True)):
        objectives = (Objective("top1", "maximize", cheap=cheap[0]), Objective("latency_ms", cheap=cheap[1]))
        problem = Problem(SPACE, objectives, lambda sample: {"top1": 0.5, "latency_ms": 1.0})
        assert {trial.number for trial in pick_finalists(problem, trials(figures), 3)} == {0, 2}


def test_the_most_accurate_is_picked_where_it_adds_next_to_nothing() -> None:
    figures = [(0.80, 1.0), (0.88, 2.0), (0.90, 3.0), (0.9001, 10.0)]
    assert 3 in {trial.number for trial in pick_finalists(PROBLEM, trials(figures), 3)}


def test_where_every_trial_failed_the_last_failure_is_told() -> None:
    failed = Trial(0, SPACE.sample({"width": 0}), None, "failed", seed=0, error="took longer than 0.001 s")
    with pytest.raises(StudyError, match="none of the 2 trials succeeded; the last: took longer"):
        pick_finalists(PROBLEM, [failed, failed], 3)
