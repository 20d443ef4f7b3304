from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from edgetune.report.parallel import (
    GAP,
    HEIGHT,
    MARGIN,
    PARAMETERS,
    SPREAD,
    TICKS,
    TOP,
    choice_scale,
    choice_ticks,
    parallel,
)
from edgetune.report.summary import RunSummary
from edgetune.space.parameters import Value


def test_every_finished_trial_is_one_line_within_the_drawing(summary: RunSummary) -> None:
    drawing = parallel(summary)
    assert drawing is not None
    assert len(drawing.axes) == PARAMETERS + 2
    assert sorted(line.trial for line in drawing.lines) == [t.number for t in summary.trials if t.state == "done"]
    for line in drawing.lines:
        points = [tuple(map(float, point.split(","))) for point in line.points.split()]
        assert [x for x, _ in points] == [MARGIN + GAP * i for i in range(len(drawing.axes))]
        assert all(TOP - SPREAD <= y <= TOP + HEIGHT + SPREAD for _, y in points)
        assert max(y for _, y in points) < drawing.height


def test_the_most_accurate_trial_is_at_the_top_of_its_axis(summary: RunSummary) -> None:
    drawing = parallel(summary)
    assert drawing is not None
    best = max((t for t in summary.trials if t.state == "done"), key=lambda t: t.validation_top1 or 0)
    (line,) = (line for line in drawing.lines if line.trial == best.number)
    assert float(line.points.split(",")[-1]) == TOP


def test_the_front_is_drawn_last(summary: RunSummary) -> None:
    drawing = parallel(summary)
    assert drawing is not None
    flags = [line.on_front for line in drawing.lines]
    assert flags == sorted(flags)
    assert sum(flags) == sum(trial.on_front for trial in summary.trials)


@pytest.mark.parametrize(
    ("values", "order"),
    [([8, None, 16, 8], [None, 8, 16]), (["relu", "hswish"], ["hswish", "relu"]), ([True, False], [False, True])],
)
def test_values_stand_in_order_from_the_foot_up(values: list[Value | None], order: list[Value | None]) -> None:
    scale = choice_scale(values)
    assert sorted(scale, key=lambda value: -scale[value]) == order


@pytest.mark.parametrize("count", [1, TICKS, TICKS + 1, 120])
def test_values_of_a_range_are_not_written_upon_each_other(count: int) -> None:
    scale = choice_scale([0.001 * (number + 1) for number in range(count)])
    heights = [height for _, height in choice_ticks(scale)]
    assert len(heights) == (count if count <= TICKS else -(-count // -(-count // TICKS)))
    assert all(low - high >= HEIGHT / TICKS for low, high in pairwise(heights))


def test_nothing_is_drawn_of_a_run_that_learnt_nothing(summary_of: Callable[..., RunSummary]) -> None:
    assert parallel(summary_of(trials=3, finalists=1)) is None
    assert parallel(replace(summary_of(trials=30), insight=None)) is None
