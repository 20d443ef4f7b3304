"""One visit to a network on this machine: its latency, and its kernels' times by the runtime's profiler.

Other programs and other guests of the same host slow a machine for milliseconds or minutes, and never hasten it. So a
network is visited several times, shortly, and what was lowest counts: docs/latency.md tells it in words.
"""

from __future__ import annotations

import json
import re
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from edgetune.agent.runtimes import OnnxRuntime, made_up
from edgetune.agent.timing import MS, Protocol, sample
from edgetune.latency.graph import Graph
from edgetune.latency.kernel_fit import Clocked
from edgetune.latency.to_onnx import to_onnx

VISIT = Protocol(min_runs=5, min_seconds=0.2, max_seconds=0.2)
"""Without a warm-up: cold runs are not the lowest."""
PROFILED_SECONDS, PROFILED_RUNS = 0.15, (4, 100)


def clock_network(name: str, graph: Graph, folder: Path, *, protocol: Protocol = VISIT) -> Clocked:
    """Visits the network, with random weights, in onnxruntime on one thread; `folder` holds its file meanwhile.

    In processor time: the same as the wall's on an idle machine, and what other programs take away does not count.
    """
    path, clock = folder / "network.onnx", time.thread_time_ns
    path.write_bytes(to_onnx(graph).SerializeToString())
    latency_ms = min(sample(OnnxRuntime.load(path, 1), protocol, clock)) / MS
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

    The profiler's own cost is in each once, also where the runtime executes several nodes for it: no node takes less.
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
    fastest = {name: _fastest(own[2:]) for name, own in times.items()}
    cost, kernels = min(fastest.values(), default=0.0), dict[int, float]()
    for name, kernel in kernels_of(list(times)).items():
        kernels[kernel] = kernels.get(kernel, cost) + fastest[name] - cost
    return kernels


def kernels_of(nodes: Sequence[str]) -> Mapping[str, int]:
    """The kernel that each node belongs to, of nodes in the order of execution.

    onnxruntime names what it executes after the last operator that it fused, and that one after its kernel. What it
    lays out anew, before and after a kernel that does not take its blocks of channels, counts with that kernel.
    """
    owners = {name: int(found[1]) for name in nodes if (found := re.match(r"(?:fused )?k(\d+)\.", name))}
    kernel = 0
    for order, added in ((nodes, "ReorderInput"), (nodes[::-1], "ReorderOutput")):
        for name in order:
            kernel = owners.get(name, kernel)
            if name.startswith(added):
                owners[name] = kernel
    return owners


def _fastest(times: Sequence[float]) -> float:
    """Mean of the fastest tenth, of several since the profiler counts whole microseconds."""
    ordered = sorted(times)[: -(-len(times) // 10)]
    return sum(ordered) / len(ordered)
