from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tvm
from hypothesis import given
from hypothesis import strategies as st

from edgetune.export.tvm_library import fused_kernels
from edgetune.export.tvm_schedule import kernels_of, schedule_module
from edgetune.export.tvm_tile import Registers
from edgetune.export.tvm_weights import WEIGHTS, calls_of, in_panels, with_constant_weights


@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 8), st.integers(1, 3))
def test_a_panel_holds_its_channels_one_after_the_other(panels: int, panel: int, inputs: int, kernel: int) -> None:
    weights = np.arange(kernel * kernel * inputs * panels * panel).reshape(kernel, kernel, inputs, panels * panel)
    packed = in_panels(weights, panel)
    assert packed.shape == (panels, kernel, kernel, inputs, panel)
    assert packed.flags.c_contiguous
    for number in range(panels):
        np.testing.assert_array_equal(packed[number], weights[..., number * panel : (number + 1) * panel])


@pytest.fixture(scope="module")
def module(hswish_onnx: Path) -> tvm.IRModule:
    return fused_kernels(hswish_onnx)


def test_every_convolution_of_a_network_has_constant_weights(module: tvm.IRModule) -> None:
    constant = with_constant_weights(module)
    assert {name for name in calls_of(module) if "conv2d" in name or "matmul" in name} <= constant
    assert not any(name.startswith("mean") for name in constant)


def test_packed_functions_take_packed_constants(module: tvm.IRModule) -> None:
    scheduled = schedule_module(module, Registers(lanes=4, count=32))
    names = {name.name_hint for name in scheduled.get_global_vars()}
    packed = {name for name in names if name.endswith("_packed")}
    assert packed
    assert not packed & {name.removesuffix("_packed") for name in packed}
    assert calls_of(scheduled).keys() <= names
    for name, (function, _) in kernels_of(scheduled).items():
        if name.name_hint in packed:
            assert len(function.params[WEIGHTS].shape) in (3, 5)
