"""Networks built of architectures: what they compute, and that it costs what the latency room says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from edgetune.latency.from_architecture import graph_of
from edgetune.nets.network import MobileBlock, Network, build_network
from edgetune.space.architecture import Architecture, Block
from edgetune.space.mobile import MOBILE_LARGE, MOBILE_SMALL, MobileSpace

both = pytest.mark.parametrize("mobile", [MOBILE_SMALL, MOBILE_LARGE], ids=lambda mobile: mobile.name)
seeds = st.integers(0, 2**32 - 1)
BLOCK = Block("b", "mbconv", 16, 16, stride=1, kernel=5, expansion=2, activation="hswish", squeeze_excite=True)


def draw(mobile: MobileSpace, seed: int, *, channels: int = 3, resolution: int = 32, classes: int = 5) -> Architecture:
    sample = mobile.space.draw(np.random.default_rng(seed))
    return mobile.architecture(sample, channels=channels, resolution=resolution, classes=classes)


@both
@settings(max_examples=15)
@given(seed=seeds, channels=st.sampled_from([1, 3]), resolution=st.sampled_from([8, 15, 28, 32, 47]))
def test_multiply_accumulates_are_those_that_torch_counts(
    mobile: MobileSpace, seed: int, channels: int, resolution: int
) -> None:
    architecture = draw(mobile, seed, channels=channels, resolution=resolution)
    network = build_network(architecture).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        logits = network(torch.zeros(1, channels, resolution, resolution))
    assert logits.shape == (1, 5)
    assert graph_of(architecture).macs == counter.get_total_flops() / 2


@both
@settings(max_examples=15)
@given(seed=seeds)
def test_parameters_are_counted_with_batch_norm_folded(mobile: MobileSpace, seed: int) -> None:
    architecture = draw(mobile, seed)
    network = build_network(architecture)
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    folded = sum(norm.num_features for norm in norms)  # scale and shift become one bias
    assert graph_of(architecture).parameters == sum(weight.numel() for weight in network.parameters()) - folded


@pytest.mark.parametrize("kind", ["mbconv", "fused"])
def test_a_block_adds_to_what_comes_in_where_shapes_allow(kind: str) -> None:
    x = torch.randn(2, 16, 6, 6)
    for block in (BLOCK, replace(BLOCK, out_width=24), replace(BLOCK, stride=2)):
        module = MobileBlock(replace(block, kind=kind))  # type: ignore[arg-type]
        nn.init.zeros_(module.get_parameter("layers.project.1.weight"))  # its path then gives zeros
        expected = x if block.residual else torch.zeros(2, block.out_width, 6 // block.stride, 6 // block.stride)
        assert torch.equal(module(x), expected)


@pytest.mark.parametrize(
    ("change", "layers"),
    [
        ({}, ["expand", "depthwise", "squeeze_excite", "project"]),
        ({"expansion": 1}, ["depthwise", "squeeze_excite", "project"]),
        ({"squeeze_excite": False}, ["expand", "depthwise", "project"]),
        ({"kind": "fused", "kernel": 3}, ["fused", "squeeze_excite", "project"]),
    ],
)
def test_the_layers_of_a_block(change: dict[str, object], layers: list[str]) -> None:
    module = MobileBlock(replace(BLOCK, **change))  # type: ignore[arg-type]
    assert [name for name, _ in module.layers.named_children()] == layers
    assert isinstance(module.get_submodule("layers.project.2"), nn.Identity), "a linear bottleneck"


def test_normalisation_is_the_first_layer() -> None:
    architecture = draw(MOBILE_SMALL, 1)
    torch.manual_seed(0)
    plain = build_network(architecture).eval()
    mean, std = (0.1, 0.5, 0.7), (0.2, 0.3, 0.4)
    torch.manual_seed(0)
    network = build_network(architecture, mean=mean, std=std).eval()
    pixels = torch.randint(0, 256, (4, 3, 32, 32)).float()
    normalised = (pixels / 255 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    torch.testing.assert_close(network(pixels), plain(255 * normalised), rtol=1e-4, atol=1e-5)


@both
@settings(max_examples=5)
@given(seed=seeds)
def test_a_picture_is_judged_alone(mobile: MobileSpace, seed: int) -> None:
    network = build_network(draw(mobile, seed)).eval().double()
    pixels = torch.rand(3, 3, 32, 32, dtype=torch.float64) * 255
    alone = torch.cat([network(picture[None]) for picture in pixels])
    torch.testing.assert_close(network(pixels), alone)


@both
@settings(max_examples=5)
@given(seed=seeds)
def test_every_weight_learns(mobile: MobileSpace, seed: int) -> None:
    torch.manual_seed(0)
    network = build_network(draw(mobile, seed))
    network(torch.rand(4, 3, 32, 32) * 255).square().sum().backward()
    assert [name for name, weight in network.named_parameters() if weight.grad is None] == []


def test_logits_are_the_classifier_of_the_features() -> None:
    network: Network = build_network(draw(MOBILE_SMALL, 3)).eval()
    pixels = torch.rand(2, 3, 32, 32) * 255
    features = network.features(pixels)
    assert features.shape == (2, network.architecture.head_width)
    assert torch.equal(network(pixels), network.classifier(features))
