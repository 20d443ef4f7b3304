"""The grids of onnxruntime, asked of onnxruntime itself."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnxruntime.quantization.quant_utils import compute_scale_zp, quantize_data

from edgetune.distill.int8.grids import QUICKER, Activation, grid_of, round_weight, weight_scales

FLOAT = TensorProto.FLOAT


def through_onnxruntime(x: np.ndarray, scale: float, zero: int) -> np.ndarray:
    """QuantizeLinear, then DequantizeLinear, uint8."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"]),
    ]
    constants = [
        helper.make_tensor("scale", FLOAT, [], [scale]),
        helper.make_tensor("zero", TensorProto.UINT8, [], [zero]),
    ]
    ends = [helper.make_tensor_value_info(name, FLOAT, x.shape) for name in "xy"]
    graph = helper.make_graph(nodes, "grid", ends[:1], ends[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


@given(low=st.floats(-50, 0, width=32), high=st.floats(0, 50, width=32))
@settings(max_examples=200, deadline=None)
def test_scale_and_zero_point_are_those_of_onnxruntimes_quantiser(low: float, high: float) -> None:
    if high - low < 1e-3:
        return
    ends = np.float32(low), np.float32(high)
    zero, scale = compute_scale_zp(*map(np.array, ends), np.array(0, np.uint8), np.array(255, np.uint8))
    mine, my_zero = grid_of(*map(torch.tensor, ends))
    assert mine.numpy() == scale
    assert int(my_zero) == int(zero)


@pytest.mark.parametrize(("low", "high"), [(0.0, 6.0), (-0.3751, 5.9), (-7.3, 2.11), (-4.0, 0.0)])
def test_values_are_rounded_to_the_bit_as_onnxruntime_does(low: float, high: float) -> None:
    activation = Activation(low, high)
    scale, zero = activation.grid()
    rng = np.random.default_rng(0)
    anywhere = rng.uniform(2 * low - 1, 2 * high + 1, 100_000)
    halfway = (np.arange(-300, 300) + 0.5) * scale.numpy()  # and the nearest numbers on either side
    x = np.concatenate([anywhere, halfway, np.nextafter(halfway, 9), np.nextafter(halfway, -9)]).astype(np.float32)
    with torch.no_grad():
        mine = activation(torch.from_numpy(x)).numpy()
    np.testing.assert_array_equal(mine, through_onnxruntime(x, scale.item(), int(zero)))


def test_weights_are_rounded_per_channel_as_onnxruntimes_quantiser_does() -> None:
    weight = np.random.default_rng(0).normal(size=(6, 3, 5, 5)).astype(np.float32)
    weight *= 10.0 ** np.arange(-3, 3, dtype=np.float32).reshape(-1, 1, 1, 1)
    weight[2] = 0
    scales = weight_scales(torch.from_numpy(weight))
    rounded = round_weight(torch.from_numpy(weight), scales)
    for channel, mine, my_scale in zip(weight, rounded, scales, strict=True):
        zero, scale, levels = quantize_data(channel.flatten(), TensorProto.INT8, symmetric=True)
        assert (int(zero), scale) == (0, my_scale.numpy())
        np.testing.assert_array_equal(mine.flatten().numpy(), levels.astype(np.float32) * scale)


def test_gradients_pass_within_the_range_and_move_its_ends_beyond() -> None:
    activation = Activation(-1.0, 2.0)
    scale, _ = activation.grid()
    on_levels = [-3.0, *(scale * torch.tensor([-20.0, 0.0, 50.0])).tolist(), 5.0, 6.0]
    x = torch.tensor(on_levels, requires_grad=True)
    activation(x).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0, 1, 1, 1, 0, 0]
    size = 1 / np.sqrt(6 * 255)  # Esser 2020, section 2.2
    per_growth = activation.growth.grad / (QUICKER * size * torch.stack(activation.ends()))
    assert per_growth.tolist() == pytest.approx([1, 2], rel=1e-3)  # so many lie beyond


def test_the_step_gets_the_gradient_of_rounding() -> None:
    """Esser 2020, equation 3: within the range, what rounding adds, in steps."""
    activation = Activation(0.0, 255.0)  # a step of 1
    activation(torch.tensor([3.25, 7.4])).sum().backward()
    added = (3 - 3.25) + (7 - 7.4)
    size = 1 / np.sqrt(2 * 255)
    assert activation.growth.grad is not None
    assert activation.growth.grad.tolist() == pytest.approx([0, QUICKER * size * added], rel=1e-4)


def test_a_range_that_is_too_wide_is_learnt_to_fit() -> None:
    """Many small values and one large one: the extremes waste nearly all levels on it."""
    x = torch.cat([torch.randn(5_000, generator=torch.Generator().manual_seed(0)), torch.tensor([40.0, -40.0])])
    activation = Activation(-40.0, 40.0)
    optimizer = torch.optim.Adam(activation.parameters(), lr=0.02)
    losses = []
    for _ in range(100):
        loss = (activation(x) - x).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 3
    assert all(3 < abs(end.item()) < 12 for end in activation.ends())
