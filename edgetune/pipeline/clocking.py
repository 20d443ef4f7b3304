"""One network clocked on this machine: its latency by the agent's protocol, its kernels by the runtime's profiler."""

from __future__ import annotations

import json
import re
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from edgetune.agent.runtimes import OnnxRuntime, made_up
from edgetune.agent.timing import Protocol, time_runs
from edgetune.latency.graph import Graph
from edgetune.latency.kernel_fit import Clocked
from edgetune.latency.to_onnx import to_onnx

QUICK = Protocol(min_runs=10, min_seconds=0.4, max_seconds=1.5, warmup_seconds=1.0)
"""A minute less for sixty networks than the protocol's usual second; docs/measuring.md tells what the figures mean."""
PROFILED_SECONDS, PROFILED_RUNS = 0.3, (5, 60)


def clock_network(name: str, graph: Graph, folder: Path, *, protocol: Protocol = QUICK) -> Clocked:
    """Clocks the network with random weights in onnxruntime on one thread; `folder` holds its file meanwhile.

    In processor time: the same as the wall's on an idle machine, and what other programs take away does not count.
    """
    path = folder / "network.onnx"
    path.write_bytes(to_onnx(graph).SerializeToString())
    timing = time_runs(OnnxRuntime.load(path, 1), protocol, clock=time.thread_time_ns)
    low, high = PROFILED_RUNS
    runs = min(high, max(low, int(1000 * PROFILED_SECONDS / timing.p50_ms)))
    return Clocked(name, graph, timing.p50_ms, kernel_times(path, runs))


def kernel_times(path: Path, runs: int) -> Mapping[int, float]:
    """Milliseconds of each kernel of a file that `to_onnx` wrote, over `runs` runs, by position.

    onnxruntime names what it executes after the last operator that it fused, and that one after its kernel.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.enable_profiling = True
    options.profile_file_prefix = str(path.parent / "profile")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    picture = {node.name: made_up(node.shape, "float32") for node in session.get_inputs()}
    for _ in range(runs + 2):
        session.run(None, picture)
    file = Path(session.end_profiling())
    events = json.loads(file.read_text())
    file.unlink()
    times: dict[str, list[float]] = defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            times[event["name"]].append(event["dur"] / 1000)
    kernels: dict[int, float] = defaultdict(float)
    for name, own in times.items():
        if kernel := re.match(r"(?:fused )?k(\d+)\.", name):
            kernels[int(kernel[1])] += _middle(own[2:])
    return dict(kernels)


def _middle(times: list[float]) -> float:
    """Mean of the lower half, its fastest tenth left out: the profiler counts whole microseconds of the wall's clock,
    so that a median would be one and a disturbed run counts in full."""
    ordered = sorted(times)
    lower = ordered[len(ordered) // 10 : max(1, (len(ordered) + 1) // 2)]
    return sum(lower) / len(lower)
