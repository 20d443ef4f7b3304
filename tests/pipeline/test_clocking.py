"""One network clocked for real: every convolution has a time, nothing is left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgetune.agent.timing import Protocol
from edgetune.latency.kernel_fit import Clocked
from edgetune.latency.reference import reference_graph
from edgetune.pipeline import clocking
from edgetune.pipeline.clocking import clock_network, lowest

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
    """Of twenty runs of a millisecond sixteen took four times as long."""
    monkeypatch.setattr(clocking, "sample", lambda run, protocol, clock: 4 * [4_000_000, 1_000_000] + 12 * [4_000_000])
    graph = reference_graph("mobile-small-28-random-0")
    assert clock_network("net", graph, tmp_path, protocol=SHORT).latency_ms == 1.0
