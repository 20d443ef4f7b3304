"""One network clocked for real: every convolution has a time, nothing is left behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgetune.agent.timing import Protocol
from edgetune.latency.kernel_fit import Clocked
from edgetune.latency.reference import reference_graph
from edgetune.pipeline import clocking
from edgetune.pipeline.clocking import clock_network, kernel_times, kernels_of, lowest

SHORT = Protocol(min_runs=5, min_seconds=0.01, max_seconds=0.05, warmup_seconds=0.05)


def test_every_convolution_has_a_time(tmp_path: Path) -> None:
    graph = reference_graph("mobile-small-28-random-0")
    clocked = clock_network("net", graph, tmp_path, protocol=SHORT)
    heavy = {i for i, kernel in enumerate(graph.kernels) if kernel.kind in ("conv", "pointwise", "depthwise")}
    assert clocked.latency_ms > 0 and heavy <= set(clocked.kernel_ms) <= set(range(len(graph.kernels)))
    assert all(ms > 0 for ms in clocked.kernel_ms.values())
    assert [path.name for path in tmp_path.iterdir()] == ["network.onnx"]


def test_of_two_visits_what_was_lower_counts_kernel_by_kernel() -> None:
    """A kernel that only one of them saw has that one's time."""
    graph = reference_graph("mobile-small-28-random-0")
    one = Clocked("net", graph, 2.0, {0: 0.5, 1: 0.25, 3: 0.125})
    other = Clocked("net", graph, 1.5, {0: 1.0, 1: 0.125, 2: 0.5})
    assert lowest(one, other) == Clocked("net", graph, 1.5, {0: 0.5, 1: 0.125, 2: 0.5, 3: 0.125})
    assert lowest(one, other) == lowest(other, one)


def test_runs_that_others_slowed_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of twenty runs nineteen took four times as long."""
    monkeypatch.setattr(clocking, "sample", lambda run, protocol, clock: [4_000_000, 1_000_000] + 18 * [4_000_000])
    graph = reference_graph("mobile-small-28-random-0")
    assert clock_network("net", graph, tmp_path, protocol=SHORT).latency_ms == 1.0


def test_what_onnxruntime_lays_out_anew_counts_with_the_kernel_that_needs_it() -> None:
    """As it names the nodes of a squeeze-excite block: the product is not computed in blocks of channels."""
    before, after = ["k0.Conv_nchwc", "ReorderOutput_token_9", "fused k1.HardSigmoid"], ["k3.Conv_nchwc"]
    nodes = [*before, "ReorderOutput", "k2.Mul", "ReorderInput", *after, "ReorderOutput_token_8"]
    assert [kernels_of(nodes)[name] for name in nodes] == [0, 1, 1, 2, 2, 2, 3, 3]


def test_a_kernel_of_several_nodes_has_the_profilers_cost_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A profiler that adds 3 µs to each node: of 2 µs, of 4 and 5 µs (one kernel), of nothing."""
    import onnxruntime

    true = {"k0.Conv_nchwc": 2, "ReorderOutput": 4, "k1.Mul": 5, "k2.Flatten": 0}
    events: list[dict[str, Any]] = [
        {"cat": "Node", "name": f"{name}_kernel_time", "dur": us + 3} for _ in range(12) for name, us in true.items()
    ]
    slowed = [event | {"dur": 10 * event["dur"]} for event in events for _ in range(4)]

    class Session:
        def __init__(self, *_: object, **__: object) -> None: ...

        def get_inputs(self) -> list[object]:
            return []

        def run(self, *_: object) -> None: ...

        def end_profiling(self) -> str:
            (tmp_path / "profile.json").write_text(json.dumps(events + slowed))
            return str(tmp_path / "profile.json")

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    assert kernel_times(tmp_path / "network.onnx", 12) == pytest.approx({0: 0.005, 1: 0.012, 2: 0.003})
