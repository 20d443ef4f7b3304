"""The teacher's own network."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from edgetune.nets.residual import Residual, ResidualNetwork


def network(resolution: int, *, channels: int = 3, width: int = 8) -> ResidualNetwork:
    return ResidualNetwork(
        channels=channels,
        resolution=resolution,
        classes=5,
        width=width,
        mean=(0.5,) * channels,
        std=(0.25,) * channels,
    )


@pytest.mark.parametrize(
    ("resolution", "sizes"),  # after the stem and after each of the strided stages
    [
        (8, [8, 4, 2, 1]),
        (28, [28, 14, 7, 4]),
        (32, [32, 16, 8, 4]),
        (33, [17, 9, 5, 3]),
        (64, [32, 16, 8, 4]),
        (224, [28, 14, 7, 4]),
    ],
)
def test_the_stem_halves_until_32_pixels_are_left(resolution: int, sizes: list[int]) -> None:
    net = network(resolution).eval()
    seen: list[int] = [resolution]
    for layer in net.features:
        layer.register_forward_hook(lambda layer, inputs, output: seen.append(output.shape[2]))
    assert net(torch.zeros(2, 3, resolution, resolution)).shape == (2, 5)
    stages = [size for size in dict.fromkeys(seen) if size <= 32]
    assert stages == sizes


@pytest.mark.parametrize("resolution", [8, 28, 224])
def test_every_weight_learns(resolution: int) -> None:
    torch.manual_seed(0)
    net = network(resolution, channels=1)
    net(torch.rand(2, 1, resolution, resolution) * 255).square().sum().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in net.parameters())


def test_size_of_the_28_pixel_teacher() -> None:
    def conv(in_width: int, out_width: int) -> int:
        return 9 * in_width * out_width + 2 * out_width

    w = 24
    expected = conv(1, w) + conv(w, 2 * w) + 2 * conv(2 * w, 2 * w) + conv(2 * w, 4 * w) + 2 * conv(4 * w, 4 * w)
    expected += conv(4 * w, 8 * w) + 8 * w * 5 + 5
    assert sum(weight.numel() for weight in network(28, channels=1, width=w).parameters()) == expected


def test_a_residual_block_adds_to_what_comes_in() -> None:
    block = Residual(4)
    x = torch.randn(2, 4, 5, 5)
    inner: Tensor = block.layers(x)
    torch.testing.assert_close(block(x) - x, inner)
    norm = block.layers[1][1]  # type: ignore[index]
    assert isinstance(norm, nn.BatchNorm2d)
    nn.init.zeros_(norm.weight)
    assert torch.equal(block(x), x)
