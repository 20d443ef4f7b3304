"""Two small networks, trained on scikit-learn's digits, with every kind of layer of the spaces; their ONNX files."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from edgetune.export.agreement import Agreement
from edgetune.export.card import Artefact, Card, CheckedOn, Data, Omission, Preprocessing, Teacher
from edgetune.export.onnx_file import export_onnx
from edgetune.latency.prediction import Prediction
from edgetune.nets.network import Network, build_network
from edgetune.space.architecture import Activation
from edgetune.space.mobile import MOBILE_SMALL

DIGIT_NAMES = tuple("zero one two three four five six seven eight nine".split())
CLASSES = len(DIGIT_NAMES)
RESOLUTION = 28


class Digits(NamedTuple):
    """Raw pixels, float32 (N, 1, 28, 28), 0…255, and labels."""

    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray


@pytest.fixture(scope="session")
def digits() -> Digits:
    images, labels = load_digits(return_X_y=True)
    large = np.kron(images.reshape(-1, 1, 8, 8) * (255 / 16), np.ones((3, 3)))
    pixels = np.pad(large, ((0, 0), (0, 0), (2, 2), (2, 2))).round().astype(np.float32)
    return Digits(pixels[:1397], labels[:1397], pixels[1397:], labels[1397:])


@pytest.fixture(scope="session")
def test_pictures(digits: Digits) -> np.ndarray:
    return digits.test[:32]


@pytest.fixture(scope="session")
def hswish_network(digits: Digits) -> Network:
    return trained(small_network("hswish", squeeze_excite=True), digits)


@pytest.fixture(scope="session")
def relu_network(digits: Digits) -> Network:
    return trained(small_network("relu", squeeze_excite=False), digits)


@pytest.fixture(scope="session")
def hswish_onnx(hswish_network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(hswish_network, tmp_path_factory.mktemp("hswish") / "model.onnx")


@pytest.fixture(scope="session")
def relu_onnx(relu_network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(relu_network, tmp_path_factory.mktemp("relu") / "model.onnx")


@pytest.fixture(scope="session")
def dense_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A linear classifier, far cheaper than the convolutional ones."""
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(RESOLUTION**2, CLASSES))
    return exported(module, tmp_path_factory.mktemp("dense") / "model.onnx")


@pytest.fixture(scope="session")
def card() -> Card:
    latency = Prediction(
        "net",
        1.25,
        (1.0, 1.5),
        "calibrated",
        "rpi4",
        "tflite",
        "2.7",
        "fp32",
        4,
        1800,
        warnings=("smaller than measured",),
    )
    check = CheckedOn(where="this host", agreement=Agreement(32, 2e-6, 1.0))
    return Card(
        name="trial-007",
        labels=DIGIT_NAMES,
        preprocessing=Preprocessing(channels=1, resolution=28, mean=(0.23,), std=(0.36,)),
        data=Data(name="digits", licence="BSD-3-Clause", content_hash="ab", train=1397, validation=0, test=400),
        teacher=Teacher(name="residual", licence="Apache-2.0", test_top1=0.99),
        test_top1=0.95,
        latencies=(latency,),
        macs=1_234_567,
        parameters=54_321,
        peak_memory_bytes=65_536,
        artefacts=(Artefact(format="onnx", file="model.onnx", test_top1=0.95, checks=(check,)),),
        omitted=(Omission(format="int8", reason="0.8 times as fast as float32"),),
        versions={"onnxruntime": "1.32.0"},
        provenance={"seed": 0},
    )


def small_network(act: Activation, *, squeeze_excite: bool) -> Network:
    values = dict(MOBILE_SMALL.smallest().values)
    values |= {label: act for label in values if label.endswith(".activation")}
    values |= {label: squeeze_excite for label in values if label.endswith(".squeeze_excite")}
    values |= {"stage1.block1.kind": "fused", "stage2.block1.kernel": 5, "stage3.block1.kernel": 7, "stage3.depth": 2}
    sample = MOBILE_SMALL.space.complete(values, np.random.default_rng(0))
    architecture = MOBILE_SMALL.architecture(sample, channels=1, resolution=RESOLUTION, classes=CLASSES)
    torch.manual_seed(0)
    return build_network(architecture, mean=(0.23,), std=(0.36,))


def trained(network: Network, digits: Digits) -> Network:
    pixels, labels = torch.from_numpy(digits.train), torch.from_numpy(digits.train_labels)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(4):
        for chosen in torch.randperm(len(pixels), generator=generator).split(64):
            loss = torch.nn.functional.cross_entropy(network.train()(pixels[chosen]), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return network.eval()


def exported(network: torch.nn.Module, path: Path) -> Path:
    export_onnx(network, path, channels=1, resolution=RESOLUTION, metadata={"labels": '["a", "b"]'})
    return path
