"""The physics: how long each part of a kernel's work would take at the board's data-sheet rates.

A feature is a time in milliseconds; a cost model multiplies it by a factor (1: the data sheet holds, 3: three times
slower) that is fitted to measurements. Where nothing was measured the prior's factor and its spread stand.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from edgetune.device.profile import Profile
from edgetune.latency.graph import BYTES, Graph, Kernel, Precision
from edgetune.latency.kernel_residual import KernelResidual
from edgetune.latency.setting import Setting

PRIOR: dict[str, tuple[float, float]] = {
    # feature: (factor, spread of its logarithm)
    "network": (1.0, 1.0),  # one inference: entering the runtime, waking the threads
    "gemm.call": (1.0, 1.0),  # a convolution or linear layer: dispatch, thread synchronisation
    "depthwise.call": (1.0, 1.0),
    "elementwise.call": (1.0, 1.0),
    "pointwise.macs": (1.5, 1.0),
    "pointwise.read": (1.0, 1.0),  # packing the activations
    "pointwise.write": (1.0, 1.0),
    "first.macs": (3.0, 1.0),  # of a picture, or of fewer than 8 channels: too thin to fill a register
    "first.patches": (1.0, 1.0),  # takes up what else goes with the picture's size; MLPerf's times are from end to end
    "conv.macs": (1.5, 1.0),
    "conv3.macs": (1.0, 1.0),  # 3×3, stride 1, at least 8 channels: may run as Winograd's
    "conv.patches": (1.0, 1.0),  # im2col
    "conv.write": (1.0, 1.0),
    "weights": (1.0, 1.0),  # of convolutions on more than one pixel
    "weights.far": (1.0, 1.0),  # beyond a thread's share of the last cache
    "activations.far": (0.5, 1.0),  # the same of what a kernel reads and writes
    "depthwise3.macs": (3.0, 1.0),
    "depthwise3s2.macs": (5.0, 1.0),
    "depthwise5.macs": (5.0, 1.0),  # 5×5 and larger
    "depthwise.read": (1.0, 1.0),
    "depthwise.write": (1.0, 1.0),
    "linear.weights": (1.0, 1.0),  # one pixel: every weight is used once
    "matmul.macs": (1.5, 1.0),
    "elementwise": (1.0, 1.0),
    "hard-swish": (0.5, 1.0),  # not fused by TFLite: read and written once more
    "pool": (1.0, 1.0),
    "copy": (1.0, 1.0),
    "unknown": (2.0, 1.2),
}
FEATURES = tuple(PRIOR)
INDEX = {name: i for i, name in enumerate(FEATURES)}
PRIOR_MEAN = np.array([log(factor) for factor, _ in PRIOR.values()])
PRIOR_SPREAD = np.array([spread for _, spread in PRIOR.values()])

CALL_CYCLES = 15_000  # the unit of the overheads: 10 µs at 1.5 GHz
FUSED = (None, "relu", "relu6")


@dataclass(frozen=True)
class Machine:
    """The data sheet as far as a setting uses it; rates per millisecond. A `correction` was learned from kernels."""

    macs_per_ms: float
    bytes_per_ms: float
    near_bytes: float
    """A thread's share of the last-level cache."""
    call_ms: float
    element_bytes: int
    correction: KernelResidual | None = None


def machine_of(profile: Profile, setting: Setting) -> Machine:
    cluster = profile.cluster
    cache = 1024 * max(cluster.l2_kb, profile.l3_kb)
    precision = executed_precision(profile, setting)
    return Machine(
        macs_per_ms=profile.peak_gmacs(precision, setting.threads, setting.cpu_mhz) * 1e6,
        bytes_per_ms=profile.memory.stream_gb_per_s * 1e6,
        near_bytes=cache / min(setting.threads, cluster.cores),
        call_ms=CALL_CYCLES / (setting.cpu_mhz * 1000),
        element_bytes=BYTES[precision],
    )


def executed_precision(profile: Profile, setting: Setting) -> Precision:
    """What a network is computed in.

    ncnn takes half precision for fp32 networks where the core has its arithmetic (`Option::use_fp16_arithmetic`, on by
    default), at twice the elements a vector; where the core has none, fp16 networks are computed in fp32.
    """
    if not profile.has_half_precision:
        return "fp32" if setting.precision == "fp16" else setting.precision
    return "fp16" if (setting.runtime, setting.precision) == ("ncnn", "fp32") else setting.precision


