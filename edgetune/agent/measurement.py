"""What a measurement is, on the wire and in files: a timing, and everything that it depends on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from edgetune.agent.board import BoardInfo, BoardState
from edgetune.agent.timing import Timing

Kind = Literal["measured", "emulated"]
Mark = Literal["unsteady", "slowed", "throttled", "loaded", "power"]
MARKS: dict[Mark, str] = {
    "unsteady": "the runs differ more than the protocol allows",
    "slowed": "the processor was slower than it can be: a neighbour on the same machine, or its clock",
    "throttled": "the board held its clock back",
    "loaded": "other programs kept the processor busy",
    "power": "the power supply is too weak",
}


@dataclass(frozen=True)
class Job:
    """What the timed process saw.

    Attributes
    ----------
    load_ms
        From the file to a network that is ready to run.
    peak_memory_bytes
        The most that the process had in memory, runtime and network together.
    network_memory_bytes
        That part of it that came after the runtime was imported.
    others_load
        Cores that other processes kept busy meanwhile.
    stolen
        Cores that the host of a virtual machine gave to others meanwhile.
    waited
        The share of the time that the process did not run; None with several threads, whose times add up.
    yardstick_ms
        The slower of two clockings of :mod:`edgetune.agent.yardstick`, before and after.
    cores
        The process was bound to these; empty where it was not.
    outputs
        The network's first output for each of the host's pictures, where it sent some.
    """

    timing: Timing
    runtime: str
    runtime_version: str
    precision: str
    threads: int
    load_ms: float
    peak_memory_bytes: int
    network_memory_bytes: int
    others_load: float
    stolen: float
    waited: float | None
    yardstick_ms: float
    cores: tuple[int, ...]
    outputs: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class Measurement:
    """One network's latency on one board, and the state of the board before, during and after.

    Attributes
    ----------
    kind
        What an emulated board clocks is no latency of the board.
    marks
        Why not to trust it, after `attempts` tries; none where the agent calls it steady.
    slowdown
        How many times the best known yardstick of these cores the slower one beside this was, at least 1.
    energy_mj
        Of an inference, where the board has a sensor of its power.
    """

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    model_sha256: str
    kind: Kind
    board: BoardInfo
    job: Job
    before: BoardState
    during: tuple[BoardState, ...]
    after: BoardState
    marks: tuple[Mark, ...] = ()
    attempts: int = 1
    slowdown: float = 1.0
    energy_mj: float | None = None

    @property
    def latency_ms(self) -> float:
        """The median."""
        return self.job.timing.p50_ms

    @property
    def steady(self) -> bool:
        return not self.marks

    @property
    def cpu_mhz(self) -> int | None:
        """The highest clock that any core had while it ran."""
        clocks = [mhz for state in (*self.during, self.after) for mhz in state.cpu_mhz]
        return max(clocks) if clocks else None

    def __str__(self) -> str:
        low, high = self.job.timing.median_interval_ms
        words = "steady" if self.steady else ", ".join(self.marks)
        threads = f"{self.job.threads} thread{'' if self.job.threads == 1 else 's'}"
        return (
            f"{self.latency_ms:.4g} ms ({low:.4g} to {high:.4g} ms, 95 % of the median), {self.kind}, {words}: "
            f"{self.job.runtime} {self.job.runtime_version}, {self.job.precision}, {threads}"
        )
