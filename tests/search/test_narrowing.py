"""A space's pools: how they grow, and what is left when all changes are made."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetune.search.adaptive import AdaptiveSpace
from edgetune.search.narrowing import Change, in_words, moved_into, narrowed, narrowings, replay, widened
from edgetune.search.nsga2 import NSGA2
from edgetune.search.objective import Objective
from edgetune.search.problem import Problem
from edgetune.search.run import run_search
from edgetune.search.study import Study
from edgetune.space.parameters import Choice, Range, Sample, Space, Value

PLAIN, LOG = Range("x", 0, 10), Range("x", 1e-4, 1, log=True)
LIST = Choice("x", (8, 16, 32, 64))


@pytest.mark.parametrize(
    ("parameter", "pool", "used", "wider"),
    [
        (PLAIN, (2.0, 4.0), [3.9, 3.6, 2.1, 3.5], (2.0, 5.0)),
        (PLAIN, (2.0, 4.0), [2.1, 2.2, 2.5, 3.9], (1.0, 4.0)),
        (PLAIN, (2.0, 4.0), [2.1, 3.0, 3.0, 3.9], (2.0, 4.0)),
        (PLAIN, (2.0, 4.0), [4.0, 4.0], (2.0, 4.0)),  # two members are no front to go by
        (PLAIN, (8.0, 9.5), [9.5, 9.5, 9.5], (8.0, 10.0)),
        (PLAIN, (0.5, 4.5), [0.5, 0.5, 0.5], (0.0, 4.5)),
        (PLAIN, (0.0, 10.0), [10.0, 10.0, 10.0], (0.0, 10.0)),
        (LOG, (0.01, 0.1), [0.1, 0.09, 0.08], (0.01, 10**-0.5)),
        (LOG, (0.01, 0.1), [0.01, 0.012, 0.09], (10**-2.5, 0.1)),
        (LIST, (16, 32), [16, 32], (16, 32, 64)),
        (LIST, (16, 32, 64), [16, 64], (8, 16, 32, 64)),
        (LIST, (8, 16, 32), [8, 16], (8, 16, 32)),
        (LIST, (16, 32), [], (16, 32)),
    ],
)
def test_a_pool_grows_where_the_front_sits_on_its_edge(
    parameter: Range | Choice, pool: tuple[Value, ...], used: list[Value], wider: tuple[Value, ...]
) -> None:
    assert widened(parameter, pool, used) == pytest.approx(wider)


@given(st.floats(1e-4, 0.9), st.floats(1.01, 100), st.lists(st.floats(1e-4, 1), max_size=8))
def test_a_range_keeps_what_it_had_and_stays_within_what_is_declared(
    low: float, times: float, used: list[float]
) -> None:
    high = min(low * times, 1.0)
    found = widened(LOG, (low, high), used)
    assert LOG.low <= float(found[0]) <= low and high <= float(found[1]) <= LOG.high


def test_a_range_is_bounds_or_frozen_and_says_so() -> None:
    space = Space("toy", (LOG, Choice("y", (1, 2))))
    changes = [Change(0, "begin", "x", (0.01, 0.1), ""), Change(40, "widen", "x", (0.01, 0.5), "")]
    assert narrowings(space, changes) == {"x": (0.01, 0.5)} and in_words(LOG, (0.01, 0.5)) == "0.01 to 0.5"
    assert narrowed(space, replay(changes)).by_label["x"] == Range("x", 0.01, 0.5, log=True)
    frozen = narrowed(space, replay([*changes, Change(60, "freeze", "x", (0.25,), "")]))
    assert frozen.by_label["x"] == Choice("x", (0.25,)) and in_words(LOG, (0.25,)) == "0.25"
    for open_again in ((1e-4, 1.0), ()):  # as it is thawed now, and as an older version wrote it
        thawed = [*changes, Change(80, "thaw", "x", open_again, "")]
        assert narrowings(space, thawed) == {} and narrowed(space, replay(thawed)).by_label["x"] == LOG
        assert in_words(LOG, open_again) == "0.0001 to 1"


def test_what_is_outside_moves_to_the_bound_or_is_drawn() -> None:
    space, rng = narrowed(Space("toy", (LOG,)), {"x": (0.01, 0.1)}), np.random.default_rng(0)
    assert moved_into(space, Sample({"x": 0.5}), rng) == Sample({"x": 0.1})
    assert moved_into(space, Sample({"x": 0.001}), rng) == Sample({"x": 0.01})
    assert moved_into(space, Sample({"x": 0.05}), rng, anew=True) == Sample({"x": 0.05})
    drawn = [float(moved_into(space, Sample({"x": 0.5}), rng, anew=True)["x"]) for _ in range(200)]
    assert len(set(drawn)) == 200 and min(drawn) >= 0.01 and max(drawn) <= 0.1
    assert np.mean(np.log10(drawn)) == pytest.approx(-1.5, abs=0.08)


RATES = Space("rates", (Range("rate", 1e-4, 1, log=True), *(Choice(f"x{i}", tuple(range(4))) for i in range(3))))
SEARCHED = Problem(RATES, (Objective("error"), Objective("cost")))


def figures(sample: Sample) -> dict[str, float]:
    """A rate of 0.2 is best for the error, whatever the cost."""
    spread = math.log10(float(sample["rate"]) / 0.2) ** 2
    return {"error": spread - float(sample["x0"]) / 10, "cost": float(sample["x0"]) + float(sample["x1"])}


def searched(path: Path, trials: int) -> AdaptiveSpace:
    strategy = AdaptiveSpace(NSGA2(SEARCHED, seed=3), pools={"rate": (0.001, 0.01)})
    with Study.open(path) if path.exists() else Study.create(path, {}) as study:
        run_search(study, strategy, figures, trials=trials, seed=3)
    return strategy


def test_a_search_walks_to_a_rate_that_it_did_not_begin_with(tmp_path: Path) -> None:
    """And tries nothing outside before it has a reason to, not even where it explores."""
    strategy = searched(tmp_path / "study.db", 160)
    widenings = [change for change in strategy.changes if change.action == "widen"]
    assert strategy.changes[0] == Change(0, "begin", "rate", (0.001, 0.01), strategy.changes[0].reason)
    assert float(widenings[-1].options[1]) >= 0.1 and all(change.reason for change in strategy.changes)
    for trial in strategy.trials:
        bounds = [c.options for c in strategy.changes if c.label == "rate" and c.trials <= trial.number]
        assert any(b[0] <= trial.sample["rate"] <= b[-1] for b in bounds)  # type: ignore[operator]
    early = [math.log10(float(trial.sample["rate"])) for trial in strategy.trials[: strategy.inner.initial]]
    assert len(set(early)) == len(early) and np.mean(early) == pytest.approx(-2.5, abs=0.2)


def test_a_resumed_search_widens_again(tmp_path: Path) -> None:
    whole = searched(tmp_path / "whole.db", 120)
    searched(tmp_path / "stopped.db", 75)
    resumed = searched(tmp_path / "stopped.db", 120)
    assert resumed.changes == whole.changes and resumed.pools == whole.pools
    assert [trial.sample for trial in resumed.trials] == [trial.sample for trial in whole.trials]
