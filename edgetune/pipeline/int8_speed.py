"""Whether INT8 pays on the board: as predicted for it, or as clocked where this machine is one of its kind."""

from __future__ import annotations

import platform
from dataclasses import dataclass

from edgetune.export.int8 import Quantised
from edgetune.latency.predictor import Predictor
from edgetune.latency.setting import runtime_label
from edgetune.pipeline.task import Task
from edgetune.space.parameters import Sample


@dataclass(frozen=True)
class Int8Speed:
    """How many times as fast as float32, and where that is from."""

    times: float
    words: str


def int8_speed(task: Task, sample: Sample, runtime: str, quantised: Quantised) -> Int8Speed:
    """Of a network on the task's board, in a runtime.

    What was clocked here says little of another architecture: x86 without VNNI runs INT8 at two thirds of float32's
    speed, ARM at up to three times. A prediction is of kind `calibrated` where the board's profile knows the runtime in
    both precisions, else `uncalibrated`, from all boards; the words say which.
    """
    profile, threads = task.predictor.profile, task.predictor.setting.threads
    if profile.target.triple.startswith(platform.machine()):
        return Int8Speed(quantised.speedup, quantised.spoken)
    exact, rounded = (
        Predictor.load(str(profile.folder), runtime=runtime, precision=precision, threads=threads)
        for precision in ("fp32", "int8")
    )
    graph = task.graph(sample)
    times = exact.predict(graph).latency_ms / rounded.predict(graph).latency_ms
    kind = rounded.kind if exact.kind == "calibrated" else exact.kind
    where = f"{profile.name}, {runtime_label(runtime, rounded.setting.version)}, {threads} threads, {kind}"
    return Int8Speed(times, f"predicted {times:.2f} times the speed of float32 ({where}); {quantised.spoken}")
