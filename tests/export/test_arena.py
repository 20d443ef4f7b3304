"""The predicted arena beside onnxruntime's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgetune.export.arena import WORKSPACE, onnxruntime_arena_bytes
from edgetune.latency.from_onnx import read_onnx
from edgetune.latency.graph import Graph, Kernel
from tools.bench.memory import arena_bytes


@pytest.mark.parametrize("network", ["hswish", "relu"])
def test_it_is_what_onnxruntime_sets_aside(network: str, request: pytest.FixtureRequest) -> None:
    model: Path = request.getfixturevalue(f"{network}_onnx")
    assert onnxruntime_arena_bytes(read_onnx(model)) == pytest.approx(arena_bytes(model), rel=0.15)


def chain(*sizes: int) -> Graph:
    """Pointwise kernels one after the other that write so many elements."""
    kernels = [
        Kernel(str(i), "pointwise", (i - 1,), (1, 1, 1), (size, 1, 1), read=1, written=size)
        for i, size in enumerate(sizes)
    ]
    return Graph("chain", (1, 1, 1), tuple(kernels))


def test_a_chain_needs_its_two_largest_neighbours() -> None:
    assert onnxruntime_arena_bytes(chain(16, 32, 16, 1)) == 4 * (16 + 32)


def test_a_tensor_goes_into_a_gap_only_if_it_fits() -> None:
    # 32 lies behind 16; the 16 that is free then is too small for 48, which goes behind 32.
    assert onnxruntime_arena_bytes(chain(16, 32, 48, 1)) == 4 * (16 + 32 + 48)
    assert chain(16, 32, 48, 1).peak_memory_bytes("fp32") == 4 * (32 + 48)


def test_hard_swish_takes_three_tensors_and_a_large_kernel_a_workspace() -> None:
    first = Kernel("a", "conv", (-1,), (1, 1, 1), (16, 1, 1), read=1, written=16, kernel=(3, 3), activation="hswish")
    last = Kernel("b", "linear", (0,), (16, 1, 1), (1, 1, 1), read=16, written=1)
    assert onnxruntime_arena_bytes(Graph("g", (1, 1, 1), (first, last))) == 3 * 64 + WORKSPACE
