"""The layers against their formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from edgetune.nets.layers import Normalize, SqueezeExcite, activation, conv_bn, depthwise_bn
from edgetune.space.architecture import Activation

shares = st.floats(0.01, 1)


@given(st.lists(st.tuples(shares, shares), min_size=1, max_size=4), st.integers(0, 1000))
def test_normalisation_takes_raw_pixels(statistics: list[tuple[float, float]], seed: int) -> None:
    mean, std = (tuple(column) for column in zip(*statistics, strict=True))
    pixels = np.random.default_rng(seed).integers(0, 256, (2, len(mean), 3, 3)).astype(np.float64)
    expected = (pixels / 255 - np.reshape(mean, (-1, 1, 1))) / np.reshape(std, (-1, 1, 1))
    result = Normalize(tuple(np.array(mean)), std)(torch.from_numpy(pixels).float())  # numpy's numbers are float64
    assert result.dtype == torch.float32
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5 / min(std))


def test_normalisation_travels_with_the_weights_and_does_not_learn() -> None:
    layer = Normalize((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert not list(layer.parameters())
    other = Normalize((0.0,) * 3, (1.0,) * 3)
    other.load_state_dict(layer.state_dict())
    pixels = torch.rand(1, 3, 2, 2) * 255
    assert torch.equal(layer(pixels), other(pixels))


def test_squeeze_excite_is_its_formula() -> None:
    torch.manual_seed(0)
    layer = SqueezeExcite(16, 8).double()
    x = 5 * torch.randn(3, 16, 4, 5, dtype=torch.float64)
    weights = {name: weight.detach().numpy().squeeze() for name, weight in layer.named_parameters()}
    hidden = np.maximum(x.numpy().mean((2, 3)) @ weights["reduce.weight"].T + weights["reduce.bias"], 0)
    gate = np.clip((hidden @ weights["expand.weight"].T + weights["expand.bias"]) / 6 + 0.5, 0, 1)
    np.testing.assert_allclose(layer(x).detach(), x.numpy() * gate[:, :, None, None], rtol=1e-12)


def test_activations() -> None:
    x = torch.linspace(-5, 5, 101, dtype=torch.float64)
    assert torch.equal(activation("relu")(x), x.clamp(min=0))
    torch.testing.assert_close(activation("hswish")(x), x * (x + 3).clamp(0, 6) / 6)  # Howard 2019, section 5.2
    assert torch.equal(activation(None)(x), x)


@settings(max_examples=30)
@given(
    kernel=st.sampled_from([1, 3, 5, 7]),
    stride=st.sampled_from([1, 2]),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
)
def test_padding_keeps_the_size_up_to_the_stride(kernel: int, stride: int, height: int, width: int) -> None:
    x = torch.zeros(2, 8, height, width)
    for layer in (conv_bn(8, 4, kernel, stride=stride), depthwise_bn(8, kernel, stride=stride, act="relu")):
        assert layer.eval()(x).shape[2:] == (-(-height // stride), -(-width // stride))


@pytest.mark.parametrize("act", ["relu", "hswish", None])
def test_a_layer_is_convolution_norm_activation(act: Activation | None) -> None:
    conv, norm, last = conv_bn(3, 8, 3, act=act)
    assert isinstance(conv, nn.Conv2d) and conv.bias is None
    assert isinstance(norm, nn.BatchNorm2d) and norm.num_features == 8
    assert type(last) is {"relu": nn.ReLU, "hswish": nn.Hardswish, None: nn.Identity}[act]
