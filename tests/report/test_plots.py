from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from edgetune.latency.from_architecture import graph_of
from edgetune.report import plots
from edgetune.report.diagram import draw
from edgetune.report.summary import Limits, RunSummary


def trace(figure: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(item for item in figure["data"] if item.get("name") == name)
    return found


def test_each_trial_with_values_is_drawn_once(summary: RunSummary) -> None:
    figure = plots.pareto(summary)
    drawn = sum(len(trace(figure, name)["x"]) for name in ("trials", "trials beyond a limit", "front of the search"))
    assert drawn == sum(trial.validation_top1 is not None for trial in summary.trials)


def test_error_bars_end_where_the_interval_ends(summary: RunSummary) -> None:
    finalists = trace(plots.pareto(summary), "finalists, test top-1")
    for i, finalist in enumerate(summary.finalists):
        low, high = finalist.latency.interval_ms
        assert finalists["x"][i] + finalists["error_x"]["array"][i] == pytest.approx(high)
        assert finalists["x"][i] - finalists["error_x"]["arrayminus"][i] == pytest.approx(low)
        assert finalists["y"][i] == pytest.approx(100 * finalist.test_top1)


def test_names_of_finalists_that_lie_close_are_written_apart(summary: RunSummary) -> None:
    first = summary.finalists[0]
    twins = replace(summary, finalists=(first, replace(first, name="twin", test_top1=first.test_top1 + 0.0001)))
    finalists = trace(plots.pareto(twins), "finalists, test top-1")
    assert finalists["text"] == [first.name, "twin"]
    assert len(set(finalists["textposition"])) == 2


def test_a_crowd_of_finalists_is_named_as_far_as_there_is_room(summary: RunSummary) -> None:
    first = summary.finalists[0]
    crowd = replace(summary, finalists=tuple(replace(first, name=f"net-{i}") for i in range(30)))
    finalists = trace(plots.pareto(crowd), "finalists, test top-1")
    assert 2 <= sum(map(bool, finalists["text"])) < 30
    assert all(f"net-{i}" in text for i, (text,) in enumerate(finalists["customdata"]))


def test_limits_and_teacher_are_drawn_where_they_are(summary: RunSummary) -> None:
    shapes = plots.pareto(summary)["layout"]["shapes"]
    heights = [shape["y0"] for shape in shapes if shape["y0"] == shape["y1"]]
    assert heights == pytest.approx([94.37, 88.0])
    assert [shape["x0"] for shape in shapes if shape["x0"] == shape["x1"]] == [3.0]
    assert len(plots.pareto(replace(summary, limits=Limits()))["layout"]["shapes"]) == 1


def test_the_visible_range_holds_finalists_front_and_teacher(summary: RunSummary) -> None:
    low, high = plots.pareto(summary)["layout"]["yaxis"]["range"]
    points = [finalist.test_top1 for finalist in summary.finalists] + [summary.teacher.test_top1]
    points += [trial.validation_top1 or 0 for trial in summary.trials if trial.on_front]
    assert low < 100 * min(points) and 100 * max(points) < high


def test_hypervolume_ends_at_the_last(summary_of: Callable[..., RunSummary]) -> None:
    curve = plots.hypervolume(summary_of(trials=50))["data"][-1]
    assert curve["y"][-1] == pytest.approx(100)
    assert curve["y"] == sorted(curve["y"])


def test_the_drawing_agrees_with_the_graph(summary: RunSummary) -> None:
    """Sizes and channels against the kernels that the latency room derives on its own."""
    for finalist in summary.finalists:
        outputs = {kernel.name: kernel.output for kernel in graph_of(finalist.architecture).kernels}
        groups = draw(finalist.architecture, finalist.latency.kernels)
        boxes = [box for group in groups for box in group.boxes]
        assert (boxes[0].widths[-1], boxes[0].resolution) == outputs["stem"][:2]
        for box in boxes[1:-3]:
            assert (box.widths[-1], box.resolution) == outputs[f"{box.name}.project"][:2]
        assert (boxes[-3].widths[-1], boxes[-3].resolution) == outputs["head"][:2]


def test_shares_of_the_boxes_are_the_whole_but_for_the_normalisation(summary: RunSummary) -> None:
    latency = summary.finalists[0].latency
    boxes = [box for group in draw(summary.finalists[0].architecture, latency.kernels) for box in group.boxes]
    first = {kernel.name: kernel.share for kernel in latency.kernels}
    assert sum(box.share or 0 for box in boxes) == pytest.approx(1 - first["subtract-mean"] - first["scale"])
    silent = [box for group in draw(summary.finalists[0].architecture, ()) for box in group.boxes]
    assert all(box.share is None for box in silent)


def test_the_band_runs_from_the_lowest_to_the_highest_run(summary: RunSummary) -> None:
    low, high, own = plots.hypervolume(summary)["data"]
    assert low["y"] == pytest.approx([0.9 * value for value in own["y"]])
    assert high["y"] == pytest.approx(own["y"])
    alone = replace(summary, convergence=replace(summary.convergence, beside=()))
    assert len(plots.hypervolume(alone)["data"]) == 1


def test_measured_latencies_stand_over_the_predicted_ones(summary: RunSummary) -> None:
    figure = plots.measured(summary)
    assert figure is not None
    pairs = {(f.latency.latency_ms, f.latencies[1].latency_ms) for f in summary.finalists if len(f.latencies) > 1}
    assert set(zip(figure["data"][1]["x"], figure["data"][1]["y"], strict=True)) == pairs
    bare = replace(summary, finalists=tuple(replace(f, latencies=f.latencies[:1]) for f in summary.finalists))
    assert plots.measured(bare) is None
