"""How much memory onnxruntime sets aside for the activations of one inference, predicted from the graph.

onnxruntime records the order in which tensors come and go during the first inference and lays them out in one block
(`MemPatternPlanner`): each tensor goes into the smallest gap that holds it, or behind the last. The block is larger
than the largest sum of tensors alive at one time (:meth:`Graph.peak_memory_bytes`) where gaps do not fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from edgetune.latency.graph import BYTES, Graph

ALIGNMENT = 64
WORKSPACE = 128 * 128 * BYTES["fp32"]
"""Where a convolution larger than 1 × 1 unfolds its input, strip by strip."""
UNFUSED = ("hswish",)
"""Activations that onnxruntime computes in two steps of their own, a gate and a product, neither of them in place."""

Tensor: TypeAlias = tuple[int, str]
Block: TypeAlias = tuple[int, int]
"""Offset and size in bytes."""


def onnxruntime_arena_bytes(graph: Graph) -> int:
    """Bytes of float32 activations and of the convolutions' workspace; weights, input and output are elsewhere."""
    blocks: dict[Tensor, Block] = {}
    peak = 0
    for tensor, size, dying in _steps(graph):
        blocks[tensor] = (_offset(list(blocks.values()), size), size)
        peak = max(peak, sum(blocks[tensor]))
        for dead in dying:
            blocks.pop(dead, None)
    unfolds = any(kernel.kind == "conv" for kernel in graph.kernels)
    return peak + (WORKSPACE if unfolds else 0)


def _offset(taken: list[Block], size: int) -> int:
    """The start of the smallest gap that holds `size` bytes, or the end."""
    end, best = 0, None
    for start, length in sorted(taken):
        if start - end >= size and (best is None or start - end < best[0]):
            best = (start - end, end)
        end = max(end, start + length)
    return best[1] if best else end


def _steps(graph: Graph) -> Iterator[tuple[Tensor, int, list[Tensor]]]:
    """What is written one after the other: a tensor, its bytes, and the tensors that nobody reads any more then."""
    last_use = {producer: i for i, kernel in enumerate(graph.kernels) for producer in kernel.inputs}
    for i, kernel in enumerate(graph.kernels[:-1]):  # the caller owns the output
        size = -(-kernel.written * BYTES["fp32"] // ALIGNMENT) * ALIGNMENT
        dying = [(producer, "output") for producer in kernel.inputs if last_use[producer] <= i]
        if kernel.activation in UNFUSED:
            yield (i, "before the activation"), size, dying
            yield (i, "gate"), size, []
            dying = [(i, "before the activation"), (i, "gate")]
        yield (i, "output"), size, dying
