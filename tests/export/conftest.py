"""A small network with every kind of layer that the spaces know, and its ONNX file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edgetune.export.onnx_file import export_onnx
from edgetune.nets.network import Network, build_network
from edgetune.space.architecture import Activation, Architecture, Block

CLASSES = 10
RESOLUTION = 28


def small_network(act: Activation, *, squeeze_excite: bool) -> Network:
    """Random weights, BatchNorm statistics of real forward passes, so that activations have sensible sizes."""
    blocks = (
        Block("fused", 8, 16, 2, 3, 3, act, False),
        Block("mbconv", 16, 16, 1, 5, 3, act, squeeze_excite),
        Block("mbconv", 16, 24, 2, 3, 2, act, squeeze_excite),
        Block("mbconv", 24, 40, 2, 7, 3, act, squeeze_excite),
    )
    torch.manual_seed(0)
    network = build_network(Architecture(1, RESOLUTION, CLASSES, 8, 1, blocks, 64, act), mean=(0.29,), std=(0.35,))
    with torch.no_grad():
        for batch in torch.from_numpy(pictures(320, seed=1)).split(32):
            network.train()(batch)
    return network.eval()


def pictures(count: int, *, seed: int) -> np.ndarray:
    """Smooth blobs, raw pixel values, float32 (count, 1, 28, 28)."""
    noise = np.random.default_rng(seed).normal(size=(count, 1, 7, 7))
    smooth = np.kron(noise, np.ones((4, 4)))
    return np.clip(128 + 80 * smooth, 0, 255).round().astype(np.float32)


@pytest.fixture(scope="session")
def hswish_network() -> Network:
    return small_network("hswish", squeeze_excite=True)


@pytest.fixture(scope="session")
def relu_network() -> Network:
    return small_network("relu", squeeze_excite=False)


@pytest.fixture(scope="session")
def hswish_onnx(hswish_network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(hswish_network, tmp_path_factory.mktemp("hswish") / "model.onnx")


@pytest.fixture(scope="session")
def relu_onnx(relu_network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(relu_network, tmp_path_factory.mktemp("relu") / "model.onnx")


@pytest.fixture(scope="session")
def test_pictures() -> np.ndarray:
    return pictures(32, seed=2)


def exported(network: Network, path: Path) -> Path:
    export_onnx(network, path, channels=1, resolution=RESOLUTION, metadata={"labels": '["a", "b"]'})
    return path