def kernel_features(kernel: Kernel, machine: Machine) -> list[tuple[str, float]]:
    """The parts of one kernel's work and their data-sheet times in milliseconds."""
    k, m = kernel, machine
    per_element = m.element_bytes / m.bytes_per_ms

    def far(elements: float) -> float:
        return max(0.0, elements * m.element_bytes - m.near_bytes) / m.bytes_per_ms

    parts: list[tuple[str, float]] = []
    pixels = k.output[1] * k.output[2]
    if k.kind == "linear" or (k.kind == "pointwise" and pixels == 1):
        parts = [("gemm.call", m.call_ms), ("linear.weights", k.weights * per_element)]
    elif k.kind == "pointwise":
        parts = [
            ("gemm.call", m.call_ms),
            ("pointwise.macs", k.macs / m.macs_per_ms),
            ("pointwise.read", k.read * per_element),
            ("pointwise.write", k.written * per_element),
            ("weights", k.weights * per_element),
            ("weights.far", far(k.weights)),
            ("activations.far", far(k.read + k.written)),
        ]
    elif k.kind == "conv":
        picture = k.input[0] < 8
        winograd = k.kernel == (3, 3) and k.stride == (1, 1) and k.groups == 1
        patches = pixels * k.kernel[0] * k.kernel[1] * k.input[0]
        parts = [
            ("gemm.call", m.call_ms),
            ("first.macs" if picture else "conv3.macs" if winograd else "conv.macs", k.macs / m.macs_per_ms),
            ("first.patches" if picture else "conv.patches", patches * per_element),
            ("conv.write", k.written * per_element),
            ("weights", k.weights * per_element),
            ("weights.far", far(k.weights)),
            ("activations.far", far(k.read + k.written)),
        ]
    elif k.kind == "depthwise":
        size = "5" if max(k.kernel) > 3 else "3" if k.stride == (1, 1) else "3s2"
        parts = [
            ("depthwise.call", m.call_ms),
            (f"depthwise{size}.macs", k.macs / m.macs_per_ms),
            ("depthwise.read", k.read * per_element),
            ("depthwise.write", k.written * per_element),
            ("activations.far", far(k.read + k.written)),
        ]
    elif k.kind == "matmul":
        parts = [("gemm.call", m.call_ms), ("matmul.macs", k.macs / m.macs_per_ms), ("copy", k.read * per_element)]
    elif k.kind in ("pool", "global-pool"):
        parts = [("elementwise.call", m.call_ms), ("pool", k.read * per_element)]
    elif k.kind == "copy":
        parts = [("elementwise.call", m.call_ms), ("copy", (k.read + k.written) * per_element)]
    elif k.kind == "unknown":
        parts = [("elementwise.call", m.call_ms), ("unknown", (k.read + k.written) * per_element)]
    else:
        parts = [
            ("elementwise.call", m.call_ms),
            ("elementwise", (k.read + k.written) * per_element),
            ("activations.far", far(k.read + k.written)),
        ]
    if k.activation not in FUSED:
        parts.append(("hard-swish", 2 * k.written * per_element))
    return parts


def kernel_matrix(graph: Graph, machine: Machine) -> NDArray[np.float64]:
    """Shape (kernels, features)."""
    matrix = np.zeros((len(graph.kernels), len(FEATURES)))
    for row, kernel in zip(matrix, graph.kernels, strict=True):
        for name, value in kernel_features(kernel, machine):
            row[INDEX[name]] += value
    if machine.correction is not None:
        matrix *= machine.correction(graph.kernels)[:, None]
    return matrix


def graph_features(graph: Graph, machine: Machine) -> NDArray[np.float64]:
    """Shape (features,): the sum over the kernels, and the network's own overhead."""
    return summed(kernel_matrix(graph, machine), machine)


def features_of(graphs: Iterable[Graph], machine: Machine) -> NDArray[np.float64]:
    """Shape (graphs, features)."""
    return np.array([graph_features(graph, machine) for graph in graphs])


def summed(matrix: NDArray[np.float64], machine: Machine) -> NDArray[np.float64]:
    """The features of a network from those of its kernels, shape (kernels, features)."""
    vector: NDArray[np.float64] = matrix.sum(axis=0)
    vector[INDEX["network"]] = 10 * machine.call_ms
    return vector
