"""One visit to a network on this machine: its latency, and its kernels' times by the runtime's profiler.

Other programs and other guests of the same host slow a machine for seconds or minutes, and never hasten it. So a
network is visited several times, shortly, and the faster runs of each visit count: docs/latency.md tells it in words.
"""

from __future__ import annotations

import json
import re
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from edgetune.agent.runtimes import OnnxRuntime, made_up
from edgetune.agent.timing import MS, Protocol, quantile, sample, warm_up
from edgetune.latency.graph import Graph
from edgetune.latency.kernel_fit import Clocked
from edgetune.latency.to_onnx import to_onnx

VISIT = Protocol(min_runs=5, min_seconds=0.1, max_seconds=0.2, warmup_seconds=0.1)
FASTER = 0.1
"""The share of a visit's runs that lie below its figure: the median of a busy machine's runs tells of the others."""
PROFILED_SECONDS, PROFILED_RUNS = 0.15, (4, 30)


def clock_network(name: str, graph: Graph, folder: Path, *, protocol: Protocol = VISIT) -> Clocked:
    """Visits the network, with random weights, in onnxruntime on one thread; `folder` holds its file meanwhile.

    In processor time: the same as the wall's on an idle machine, and what other programs take away does not count.
    """
    path, clock = folder / "network.onnx", time.thread_time_ns
    path.write_bytes(to_onnx(graph).SerializeToString())
    run = OnnxRuntime.load(path, 1)
    warm_up(run, protocol, clock)
    latency_ms = quantile(sorted(sample(run, protocol, clock)), FASTER) / MS
    low, high = PROFILED_RUNS
    runs = min(high, max(low, int(1000 * PROFILED_SECONDS / latency_ms)))
    return Clocked(name, graph, latency_ms, kernel_times(path, runs))


def lowest(one: Clocked, other: Clocked) -> Clocked:
    """What two visits to a network tell of it: the lower latency, and of each kernel the lower time."""
    visits = (one.kernel_ms, other.kernel_ms)
    kernels = {i: min(ms[i] for ms in visits if i in ms) for i in one.kernel_ms.keys() | other.kernel_ms}
    return replace(one, latency_ms=min(one.latency_ms, other.latency_ms), kernel_ms=kernels)


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
