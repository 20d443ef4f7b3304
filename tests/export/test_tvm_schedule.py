from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import tvm
from torch import nn
from tvm import relax

from edgetune.export.agreement import compare_logits, torch_logits_of
from edgetune.export.onnx_file import export_onnx
from edgetune.export.tvm_kernel import read_kernel
from edgetune.export.tvm_layout import channels_last
from edgetune.export.tvm_library import compile_tvm, host_target, import_onnx, tvm_logits_of
from edgetune.export.tvm_schedule import Registers, default_tile, schedule_kernel, tiles

NEON, AVX512 = Registers(lanes=4, count=32), Registers(lanes=16, count=32)


def kernels(source: Path) -> list:
    fused = relax.get_pipeline("zero")(channels_last(import_onnx(source)))
    functions = [
        f.with_attr("global_symbol", "main") for _, f in fused.functions_items() if isinstance(f, tvm.tirx.PrimFunc)
    ]
    return [kernel for kernel in map(read_kernel, functions) if kernel]


@pytest.fixture(scope="module")
def network_kernels(hswish_onnx: Path) -> list:
    return kernels(hswish_onnx)


def test_activation_bias_and_residual_are_part_of_the_convolution(hswish_onnx: Path, network_kernels: list) -> None:
    fused = relax.get_pipeline("zero")(channels_last(import_onnx(hswish_onnx)))
    names = [name.name_hint for name, f in fused.functions_items() if isinstance(f, tvm.tirx.PrimFunc)]
    # The only function without a reduction is the normalisation.
    assert len(names) == len(network_kernels) + 1
    assert any("subtract" in name for name in names)


def test_multiply_accumulates_are_those_of_the_graph(hswish_onnx: Path, network_kernels: list) -> None:
    from edgetune.latency.from_onnx import read_onnx

    module = import_onnx(hswish_onnx)
    called = relax.get_pipeline("zero")(channels_last(module))
    calls = [binding.value.args[0].name_hint for block in called["main"].body.blocks for binding in block.bindings
             if isinstance(binding.value, relax.Call) and binding.value.op.name == "relax.call_tir"]  # fmt: skip
    macs = {name.name_hint: read_kernel(f.with_attr("global_symbol", "main"))
            for name, f in called.functions_items() if isinstance(f, tvm.tirx.PrimFunc)}  # fmt: skip
    convolutions = [macs[name] for name in calls if macs[name] and "mean" not in name]
    assert sum(kernel.macs for kernel in convolutions) == read_onnx(hswish_onnx).macs


@pytest.mark.parametrize("registers", [NEON, AVX512], ids=["neon", "avx512"])
def test_tiles_divide_the_output_and_fit_the_registers(network_kernels: list, registers: Registers) -> None:
    for kernel in network_kernels:
        height, width, channels = kernel.shape
        choices = list(tiles(kernel, registers))
        assert default_tile(kernel, registers) in choices
        for tile in choices:
            assert height % tile.rows == width % tile.columns == channels % (tile.vectors * tile.lanes) == 0
            assert tile.rows * tile.columns * tile.vectors < registers.count
            assert tile.lanes <= registers.lanes or tile.lanes == channels


def test_every_tile_gives_the_same_numbers(network_kernels: list) -> None:
    rng = np.random.default_rng(0)
    kernel = max(network_kernels, key=lambda kernel: kernel.macs)
    arguments = [rng.normal(size=[int(n) for n in p.shape]).astype(np.float32) for p in kernel.function.params]

    def result(function) -> np.ndarray:
        tensors = [tvm.runtime.tensor(values) for values in arguments]
        tvm.compile(function, target="llvm")["main"](*tensors)
        return tensors[-1].numpy()

    expected = result(kernel.function)
    for tile in list(tiles(kernel, NEON))[::7]:
        np.testing.assert_allclose(
            result(schedule_kernel(kernel, tile)), expected, rtol=1e-4, atol=1e-4, err_msg=str(tile)
        )


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


def test_the_default_tile_keeps_eight_sums_where_the_output_allows(network_kernels: list) -> None:
    for kernel in network_kernels:
        tile = default_tile(kernel, AVX512)
        _, width, channels = kernel.shape
        if width * channels // 16 >= 8 and len(kernel.reduction) == 3 and channels % 16 == 0:
            assert tile.rows * tile.columns * tile.vectors >= 4, (kernel.shape, tile)
