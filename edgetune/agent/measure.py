"""Measures a model on this machine: each try in a process of its own, repeated where it was disturbed, then marked."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import select
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from edgetune.agent.board import BoardState, ProcessorTimes, is_throttled, read_info, read_state
from edgetune.agent.job import LARGEST_OUTPUT, OUT_OF_MEMORY
from edgetune.agent.measurement import Job, Mark, Measurement
from edgetune.agent.timing import Protocol, Timing
from edgetune.agent.yardstick import Yardstick
from edgetune.errors import MeasurementError, ModelFileError

OTHERS_LOAD = 0.25
"""Cores that other processes may keep busy without disturbing a measurement."""
WAITED, STOLEN = 0.03, 0.02
"""The share of the time that a measurement of one thread may be kept from running, and cores that a host may take."""
SLOWDOWN = 1.02
"""Times the best known yardstick that the one beside a model may take."""
APART = 2.0  # seconds at least between two tries: what slows a machine from outside comes and goes
STATE_EVERY = 0.5  # seconds
LEFT_ALONE = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH", "LD_LIBRARY_PATH", "SYSTEMROOT")
"""What a measurement's process sees of the environment; onnxruntime and OpenMP can be steered through the rest."""


@dataclass(frozen=True)
class Limits:
    """What one try may use: seconds in all, and bytes of address space."""

    seconds: float = 180.0
    memory_bytes: int = 4 * 2**30


@dataclass(frozen=True)
class Request:
    """What to measure, and how.

    Attributes
    ----------
    attempts
        Tries in all, of which the first undisturbed one counts.
    cooldown_seconds
        The longest wait between two tries for the board to cool down and other programs to end.
    input_shape, precision
        Of the network, where its file does not say them: only for libraries and LiteRT's files.
    pictures
        A file of numpy's, float32 (N, C, H, W), at most 64: the outputs for them come with the measurement.
    """

    runtime: str = "onnxruntime"
    threads: int = 1
    protocol: Protocol = field(default_factory=Protocol)
    limits: Limits = field(default_factory=Limits)
    attempts: int = 3
    cooldown_seconds: float = 60.0
    input_shape: tuple[int, ...] | None = None
    precision: str = "fp32"
    pictures: Path | None = None


DEFAULT = Request()


def measure(
    model: Path,
    request: Request = DEFAULT,
    *,
    python: Sequence[str] = (sys.executable,),
    cancelled: threading.Event | None = None,
    yardstick: Yardstick | None = None,
) -> Measurement:
    """Measures `model` on this machine.

    Parameters
    ----------
    python
        The command that starts the measurement's own process.
    cancelled
        Ends the measurement when it is set.
    yardstick
        What this machine's processor can do, which says whether it did; without it nothing is called slowed for that.

    Raises
    ------
    ModelFileError
        There is no such file.
    MeasurementError
        The model was refused, crashed, ran out of time or memory; `code` says which.
    """
    if not model.is_file():
        raise ModelFileError("there is no such file", where=model)
    stop = cancelled or threading.Event()
    best: Measurement | None = None
    for attempt in range(1, request.attempts + 1):
        try:
            found = _try(model, request, python, stop, yardstick)
        except MeasurementError as error:
            if best is not None and error.code == "out_of_time":  # more disturbed than the one that is known
                break
            raise MeasurementError(error.what, code=error.code, where=model, mend=error.mend) from error
        best = min(filter(None, (best, found)), key=lambda m: (len(m.marks), m.latency_ms))  # disturbances only slow
        if found.steady:
            break
        if attempt < request.attempts:
            stop.wait(min(APART, request.cooldown_seconds))
            cool_down(request.cooldown_seconds, stop)
    assert best is not None
    return replace(best, attempts=attempt)


def cool_down(
    seconds: float,
    stop: threading.Event,
    *,
    disturbed: Callable[[], bool] | None = None,
) -> None:
    """Waits until the board is neither throttled nor loaded, at most so long."""
    deadline = time.monotonic() + seconds
    while (disturbed or _is_disturbed)() and time.monotonic() < deadline and not stop.is_set():
        stop.wait(min(1.0, seconds))


def _is_disturbed() -> bool:
    """Looks at the board for half a second; this thread only sleeps meanwhile."""
    before, began = ProcessorTimes.read(time.process_time), time.monotonic()
    time.sleep(STATE_EVERY)
    load = ProcessorTimes.read(time.process_time).others_since(before, time.monotonic() - began)
    return load > OTHERS_LOAD or is_throttled([read_state()])


