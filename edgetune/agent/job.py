"""One measurement in a process of its own: `python -m edgetune.agent.job`, which :mod:`edgetune.agent.measure` starts.

The request is a line of JSON on standard input, the answer one on standard output. The process ends when standard input
does, so that it never outlives who asked. It limits itself before it reads a byte of the model.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgetune.agent import yardstick
from edgetune.agent.board import ProcessorTimes
from edgetune.agent.cores import bind
from edgetune.agent.measurement import Job
from edgetune.agent.model_check import check_onnx
from edgetune.agent.outputs import outputs_of
from edgetune.agent.runtimes import OnnxRuntime, find_runtime
from edgetune.agent.timing import Protocol, time_runs
from edgetune.errors import EdgetuneError, MissingDependencyError, ModelFileError

LARGEST_OUTPUT = 2**20
MOST_FILES = 64
OUT_OF_MEMORY = ("bad_alloc", "allocate", "MemoryError")


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is not an answer
    request = json.loads(sys.stdin.readline())
    _limit(request["limits"])
    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    try:
        answer: dict[str, Any] = {"job": asdict(_measure(request))}
    except EdgetuneError as error:
        answer = {"error": {"code": _code(error), "message": error.what, "mend": error.mend}}
    except Exception as error:  # whatever a runtime throws costs this job alone
        answer = {"error": _problem(f"{type(error).__name__}: {str(error).strip()}"[:1000])}
    json.dump(answer, answers)
    answers.flush()
    os._exit(0)  # runtimes' threads may hang in their destructors


def _limit(limits: Mapping[str, Any]) -> None:
    seconds = int(limits["seconds"] * (os.cpu_count() or 1)) + 1
    for what, most in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, LARGEST_OUTPUT),
        (resource.RLIMIT_NOFILE, MOST_FILES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, int(limits["memory_bytes"])),
    ):
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))


def _end_with_standard_input() -> None:
    os.read(0, 1)
    os._exit(1)


def _measure(request: Mapping[str, Any]) -> Job:
    model, threads = Path(request["model"]), request["threads"]
    runtime = find_runtime(request["runtime"])
    version = runtime.version()
    precision = check_onnx(model) if runtime is OnnxRuntime else request["precision"]
    cores = bind(threads)
    __import__(runtime.module)
    memory = _peak_memory()
    start = time.perf_counter()
    run = runtime.load(model, threads, request["input_shape"])
    load_ms = 1e3 * (time.perf_counter() - start)
    fast = yardstick.clock()
    before, began = ProcessorTimes.read(time.process_time), time.perf_counter()
    timing = time_runs(run, Protocol(**request["protocol"]))
    after, seconds = ProcessorTimes.read(time.process_time), time.perf_counter() - began
    peak = _peak_memory()
    return Job(
        timing=timing,
        runtime=runtime.name,
        runtime_version=version,
        precision=precision,
        threads=threads,
        load_ms=load_ms,
        peak_memory_bytes=peak,
        network_memory_bytes=peak - memory,
        others_load=after.others_since(before, seconds),
        stolen=(after.stolen - before.stolen) / seconds,
        waited=max(0.0, 1 - (after.own - before.own) / seconds) if threads == 1 else None,
        yardstick_ms=max(fast, yardstick.clock()),
        cores=cores,
        outputs=outputs_of(run, Path(request["pictures"])) if request["pictures"] else (),
    )


def _peak_memory() -> int:
    """Bytes. Not `getrusage`, whose peak includes that of the parent before this program began."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _problem(words: str) -> dict[str, str | None]:
    if not any(word in words for word in OUT_OF_MEMORY):
        return {"code": "model_failed", "message": words, "mend": None}
    message = f"it asked for more memory than it may use: {words}"
    mend = "a smaller model, or an agent that was started with a larger --max-memory"
    return {"code": "out_of_memory", "message": message, "mend": mend}


def _code(error: EdgetuneError) -> str:
    if isinstance(error, ModelFileError):
        return "model_refused"
    return "runtime_missing" if isinstance(error, MissingDependencyError) else "model_failed"


if __name__ == "__main__":
    main()
