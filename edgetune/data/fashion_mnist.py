"""Fashion-MNIST (Xiao, Rasul and Vollgraf 2017): 60,000 + 10,000 grey 28×28 pictures of clothes, 10 classes."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from edgetune.data.debian import unpack_package
from edgetune.data.decode import resize_square
from edgetune.data.download import download
from edgetune.data.source import Collection, ImageSource, Progress, Split
from edgetune.errors import DataError
from edgetune.files import atomic_write

PACKAGE = "dataset-fashion-mnist"
PACKAGE_FOLDER = "usr/share/datasets/fashion-mnist"
URL = "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/"

# Of the unpacked data: Debian compresses the files anew.
SHA256 = {
    "train-images-idx3-ubyte.gz": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte.gz": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


class FashionMNIST(ImageSource):
    """From the cache, else a Debian package, else a download; the data's SHA-256 is checked whatever the way."""

    name = "fashion-mnist"
    classes = (
        "t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle-boot",
    )  # fmt: skip
    licence = "MIT"
    native_resolution = 28
    fingerprint = "".join(SHA256.values())

    def __init__(self, cache: Path) -> None:
        self.folder = cache / "fashion-mnist"

    def read(self, resolution: int, scratch: Path, progress: Progress | None) -> Collection:
        data = fetch(self.folder, progress)
        images = [idx(data[f"{part}-images-idx3-ubyte.gz"]) for part in ("train", "t10k")]
        labels = [idx(data[f"{part}-labels-idx1-ubyte.gz"]) for part in ("train", "t10k")]
        given = np.repeat(np.array([Split.TRAIN, Split.TEST], np.int8), [len(labels[0]), len(labels[1])])
        whole = np.concatenate(images)[..., np.newaxis]
        return Collection(resize_square(whole, resolution), np.concatenate(labels).astype(np.int64), given)


def fetch(folder: Path, progress: Progress | None = None) -> dict[str, bytes]:
    """The four unpacked files by name, from `folder`, which is filled first where it lacks them.

    Raises
    ------
    DataError
        No way to get them worked.
    """
    failures: list[str] = []
    ways: tuple[tuple[str, Callable[[Path], None]], ...] = (
        ("the cache", lambda into: _copy(folder, into)),
        ("an installed Debian package", lambda into: _copy(Path("/") / PACKAGE_FOLDER, into)),
        (f"the Debian package {PACKAGE}", _from_debian),
        (URL, _download),
    )
    for step, (way, bring) in enumerate(ways):
        with TemporaryDirectory() as brought:
            try:
                if progress and step > 1:
                    progress(f"fetching Fashion-MNIST from {way}", 0, 1)
                bring(Path(brought))
                data = {name: _checked(Path(brought) / name) for name in SHA256}
            except (OSError, ValueError, zlib.error, EOFError) as error:
                if step or folder.is_dir():
                    failures.append(f"{way}: {error}")
                continue
            if step:
                for name in SHA256:
                    with atomic_write(folder / name) as aside:
                        shutil.copyfile(Path(brought) / name, aside)
            return data
    raise DataError(
        "Fashion-MNIST could not be had; " + "; ".join(failures),
        mend=f"connect to the network once, or put {', '.join(SHA256)} into {folder}",
    )


def idx(data: bytes) -> NDArray[np.uint8]:
    """An array from IDX, the format of unsigned bytes: 0, 0, 8, rank; then big-endian 32-bit sizes; then values."""
    rank = data[3]
    shape = np.frombuffer(data, ">u4", rank, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


def _checked(file: Path) -> bytes:
    data = gzip.decompress(file.read_bytes())
    if hashlib.sha256(data).hexdigest() != SHA256[file.name]:
        raise ValueError(f"{file.name} is not the published file (its SHA-256 differs)")
    return data


def _copy(folder: Path, into: Path) -> None:
    for name in SHA256:
        shutil.copyfile(folder / name, into / name)


def _from_debian(into: Path) -> None:
    unpack_package(PACKAGE, into / "package")
    _copy(into / "package" / PACKAGE_FOLDER, into)


def _download(into: Path) -> None:
    for name in SHA256:
        download(URL + name, into / name)
