"""A network as a list of kernels: what a runtime executes in one go, such as a convolution with its activation."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Literal, TypeAlias

Shape: TypeAlias = tuple[int, int, int]
"""Channels, height, width; the batch is 1. Vectors are (features, 1, 1), token sequences (features, tokens, 1)."""

Kind = Literal[
    "conv", "depthwise", "pointwise", "linear", "matmul", "pool", "global-pool",
    "add", "multiply", "activation", "softmax", "copy", "unknown",
]  # fmt: skip
Precision = Literal["fp32", "fp16", "int8"]

BYTES: dict[Precision, int] = {"fp32": 4, "fp16": 2, "int8": 1}


@dataclass(frozen=True, slots=True)
class Kernel:
    """One kernel.

    `inputs` are the positions of the kernels that produce its activations, −1 the network's input; `read` and
    `written` count activation elements, `weights` weight and bias elements. Names don't take part in comparisons.
    """

    name: str = field(compare=False)
    kind: Kind
    inputs: tuple[int, ...]
    input: Shape
    output: Shape
    read: int
    written: int
    weights: int = 0
    macs: int = 0
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    groups: int = 1
    activation: str | None = None


@dataclass(frozen=True)
class Graph:
    """A network for one picture: its kernels in the order of execution."""

    name: str = field(compare=False)
    input: Shape
    kernels: tuple[Kernel, ...]
    notes: tuple[str, ...] = field(default=(), compare=False)
    """What a reader of the file could not tell for sure, one sentence each."""
    precision: Precision = field(default="fp32", compare=False)
    """Of the file it was read from."""

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates of convolutions, linear layers and matrix products, as papers count them."""
        return sum(kernel.macs for kernel in self.kernels)

    @cached_property
    def parameters(self) -> int:
        """Weights and biases with BatchNorm folded into its convolution."""
        return sum(kernel.weights for kernel in self.kernels)

    def weight_bytes(self, precision: Precision) -> int:
        return self.parameters * BYTES[precision]

    def peak_memory_bytes(self, precision: Precision) -> int:
        """The largest sum of activations alive at one time, weights not included.

        A tensor lives from the kernel that writes it until its last reader has run; nothing is computed in place.
        """
        return self._peak_elements * BYTES[precision]

    @cached_property
    def _peak_elements(self) -> int:
        last_use = {i: i for i in range(-1, len(self.kernels))}
        for i, kernel in enumerate(self.kernels):
            for producer in kernel.inputs:
                last_use[producer] = i
        live = {-1: prod(self.input)}
        peak = live[-1]
        for i, kernel in enumerate(self.kernels):
            live[i] = kernel.written
            peak = max(peak, sum(live.values()))
            live = {tensor: size for tensor, size in live.items() if last_use[tensor] > i}
        return peak
