"""What every source of labelled pictures must hold to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgetune.data.digits import Digits
from edgetune.data.fashion_mnist import FashionMNIST
from edgetune.data.folder import Folder
from edgetune.data.source import ImageSource, Split


def folder(root: Path) -> ImageSource:
    rng = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(4):
            Image.fromarray(rng.integers(0, 256, (30, 44, 3), np.uint8)).save(root / name / f"{number}.png")
    return Folder(root)


SOURCES: dict[str, Callable[[Path, Path], ImageSource]] = {
    "digits": lambda root, cache: Digits(),
    "fashion-mnist": lambda root, cache: FashionMNIST(cache),
    "folder": lambda root, cache: folder(root),
}


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest, tmp_path: Path, data_cache: Path) -> ImageSource:
    return SOURCES[request.param](tmp_path / "pictures", data_cache)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def test_it_says_what_it_is(source: ImageSource) -> None:
    assert source.name
    assert source.licence
    assert source.fingerprint
    assert len(source.classes) == len(set(source.classes)) >= 2
    assert source.native_resolution >= 8


def test_pictures_fit_their_labels_and_the_resolution(source: ImageSource, scratch: Path) -> None:
    found = source.read(source.native_resolution, scratch, None)
    count = len(found.labels)
    assert found.images.shape[:3] == (count, source.native_resolution, source.native_resolution)
    assert found.images.shape[3] in (1, 3)
    assert found.images.dtype == np.uint8 and found.labels.dtype == np.int64 and found.given.dtype == np.int8
    assert set(np.unique(found.labels)) == set(range(len(source.classes)))
    assert set(np.unique(found.given)) <= set(Split)
    assert Split.TRAIN in found.given
    assert found.images.std() > 10


def test_reading_again_gives_the_same(source: ImageSource, scratch: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    one, two = source.read(source.native_resolution, scratch, None), source.read(source.native_resolution, other, None)
    assert (one.images == two.images).all()
    assert (one.labels == two.labels).all()