def _try(
    model: Path, request: Request, python: Sequence[str], stop: threading.Event, yardstick: Yardstick | None
) -> Measurement:
    info = read_info()
    before = read_state()
    during: list[BoardState] = []
    with _process(python, request.threads) as (process, errors):
        answer = _ask(process, errors, _wire(model, request), request.limits.seconds, during, stop)
    job = _job(answer)
    after = read_state()
    slowdown = yardstick.slowdown(info, job.cores, job.yardstick_ms) if yardstick else 1.0
    powers = [state.power_w for state in during if state.power_w is not None]
    return Measurement(
        model_sha256=sha256_of(model),
        kind="emulated" if info.emulated else "measured",
        board=info,
        job=job,
        before=before,
        during=tuple(during),
        after=after,
        marks=tuple(_marks(job, [before, *during, after], slowdown)),
        slowdown=slowdown,
        energy_mj=statistics.mean(powers) * job.timing.mean_ms if powers else None,
    )


def _job(figures: Mapping[str, Any]) -> Job:
    timing = Timing(**{**figures["timing"], "median_interval_ms": tuple(figures["timing"]["median_interval_ms"])})
    outputs = tuple(map(tuple, figures["outputs"]))
    return Job(**{**figures, "timing": timing, "cores": tuple(figures["cores"]), "outputs": outputs})


def _marks(job: Job, states: Sequence[BoardState], slowdown: float) -> Iterator[Mark]:
    if not job.timing.steady:
        yield "unsteady"
    if slowdown > SLOWDOWN or job.stolen > STOLEN:
        yield "slowed"
    if is_throttled(states):
        yield "throttled"
    if job.others_load > OTHERS_LOAD or (job.waited or 0.0) > WAITED:
        yield "loaded"
    if any("under-voltage" in state.throttled for state in states):
        yield "power"


def _wire(model: Path, request: Request) -> bytes:
    pictures = None if request.pictures is None else str(request.pictures.resolve())
    fields: dict[str, Any] = asdict(request) | {"model": str(model.resolve()), "pictures": pictures}
    return json.dumps(fields).encode() + b"\n"


@contextlib.contextmanager
def _process(python: Sequence[str], threads: int) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The measurement's own process, and a file in memory with what it says on standard error; none outlives this."""
    environment = {name: os.environ[name] for name in LEFT_ALONE if name in os.environ}
    errors = os.memfd_create("stderr")
    process = subprocess.Popen(
        [*python, "-P", "-m", "edgetune.agent.job"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=environment | {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": "1"},
        cwd="/",
        start_new_session=True,
    )
    try:
        yield process, errors
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        os.close(errors)


def _ask(
    process: subprocess.Popen[bytes],
    errors: int,
    request: bytes,
    seconds: float,
    during: list[BoardState],
    stop: threading.Event,
) -> dict[str, Any]:
    """Sends the request and waits for the answer, looking at the board now and then."""
    assert process.stdin is not None
    assert process.stdout is not None
    deadline = time.monotonic() + seconds
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(request)
        process.stdin.flush()
    answer = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise MeasurementError(f"not done after {seconds:g} s", code="out_of_time", mend="measure a smaller model")
        if stop.is_set():
            raise MeasurementError("cancelled", code="cancelled")
        ready, _, _ = select.select([process.stdout], [], [], min(left, STATE_EVERY))
        if not ready:
            during.append(read_state())
            continue
        part = os.read(process.stdout.fileno(), 2**16)
        answer += part
        if not part or len(answer) > LARGEST_OUTPUT:
            break
    return _judge(process, errors, answer)


def _judge(process: subprocess.Popen[bytes], errors: int, answer: bytes) -> dict[str, Any]:
    """The job's figures, or an error that says how the process ended."""
    try:
        told = json.loads(answer)
    except ValueError:
        raise _death(process.wait(), os.pread(errors, 2**16, 0).decode(errors="replace")) from None
    if "error" in told:
        error = told["error"]
        raise MeasurementError(error["message"], code=error["code"], mend=error["mend"])
    figures: dict[str, Any] = told["job"]
    return figures


def _death(code: int, words: str) -> MeasurementError:
    if any(word in words for word in OUT_OF_MEMORY):
        return MeasurementError("it asked for more memory than it may use", code="out_of_memory")
    if code == -signal.SIGXCPU:
        return MeasurementError("it used up its processor time", code="out_of_time")
    how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return MeasurementError(f"its process ended: {how} {words[-500:].strip()}".rstrip(), code="crashed")


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
