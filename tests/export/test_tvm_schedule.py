from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import tvm
from torch import nn
from tvm import relax

from edgetune.export.agreement import compare_logits, torch_logits_of
from edgetune.export.onnx_file import export_onnx
from edgetune.export.tvm_kernel import Kernel, read_kernel
from edgetune.export.tvm_layout import channels_last
from edgetune.export.tvm_library import compile_tvm, fused_kernels, host_target, import_onnx, tvm_logits_of
from edgetune.export.tvm_schedule import packs, schedule_kernel
from edgetune.export.tvm_tile import PADDED_BYTES, Registers, chosen_tile, default_tile, tiles
from edgetune.export.tvm_weights import in_panels

NEON, AVX512 = Registers(lanes=4, count=32), Registers(lanes=16, count=32)


def kernels(source: Path) -> list[Kernel]:
    fused = relax.get_pipeline("zero")(channels_last(import_onnx(source)))
    functions = [
        f.with_attr("global_symbol", "main") for _, f in fused.functions_items() if isinstance(f, tvm.tirx.PrimFunc)
    ]
    return [kernel for kernel in map(read_kernel, functions) if kernel]


@pytest.fixture(scope="module")
def network_kernels(hswish_onnx: Path) -> list[Kernel]:
    return kernels(hswish_onnx)


def test_activation_bias_and_residual_are_part_of_the_convolution(
    hswish_onnx: Path, network_kernels: list[Kernel]
) -> None:
    fused = relax.get_pipeline("zero")(channels_last(import_onnx(hswish_onnx)))
    names = [name.name_hint for name, f in fused.functions_items() if isinstance(f, tvm.tirx.PrimFunc)]
    # The only function without a reduction is the normalisation.
    assert len(names) == len(network_kernels) + 1
    assert any("subtract" in name for name in names)


def test_multiply_accumulates_are_those_of_the_graph(hswish_onnx: Path, network_kernels: list[Kernel]) -> None:
    from edgetune.latency.from_onnx import read_onnx

    module = import_onnx(hswish_onnx)
    called = relax.get_pipeline("zero")(channels_last(module))
    calls = [binding.value.args[0].name_hint for block in called["main"].body.blocks for binding in block.bindings
             if isinstance(binding.value, relax.Call) and binding.value.op.name == "relax.call_tir"]  # fmt: skip
    macs = {name.name_hint: read_kernel(f.with_attr("global_symbol", "main"))
            for name, f in called.functions_items() if isinstance(f, tvm.tirx.PrimFunc)}  # fmt: skip
    convolutions = [kernel for name in calls if (kernel := macs[name]) and "mean" not in name]
    assert sum(kernel.macs for kernel in convolutions) == read_onnx(hswish_onnx).macs


@pytest.mark.parametrize("registers", [NEON, AVX512], ids=["neon", "avx512"])
def test_tiles_divide_the_output_and_fit_the_registers(network_kernels: list[Kernel], registers: Registers) -> None:
    for kernel in network_kernels:
        height, width, channels = kernel.shape
        choices = list(tiles(kernel, registers))
        assert default_tile(kernel, registers) in choices
        for tile in choices:
            assert height % tile.rows == width % tile.columns == channels % (tile.vectors * tile.lanes) == 0
            assert tile.rows * tile.columns * tile.vectors < registers.count
            assert tile.lanes <= registers.lanes or tile.lanes == channels


@pytest.mark.parametrize("kind", ["full", "depthwise", "pointwise"])
def test_every_tile_gives_the_same_numbers(network_kernels: list[Kernel], kind: str) -> None:
    """With padding in bands and as a whole, with weights in panels and as they are."""
    rng = np.random.default_rng(0)
    wanted = {"full": (3, 3, 8), "depthwise": (5, 5, 1), "pointwise": (1, 1, 24)}[kind]
    kernel = next(kernel for kernel in network_kernels if kernel.reduction == wanted)
    kernel = replace(kernel, packable=True)
    arguments = [rng.normal(size=[int(n) for n in p.shape]).astype(np.float32) for p in kernel.function.params]

    def result(function: tvm.tirx.PrimFunc, weights: np.ndarray) -> np.ndarray:
        tensors = [tvm.runtime.tensor(values) for values in (arguments[0], weights, *arguments[2:])]
        tvm.compile(function, target="llvm")["main"](*tensors)
        return tensors[-1].numpy()

    expected = result(kernel.function, arguments[1])
    choices = list(tiles(kernel, NEON))
    for tile in [choices[i] for i in rng.choice(len(choices), size=min(12, len(choices)), replace=False)]:
        weights = in_panels(arguments[1], tile.vectors * tile.lanes) if packs(kernel, tile) else arguments[1]
        actual = result(schedule_kernel(kernel, tile), weights)
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4, err_msg=str(tile))


