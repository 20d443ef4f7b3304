"""What a predictor says about one network on one board."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

ResultKind = Literal["measured", "calibrated", "simulated", "uncalibrated", "emulated"]


@dataclass(frozen=True)
class KernelCost:
    """One kernel's part in a latency."""

    name: str
    kind: str
    output: tuple[int, int, int]
    macs: int
    latency_ms: float
    share: float


@dataclass(frozen=True)
class Prediction:
    """A latency in milliseconds, one picture at a time, and what it speaks of.

    Attributes
    ----------
    interval_ms
        Lower and upper end of the interval that holds the measured mean with a probability of 90 %.
    kind
        How the figure was obtained; figures of different kinds are never mixed in one column.
    kernels
        In the order of execution.
    """

    network: str
    latency_ms: float
    interval_ms: tuple[float, float]
    kind: ResultKind
    device: str
    runtime: str
    runtime_version: str
    precision: str
    threads: int
    cpu_mhz: int
    kernels: tuple[KernelCost, ...] = ()
    warnings: tuple[str, ...] = ()

    def costliest(self, count: int = 10) -> list[KernelCost]:
        return sorted(self.kernels, key=lambda kernel: -kernel.latency_ms)[:count]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        low, high = self.interval_ms
        return (
            f"{self.latency_ms:.3g} ms ({low:.3g} to {high:.3g} ms, 90 %), {self.kind}: {self.device}, "
            f"{self.runtime} {self.runtime_version}, {self.precision}, {self.threads} threads, {self.cpu_mhz} MHz"
        )
