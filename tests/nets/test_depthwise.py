"""The backward pass put together from 3×3 kernels, against torch's own."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from edgetune.nets.depthwise import DepthwiseConv2d

Run = tuple[Tensor, Tensor, Tensor]


def fast(x: Tensor, weight: Tensor, upstream: Tensor, stride: int) -> Run:
    """Output, gradient of the input, gradient of the weight: the layer's under autocast."""
    layer = DepthwiseConv2d(x.shape[1], weight.shape[2], stride)
    with torch.no_grad():
        layer.weight.copy_(weight)
    x = x.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    assert y.dtype == torch.bfloat16 and "Bfloat16Depthwise" in type(y.grad_fn).__name__
    y.backward(upstream.bfloat16())
    assert x.grad is not None and layer.weight.grad is not None
    return y.float(), x.grad, layer.weight.grad


def reference(x: Tensor, weight: Tensor, upstream: Tensor, stride: int) -> Run:
    """The same by autograd in float32."""
    x, weight = x.clone().requires_grad_(), weight.clone().requires_grad_()
    y = functional.conv2d(x, weight, None, stride, weight.shape[2] // 2, groups=x.shape[1])
    y.backward(upstream)
    assert x.grad is not None and weight.grad is not None
    return y.detach(), x.grad, weight.grad


def output_size(size: int, stride: int) -> int:
    return -(-size // stride)


@given(
    kernel=st.sampled_from([3, 5, 7]),
    stride=st.sampled_from([1, 2]),
    height=st.integers(1, 9),
    breadth=st.integers(1, 9),
    width=st.sampled_from([2, 8, 24]),
    channels_last=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_gradients_of_small_integers_are_exact(
    kernel: int, stride: int, height: int, breadth: int, width: int, channels_last: bool, seed: int
) -> None:
    # No sum exceeds 2 * 9 * 9 = 162, and bfloat16 holds integers up to 256.
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(-1, 2, (2, width, height, breadth), generator=generator).float()
    weight = torch.randint(-2, 3, (width, 1, kernel, kernel), generator=generator).float()
    shape = (2, width, output_size(height, stride), output_size(breadth, stride))
    upstream = torch.randint(-1, 2, shape, generator=generator).float()
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    for ours, theirs in zip(fast(x, weight, upstream, stride), reference(x, weight, upstream, stride), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("size", [14, 15])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_gradients_of_real_numbers_are_as_close_as_bfloat16_allows(kernel: int, stride: int, size: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(16, 24, size, size, generator=generator)
    weight = torch.randn(24, 1, kernel, kernel, generator=generator) / kernel
    upstream = torch.randn(16, 24, output_size(size, stride), output_size(size, stride), generator=generator)
    found = fast(x, weight, upstream, stride)
    x, weight, upstream = (tensor.bfloat16().float() for tensor in (x, weight, upstream))
    for ours, theirs in zip(found, reference(x, weight, upstream, stride), strict=True):
        # Half a unit in the last place is 2**-9; processors without bfloat16, which never use this, round sums more.
        bound = 2**-8 if torch.cpu.get_capabilities().get("avx512_bf16") else 2**-6
        assert (ours - theirs).norm() < bound * theirs.norm()


def test_without_autocast_it_is_an_ordinary_convolution() -> None:
    layer = DepthwiseConv2d(8, 5, 2)
    x = torch.randn(2, 8, 7, 7)
    y = layer(x)
    assert y.dtype == torch.float32
    assert torch.equal(y, functional.conv2d(x, layer.weight, None, 2, 2, groups=8))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert layer(x).grad_fn is None


def test_the_weight_learns_in_float32() -> None:
    layer = DepthwiseConv2d(8, 7, 1)
    with torch.autocast("cpu", torch.bfloat16):
        layer(torch.randn(2, 8, 7, 7)).sum().backward()
    assert layer.weight.grad is not None and layer.weight.grad.dtype == torch.float32
