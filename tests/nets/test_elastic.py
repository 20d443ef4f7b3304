"""The supernet: each network is a slice of the shared weights, and trains that slice alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from edgetune.nets.elastic import Supernet
from edgetune.space.architecture import Architecture
from edgetune.space.mobile import MOBILE_LARGE, MOBILE_SMALL, MobileSpace
from edgetune.space.parameters import Sample

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.3, 0.25)
seeds = st.integers(0, 2**32 - 1)


def architecture(mobile: MobileSpace, sample: Sample) -> Architecture:
    return mobile.architecture(sample, channels=3, resolution=16, classes=4)


def draw(mobile: MobileSpace, seed: int) -> Architecture:
    return architecture(mobile, mobile.space.draw(np.random.default_rng(seed)))


def changed(mobile: MobileSpace, label: str, value: str) -> Sample:
    """A largest sample with another value; what that makes active is drawn."""
    return mobile.space.complete({**mobile.largest()[0].values, label: value}, np.random.default_rng(0))


@pytest.fixture(scope="module", params=[MOBILE_SMALL, MOBILE_LARGE], ids=lambda mobile: mobile.name)
def mobile(request: pytest.FixtureRequest) -> MobileSpace:
    return request.param


@pytest.fixture(scope="module")
def supernet(mobile: MobileSpace) -> Supernet:
    """In float64, so that only real differences show."""
    torch.manual_seed(0)
    return Supernet([architecture(mobile, sample) for sample in mobile.largest()], MEAN, STD).double()


@pytest.fixture(scope="module")
def pixels() -> Tensor:
    return torch.randint(0, 256, (8, 3, 16, 16), generator=torch.Generator().manual_seed(0)).double()


def placed(gradient: Tensor, shape: torch.Size) -> Tensor:
    """The gradient of a slice amid zeros: first channels, centre of the kernel."""
    padding: list[int] = []
    for dimension in reversed(range(gradient.ndim)):
        missing = shape[dimension] - gradient.shape[dimension]
        padding += [missing // 2, missing // 2] if dimension >= 2 else [0, missing]
    return functional.pad(gradient, padding)


@settings(max_examples=12)
@given(seed=seeds)
def test_a_network_of_it_is_the_plain_network(
    mobile: MobileSpace, supernet: Supernet, pixels: Tensor, seed: int
) -> None:
    chosen = draw(mobile, seed)
    network = supernet.extract(chosen).double().train()
    supernet.zero_grad(set_to_none=True)
    shared, plain = supernet(pixels, chosen), network(pixels)
    torch.testing.assert_close(shared, plain, rtol=1e-9, atol=1e-9)

    (shared**2).sum().backward()
    (plain**2).sum().backward()
    used = {name.replace(".", "/"): weight.grad for name, weight in network.named_parameters()}
    for name, weight in supernet.shared.items():
        if name not in used:
            assert weight.grad is None
            continue
        gradient = used[name]
        assert gradient is not None and weight.grad is not None
        expected = placed(gradient, weight.shape)
        scale = expected.abs().max().clamp(min=1e-3).item()
        torch.testing.assert_close(weight.grad, expected, rtol=1e-7, atol=1e-9 * scale)
        assert not weight.grad[expected == 0].abs().gt(1e-9 * scale).any()


def test_the_largest_networks_use_all_of_it(mobile: MobileSpace, supernet: Supernet) -> None:
    names: set[str] = set()
    for sample in mobile.largest():
        for name, weight in supernet.extract(architecture(mobile, sample)).named_parameters():
            assert torch.equal(weight.double(), supernet.shared[name.replace(".", "/")])
            names.add(name.replace(".", "/"))
    assert names == set(supernet.shared.keys())


def test_a_small_kernel_is_the_centre_of_a_large_one(mobile: MobileSpace, supernet: Supernet) -> None:
    def weight_of(kernel: int) -> Tensor:
        sample = changed(mobile, "stage2.block1.kind", "mbconv")
        sample = mobile.space.sample({**sample.values, "stage2.block1.kernel": kernel})
        network = supernet.extract(architecture(mobile, sample))
        return network.get_parameter("blocks.stage2_block1.layers.depthwise.0.weight")

    seven, five, three = (weight_of(kernel) for kernel in (7, 5, 3))
    assert torch.equal(five, seven[:, :, 1:6, 1:6]) and torch.equal(three, seven[:, :, 2:5, 2:5])


def test_an_extracted_network_has_weights_of_its_own(mobile: MobileSpace, supernet: Supernet, pixels: Tensor) -> None:
    smallest = architecture(mobile, mobile.smallest())
    before = supernet(pixels, smallest)
    network = supernet.extract(smallest)
    with torch.no_grad():
        for weight in network.parameters():
            weight.fill_(7)
    assert torch.equal(supernet(pixels, smallest), before)


def test_batch_norm_takes_the_statistics_of_the_batch_in_either_mode(
    mobile: MobileSpace, supernet: Supernet, pixels: Tensor
) -> None:
    smallest = architecture(mobile, mobile.smallest())
    trained = supernet.train()(pixels, smallest)
    assert torch.equal(supernet.eval()(pixels, smallest), trained)
    assert not torch.allclose(supernet(pixels[:4], smallest), trained[:4])
    assert all("running" not in name for name in supernet.state_dict())


def test_the_normalisation_travels(mobile: MobileSpace, supernet: Supernet) -> None:
    normalize = supernet.extract(architecture(mobile, mobile.smallest())).normalize
    white = normalize(torch.full((1, 3, 1, 1), 255.0)).flatten()
    torch.testing.assert_close(white, (1 - torch.tensor(MEAN)) / torch.tensor(STD))


def test_block_kinds_share_their_projection(mobile: MobileSpace, supernet: Supernet) -> None:
    def projection(kind: str) -> Tensor:
        network = supernet.extract(architecture(mobile, changed(mobile, "stage2.block1.kind", kind)))
        return network.get_parameter("blocks.stage2_block1.layers.project.0.weight")

    assert torch.equal(projection("mbconv"), projection("fused"))


def test_largest_may_be_a_generator(mobile: MobileSpace) -> None:
    assert Supernet((architecture(mobile, sample) for sample in mobile.largest()), MEAN, STD).mean == MEAN
