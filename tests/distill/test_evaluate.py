"""Top-1, and BatchNorm statistics against numpy's and torch's own."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from edgetune.data.pictures import Dataset, Pictures
from edgetune.distill.evaluate import BATCH, accuracy, enough, logits_of, recalibrate, top1
from edgetune.distill.precision import mixed_precision, to_pixels
from tests.distill.conftest import MakeNetwork


def test_top1() -> None:
    logits = np.array([[0.0, 1], [3, 2], [-5, -4], [7, 1]])
    assert top1(logits, np.array([1, 0, 0, 1])) == 0.5


def test_logits_come_in_the_order_of_the_pictures(
    make_network: MakeNetwork, make_dataset: Callable[..., Dataset], cpu: torch.device
) -> None:
    pictures = make_dataset(n=BATCH + 7).train
    network = make_network().eval()
    logits = logits_of(network, pictures, device=cpu)
    assert logits.shape == (BATCH + 7, 4) and logits.dtype == np.float32
    every = network(torch.from_numpy(pictures.images).permute(0, 3, 1, 2).float()).detach().numpy()
    np.testing.assert_allclose(logits, every, rtol=1e-4, atol=1e-5)
    fast = logits_of(network, pictures, device=cpu, fast=True)
    assert fast.dtype == np.float32
    np.testing.assert_allclose(fast, every, atol=0.03 * np.abs(every).max())


def test_accuracy_is_judged_in_evaluation_mode(make_network: MakeNetwork, dataset: Dataset) -> None:
    network = make_network().train()
    before = copy.deepcopy(network.state_dict())
    share = accuracy(network, dataset.test)
    logits = network.eval()(to_pixels(dataset.test.images, torch.device("cpu"))).detach().numpy()
    assert share == (logits.argmax(1) == dataset.test.labels).mean()
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def random_images(n: int, size: int = 4) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(rng.uniform(60, 200, (n, 1, 1, 3)), 20, (n, size, size, 3)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("n", [100, 2 * BATCH])
def test_statistics_are_the_means_over_the_batches(n: int) -> None:
    images = random_images(n)
    layer = nn.BatchNorm2d(3)
    recalibrate(layer, images)
    batches = np.split(images.astype(np.float64), max(1, n // BATCH))
    assert layer.running_mean is not None and layer.running_var is not None
    np.testing.assert_allclose(layer.running_mean, np.mean([b.mean((0, 1, 2)) for b in batches], 0), rtol=1e-5)
    np.testing.assert_allclose(layer.running_var, np.mean([b.var((0, 1, 2), ddof=1) for b in batches], 0), rtol=1e-5)


def test_statistics_of_a_network_are_torchs_cumulative_ones(make_network: MakeNetwork) -> None:
    images = random_images(2 * BATCH, size=8)
    ours, theirs = make_network(channels=3), make_network(channels=3)
    for _ in range(2):  # what was there before does not matter
        recalibrate(ours, images)
    for layer in theirs.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None
    with torch.no_grad(), mixed_precision(torch.device("cpu")):
        for batch in np.split(images, 2):
            theirs.train()(to_pixels(batch, torch.device("cpu")))
    assert not ours.training
    for name, tensor in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], tensor, rtol=0, atol=0, msg=name)


def test_no_small_batch_spoils_the_statistics() -> None:
    """Its mean would weigh as much as a whole batch's, and one pixel has no variance at all."""
    images = random_images(BATCH + 1, size=1)
    layer, whole = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    recalibrate(layer, images)
    recalibrate(whole, images[:BATCH])
    assert torch.equal(layer.running_var, whole.running_var)  # type: ignore[arg-type]


def test_large_pictures_need_fewer() -> None:
    assert enough(5_000, 28) == 5_000 and enough(5_000, 224) == 625 and enough(1_000, 224) == BATCH
    images = random_images(2 * BATCH, size=64)
    layer, first = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    recalibrate(layer, images)
    recalibrate(first, images[:BATCH])
    assert torch.equal(layer.running_mean, first.running_mean)  # type: ignore[arg-type]


def test_recalibration_leaves_weights_and_momentum_alone(make_network: MakeNetwork) -> None:
    network = make_network(channels=3)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 0.03
    before = [weight.clone() for weight in network.parameters()]
    recalibrate(network, random_images(20, size=8))
    assert all(map(torch.equal, before, network.parameters()))
    assert {layer.momentum for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)} == {0.03}


def test_a_recalibrated_network_is_judged_alike_in_both_modes(make_network: MakeNetwork, dataset: Dataset) -> None:
    network, pictures = make_network(), Pictures(dataset.train.images[:BATCH], dataset.train.labels[:BATCH])
    recalibrate(network, pictures.images)
    pixels = to_pixels(pictures.images, torch.device("cpu"))
    evaluated = network.eval()(pixels)
    trained = network.train()(pixels)
    torch.testing.assert_close(evaluated, trained, rtol=0.02, atol=0.02)
