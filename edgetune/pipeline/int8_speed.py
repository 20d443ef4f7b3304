"""Whether INT8 pays on the board: as clocked there, or here where this machine is one of its kind, or as predicted."""

from __future__ import annotations

import platform
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from edgetune.agent.measure import Request
from edgetune.agent.pool import measure_on
from edgetune.agent.registry import find_agents
from edgetune.errors import AgentError
from edgetune.export.int8 import Quantised
from edgetune.latency.predictor import Predictor
from edgetune.latency.setting import runtime_label
from edgetune.pipeline.measured import teaches
from edgetune.pipeline.task import Task
from edgetune.reporter import Say
from edgetune.space.parameters import Sample


@dataclass(frozen=True)
class Int8Speed:
    """How many times as fast as float32, and where that is from."""

    times: float
    words: str


def int8_speed(task: Task, sample: Sample, runtime: str, quantised: Quantised) -> Int8Speed:
    """Of a network on the task's board, in a runtime.

    What was clocked on the board decides where an agent was at hand. What was clocked here says little of another
    architecture: x86 without VNNI runs INT8 at two thirds of float32's speed, ARM at up to three times. A
    prediction is of kind `calibrated` where the board's profile knows the runtime in both precisions, else
    `uncalibrated`, from all boards; the words say which.
    """
    if quantised.board_speedup is not None:
        words = f"{quantised.board_speedup:.2f} times the speed of float32 ({quantised.board_clocked})"
        return Int8Speed(quantised.board_speedup, f"{words}; {quantised.spoken}")
    profile, setting = task.predictor.profile, task.predictor.setting
    if profile.target.triple.startswith(platform.machine()):
        return Int8Speed(quantised.speedup, quantised.spoken)
    load = partial(Predictor.load, str(profile.folder), threads=setting.threads, cpu_mhz=setting.cpu_mhz)
    exact, rounded = (load(runtime=runtime, precision=precision) for precision in ("fp32", "int8"))
    graph = task.graph(sample)
    times = exact.predict(graph).latency_ms / rounded.predict(graph).latency_ms
    kind = rounded.kind if exact.kind == "calibrated" else exact.kind
    where = f"{profile.name}, {runtime_label(runtime, rounded.setting.version)}, {setting.threads} threads, {kind}"
    return Int8Speed(times, f"predicted {times:.2f} times the speed of float32 ({where}); {quantised.spoken}")


def clocked_on_board(task: Task, exact: Path, rounded: Path, quantised: Quantised, say: Say) -> Quantised:
    """With what a board of the search's agents made of both ONNX files.

    Without, after a warning, where no board can be reached or none was undisturbed.
    """
    if not task.config.agent:
        return quantised
    profile, threads = task.predictor.profile, task.predictor.setting.threads
    try:
        results = measure_on(find_agents(task.config.agent), [exact, rounded], Request(threads=threads), say=say)
    except AgentError as error:
        say(f"warning: INT8 was not clocked on a board: {error}")
        return quantised
    for name, slow in results.measurements[exact].items():
        fast = results.measurements[rounded].get(name)
        if fast and teaches(slow, profile) and teaches(fast, profile):
            where = f"measured on {name}, {slow.job.runtime} {slow.job.runtime_version}, {threads} threads"
            return replace(quantised, board_speedup=slow.latency_ms / fast.latency_ms, board_clocked=where)
    say("warning: no board clocked INT8 undisturbed, so that a prediction decides on it")
    return quantised
