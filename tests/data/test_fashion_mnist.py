from __future__ import annotations

import gzip
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgetune.data import fashion_mnist
from edgetune.data.debian import unpack_package
from edgetune.data.fashion_mnist import SHA256, fetch, idx
from edgetune.data.load import load_dataset
from edgetune.errors import DataError


@pytest.fixture
def no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without Debian's packages."""

    def refuse(name: str, into: Path) -> None:
        raise OSError("this machine has no apt-get")

    monkeypatch.setattr(fashion_mnist, "unpack_package", refuse)
    monkeypatch.setattr(fashion_mnist, "PACKAGE_FOLDER", "nowhere")


@pytest.fixture
def server(tmp_path: Path, serve: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is served where the published files would be."""
    folder = tmp_path / "served"
    folder.mkdir()
    monkeypatch.setattr(fashion_mnist, "URL", serve(folder))
    return folder


def test_the_set_is_the_published_one(data_cache: Path) -> None:
    fashion = load_dataset("fashion-mnist", cache=data_cache)
    assert [len(part) for part in (fashion.train, fashion.validation, fashion.test)] == [54_000, 6_000, 10_000]
    assert np.bincount(fashion.test.labels).tolist() == [1000] * 10
    assert np.bincount(fashion.validation.labels).tolist() == [600] * 10
    # the figures that everybody normalises with, of the 60,000 training pictures
    assert fashion.mean[0] == pytest.approx(0.2860, abs=3e-4)
    assert fashion.std[0] == pytest.approx(0.3530, abs=3e-4)
    assert (fashion.channels, fashion.resolution, fashion.licence) == (1, 28, "MIT")
    trousers = fashion.test.images[fashion.test.labels == 1].mean(0)[..., 0]  # two legs, nothing between them
    assert trousers[24, 14] < trousers[24, 10] / 2


def test_damaged_cache_is_fetched_again(
    tmp_path: Path, fashion_mnist_folder: Path, server: Path, no_packages: None
) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(fashion_mnist_folder, mine)
    shutil.copytree(fashion_mnist_folder, server, dirs_exist_ok=True)
    labels = mine / "t10k-labels-idx1-ubyte.gz"
    labels.write_bytes(labels.read_bytes()[:100])
    fetch(mine)
    assert labels.read_bytes() == (fashion_mnist_folder / labels.name).read_bytes()


def test_other_data_under_the_same_name_is_refused(tmp_path: Path, server: Path, no_packages: None) -> None:
    for name in SHA256:
        (server / name).write_bytes(gzip.compress(b"other data"))
    with pytest.raises(DataError, match="is not the published file"):
        fetch(tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_when_nothing_works_every_way_is_named(tmp_path: Path, server: Path, no_packages: None) -> None:
    with pytest.raises(DataError, match=r"no apt-get.*HTTP Error 404.*or put train-images") as caught:
        fetch(tmp_path / "mine")
    assert str(tmp_path / "mine") in str(caught.value)


def test_idx_format() -> None:
    values = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    data = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2, 3, 4) + values.tobytes()
    assert (idx(data) == values).all()


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="this machine has no Debian packages")
def test_debian_package_is_unpacked_without_being_installed(tmp_path: Path) -> None:
    unpack_package("hostname", tmp_path)
    assert (tmp_path / "bin" / "hostname").exists() or (tmp_path / "usr" / "bin" / "hostname").exists()
    with pytest.raises(OSError, match="E: Unable to locate package no-such-package-anywhere"):
        unpack_package("no-such-package-anywhere", tmp_path)
