"""One network clocked for real: every convolution has a time, nothing is left behind."""

from __future__ import annotations

from pathlib import Path

from edgetune.agent.timing import Protocol
from edgetune.latency.reference import reference_graph
from edgetune.pipeline.clocking import clock_network

SHORT = Protocol(min_runs=5, min_seconds=0.01, max_seconds=0.05, warmup_seconds=0.05)


def test_every_convolution_has_a_time(tmp_path: Path) -> None:
    graph = reference_graph("mobile-small-28-random-0")
    clocked = clock_network("net", graph, tmp_path, protocol=SHORT)
    heavy = {i for i, kernel in enumerate(graph.kernels) if kernel.kind in ("conv", "pointwise", "depthwise")}
    assert clocked.latency_ms > 0 and heavy <= set(clocked.kernel_ms) <= set(range(len(graph.kernels)))
    assert all(ms > 0 for ms in clocked.kernel_ms.values())
    assert [path.name for path in tmp_path.iterdir()] == ["network.onnx"]
