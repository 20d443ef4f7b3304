"""What the physics leaves over, kernel by kernel, where single kernels were clocked.

A Gaussian process (Rasmussen and Williams 2006) for each kind of kernel on the logarithm of its shape: a slow term for
whole paths of a runtime, such as channels that don't fill its vectors, and a fast one for blocks and caches. It
corrects a kernel's features before the cost model adds them up, so latencies stay sums over kernels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log2

import numpy as np
from numpy.typing import NDArray

from edgetune.latency.farthest import farthest
from edgetune.latency.graph import Kernel

Array = NDArray[np.float64]

SLOW, FAST = (0.6, 5.0), (0.15, 2.0)
"""Spread of the logarithm, and length in the units of :func:`describe` (octaves)."""
NOISE = 0.1
MOST = 300
"""Anchors a kind: the farthest apart are kept."""
GATES = {None: 0.0, "relu": 0.4, "relu6": 0.6, "hsigmoid": 2.4, "sigmoid": 3.6, "hswish": 4.8, "swish": 6.4}
"""Where activations lie on a line, alike ones near each other."""
VECTORS = (4, 8, 16)


def describe(kernel: Kernel) -> list[float]:
    """A kernel's shape as a point: octaves of its sizes, and how its channels divide by vector widths."""
    k = kernel
    channels, width, pixels = k.input[0], k.output[0], k.output[1] * k.output[2]
    ragged = [1.5 * (c % v > 0) for c in (channels, width) for v in VECTORS]
    return [
        log2(channels),
        log2(width),
        log2(pixels),
        2 * log2(k.kernel[0]),
        2 * log2(k.stride[0]),
        0.0 if k.kind == "depthwise" else 2 * log2(k.groups),
        GATES.get(k.activation, 6.4),
        float(len(k.inputs)),
        *ragged,
    ]


def points_of(kernels: Sequence[Kernel]) -> Array:
    """Shape (kernels, dimensions)."""
    return np.array([describe(kernel) for kernel in kernels], dtype=np.float64)


def similarity(a: Array, b: Array) -> Array:
    """Prior covariance of two sets of points, shape (a, b)."""
    distance = np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T, 0)
    covariance: Array = sum(s**2 * np.exp(-distance / (2 * length**2)) for s, length in (SLOW, FAST))
    return covariance


@dataclass(frozen=True)
class KernelResidual:
    """For each kind its anchors (anchors, dimensions) and their coefficients (anchors,)."""

    anchors: Mapping[str, Array]
    coefficients: Mapping[str, Array]

    @classmethod
    def fit(cls, kernels: Sequence[Kernel], error: Array, noise: Array) -> KernelResidual:
        """`error` is the logarithm of clocked over modelled time, `noise` its spread, both of shape (kernels,)."""
        anchors: dict[str, Array] = {}
        coefficients: dict[str, Array] = {}
        for kind in dict.fromkeys(kernel.kind for kernel in kernels):
            chosen = [i for i, kernel in enumerate(kernels) if kernel.kind == kind]
            points = points_of([kernels[i] for i in chosen])
            points, means, spreads = _merge(points, error[chosen], np.hypot(noise[chosen], NOISE))
            kept = farthest(points, MOST)
            covariance = similarity(points[kept], points[kept]) + np.diag(spreads[kept] ** 2)
            anchors[kind] = points[kept]
            coefficients[kind] = np.linalg.solve(covariance, means[kept]).astype(np.float64)
        return cls(anchors, coefficients)

    def __call__(self, kernels: Sequence[Kernel]) -> Array:
        """The factor on each kernel's time, shape (kernels,)."""
        correction = np.zeros(len(kernels))
        points = points_of(kernels)
        kinds = np.array([kernel.kind for kernel in kernels])
        for kind, anchors in self.anchors.items():
            chosen = kinds == kind
            if chosen.any():
                correction[chosen] = similarity(points[chosen], anchors) @ self.coefficients[kind]
        factors: Array = np.exp(correction)
        return factors


def _merge(points: Array, error: Array, noise: Array) -> tuple[Array, Array, Array]:
    """Equal points once, with the weighted mean of their errors; what repeats agrees no better than :data:`NOISE`."""
    unique, index = np.unique(points, axis=0, return_inverse=True)
    weight = noise**-2.0
    total = np.bincount(index.ravel(), weight)
    means = np.bincount(index.ravel(), weight * error) / total
    return unique, means, np.maximum(total**-0.5, NOISE / 2)