def test_a_tuned_tile_is_taken_where_it_fits(network_kernels: list[Kernel]) -> None:
    kernel = max(network_kernels, key=lambda kernel: kernel.macs)
    other = next(tile for tile in tiles(kernel, NEON) if tile != default_tile(kernel, NEON))
    assert chosen_tile(kernel, NEON, {kernel.key: other}) == other
    for unfit in ({kernel.key: replace(other, columns=1000)}, {"another": other}, {}):
        assert chosen_tile(kernel, NEON, unfit) == default_tile(kernel, NEON)


def test_padding_is_made_in_bands_that_fit_the_cache(network_kernels: list[Kernel]) -> None:
    kernel = max((k for k in network_kernels if k.padding), key=lambda k: k.padded_bytes(k.shape[0]))
    a_row = 4 * np.prod(kernel.padded[1:])
    assert 0 <= 4 * np.prod(kernel.padded) - kernel.padded_bytes(kernel.shape[0]) <= a_row  # a stride may skip the last
    assert default_tile(kernel, NEON).band == 0
    wide = replace(kernel, padded=(kernel.padded[0], 100 * kernel.padded[1], kernel.padded[2]))
    band = default_tile(wide, NEON).band
    assert band == max((b for b in range(1, band + 1) if wide.padded_bytes(b) <= PADDED_BYTES), default=1)
    assert 0 < band < kernel.shape[0]


def test_relu6_is_part_of_its_convolution(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU6(), nn.Conv2d(8, 8, 3, 1, 1, groups=8), nn.ReLU6())
    export_onnx(module, tmp_path / "relu6.onnx", channels=3, resolution=16, metadata={})
    names = [name.name_hint for name in fused_kernels(tmp_path / "relu6.onnx").get_global_vars()]
    fused = [name for name in names if "conv2d" in name]
    assert len(fused) == 2
    assert all("maximum" in name and "minimum" in name for name in fused)


class Odd(nn.Module):
    """Sizes that no vector length divides, a dilation, groups, max pooling, a branch, a softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 5, 3, 2, 1)
        self.grouped = nn.Conv2d(5, 10, (1, 3), groups=5, padding=(0, 1), dilation=(1, 1))
        self.dilated = nn.Conv2d(10, 6, 3, dilation=2, padding=2)
        self.strided = nn.Conv2d(10, 6, 1, 2)
        self.last = nn.Linear(6, 7)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.grouped(nn.functional.hardswish(self.stem(pixels / 255))))
        x = nn.functional.max_pool2d(self.dilated(x), 3, 2, 1) * torch.sigmoid(self.strided(x))
        return torch.log_softmax(self.last(x.mean((2, 3))), 1)


def test_odd_networks_compile_too(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = Odd().eval()
    export_onnx(module, tmp_path / "odd.onnx", channels=3, resolution=19, metadata={})
    compile_tvm(tmp_path / "odd.onnx", tmp_path / "odd.so", tvm_target=host_target())
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3, 19, 19)).astype(np.float32)
    expected = torch_logits_of(module, pixels)
    compare_logits(expected, tvm_logits_of(tmp_path / "odd.so", pixels)).require("odd.so", tolerance=1e-5)


def test_the_default_tile_keeps_eight_sums_where_the_output_allows(network_kernels: list[Kernel]) -> None:
    for kernel in network_kernels:
        tile = default_tile(kernel, AVX512)
        _, width, channels = kernel.shape
        if width * channels // 16 >= 8 and len(kernel.reduction) == 3 and channels % 16 == 0:
            assert tile.rows * tile.columns * tile.vectors >= 4, (kernel.shape, tile)
