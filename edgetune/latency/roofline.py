"""Where a network's kernels stand below a board's ceilings: the roofline model (Williams 2009)."""

from __future__ import annotations

from dataclasses import dataclass

from edgetune.latency.graph import Graph
from edgetune.latency.predictor import Predictor


@dataclass(frozen=True)
class RooflinePoint:
    """One kernel.

    Attributes
    ----------
    intensity
        Multiply-accumulates for each byte that is read or written once: input, weights, output.
    gmacs_per_s
        Achieved by the predicted latency, 10⁹ multiply-accumulates a second.
    share
        Of the network's latency.
    """

    name: str
    kind: str
    macs: int
    bytes: int
    intensity: float
    latency_ms: float
    gmacs_per_s: float
    share: float


@dataclass(frozen=True)
class Roofline:
    """A board's ceilings in one setting by its data sheet, and the kernels below them, in the order of execution.

    Attributes
    ----------
    peak_gmacs_per_s
        The flat ceiling, 10⁹ multiply-accumulates a second.
    stream_gb_per_s
        The sloping ceiling: main memory's bandwidth, 10⁹ bytes a second. Kernels that live in caches may stand above.
    ridge
        Multiply-accumulates a byte where the two meet.
    """

    network: str
    device: str
    setting: str
    kind: str
    peak_gmacs_per_s: float
    stream_gb_per_s: float
    ridge: float
    points: tuple[RooflinePoint, ...]

    def ceiling(self, intensity: float) -> float:
        """The most that a kernel of this intensity can reach from main memory, 10⁹ multiply-accumulates a second."""
        return min(self.peak_gmacs_per_s, intensity * self.stream_gb_per_s)


def roofline(graph: Graph, predictor: Predictor) -> Roofline:
    """The kernels that multiply, by their predicted latencies; see :class:`Roofline`."""
    setting, profile = predictor.setting, predictor.profile
    prediction = predictor.predict(graph)
    costs = prediction.kernels[1:]  # the first is the runtime's own overhead
    element = predictor.machine.element_bytes
    points = []
    for kernel, cost in zip(graph.kernels, costs, strict=True):
        if kernel.macs:
            moved = element * (kernel.read + kernel.weights + kernel.written)
            points.append(
                RooflinePoint(
                    name=kernel.name,
                    kind=kernel.kind,
                    macs=kernel.macs,
                    bytes=moved,
                    intensity=kernel.macs / moved,
                    latency_ms=cost.latency_ms,
                    gmacs_per_s=kernel.macs / 1e6 / cost.latency_ms,
                    share=cost.share,
                )
            )
    peak = predictor.machine.macs_per_ms / 1e6
    stream = profile.memory.stream_gb_per_s
    return Roofline(
        network=graph.name,
        device=profile.name,
        setting=setting.label,
        kind=prediction.kind,
        peak_gmacs_per_s=peak,
        stream_gb_per_s=stream,
        ridge=peak / stream,
        points=tuple(points),
    )
