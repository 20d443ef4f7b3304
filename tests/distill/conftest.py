"""Small pictures whose classes can be told apart, and networks small enough to train in a second."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from edgetune.data.pictures import Dataset, Pictures
from edgetune.distill.teacher_checkpoint import Header
from edgetune.nets.layers import Normalize, conv_bn

SMALL_TEACHER = Header(
    architecture="residual",
    width=4,
    channels=1,
    resolution=8,
    classes=("ant", "bee", "cat"),
    mean=(0.3,),
    std=(0.2,),
    licence="CC-BY-4.0",
    source="trained in a test",
)


def bars(n: int, *, seed: int, channels: int = 1, size: int = 8, classes: int = 4) -> Pictures:
    """Noisy pictures; the class is which band of rows is bright, so that mirroring leaves it as it is."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    images = rng.integers(0, 120, (n, size, size, channels))
    rows = size // classes
    for image, label in zip(images, labels, strict=True):
        image[rows * label : rows * (label + 1)] += 80
    return Pictures(images.astype(np.uint8), labels.astype(np.int64))


def bars_dataset(*, n: int = 256, channels: int = 1, classes: int = 4, name: str = "bars") -> Dataset:
    train, validation, test = (bars(n, seed=seed, channels=channels, classes=classes) for seed in range(3))
    return Dataset(
        name=name,
        classes=tuple(f"band{i}" for i in range(classes)),
        train=train,
        validation=validation,
        test=test,
        mean=tuple((train.images.mean((0, 1, 2)) / 255).tolist()),
        std=tuple((train.images.std((0, 1, 2)) / 255).tolist()),
        notes=(),
        licence="CC0-1.0",
        content_hash=f"{name}-{n}-{channels}-{classes}",
    )


class TinyNet(nn.Module):
    """Normalisation, two convolutions with BatchNorm, a classifier."""

    def __init__(self, *, channels: int = 1, classes: int = 4, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.normalize = Normalize((0.4,) * channels, (0.2,) * channels)
        self.features = nn.Sequential(
            conv_bn(channels, 8, 3, stride=2, act="relu"), conv_bn(8, 8, 3, stride=2, act="relu"), nn.Flatten()
        )
        self.classifier = nn.Linear(32, classes)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(self.normalize(pixels)))


MakeNetwork = Callable[..., TinyNet]


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    return bars_dataset()


@pytest.fixture
def make_dataset() -> Callable[..., Dataset]:
    return bars_dataset


@pytest.fixture
def make_network() -> MakeNetwork:
    return TinyNet


@pytest.fixture
def cpu() -> torch.device:
    return torch.device("cpu")
