"""CIFAR-10 (Krizhevsky 2009): 50,000 + 10,000 colour 32×32 photographs, 10 classes."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from edgetune.data.decode import resize_square
from edgetune.data.download import download
from edgetune.data.source import Collection, ImageSource, Progress, Split
from edgetune.errors import DataError
from edgetune.files import atomic_write

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"  # the binary version: the others are pickles
SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
TRAIN_FILES = tuple(f"cifar-10-batches-bin/data_batch_{number}.bin" for number in range(1, 6))
TEST_FILE = "cifar-10-batches-bin/test_batch.bin"
SIDE, CHANNELS = 32, 3


class CIFAR10(ImageSource):
    """From the published archive, in the cache or downloaded; its SHA-256 is checked either way."""

    name = "cifar10"
    classes = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    licence = "not stated"
    native_resolution = SIDE
    fingerprint = SHA256

    def __init__(self, cache: Path) -> None:
        self.archive = cache / "cifar10" / URL.rsplit("/", 1)[1]

    def read(self, resolution: int, scratch: Path, progress: Progress | None) -> Collection:
        fetch(self.archive, progress)
        with tarfile.open(self.archive) as archive:
            parts = [records(archive.extractfile(name)) for name in (*TRAIN_FILES, TEST_FILE)]
        images = np.concatenate([part[0] for part in parts])
        labels = np.concatenate([part[1] for part in parts])
        given = np.full(len(labels), Split.TRAIN, np.int8)
        given[-len(parts[-1][1]) :] = Split.TEST
        return Collection(resize_square(images, resolution), labels, given)


def records(file: IO[bytes] | None) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pictures (N, 32, 32, 3) and labels (N,) of a binary batch: a label, then the red, green and blue planes."""
    assert file is not None, "a link or a folder in the place of a batch"
    rows = np.frombuffer(file.read(), np.uint8).reshape(-1, 1 + CHANNELS * SIDE * SIDE)
    return rows[:, 1:].reshape(-1, CHANNELS, SIDE, SIDE).transpose(0, 2, 3, 1), rows[:, 0].astype(np.int64)


def fetch(archive: Path, progress: Progress | None = None) -> None:
    """Makes sure that the published archive lies at `archive`.

    Raises
    ------
    DataError
        It cannot be downloaded, or is another file.
    """
    if archive.is_file() and sha256(archive) == SHA256:
        return
    try:
        with atomic_write(archive) as aside:
            download(URL, aside, progress)
            if sha256(aside) != SHA256:
                raise DataError(f"{URL} is not the published file (its SHA-256 differs)", where="cifar10")
    except OSError as error:
        raise DataError(
            f"{URL}: {error}", where="cifar10", mend=f"put the archive at {archive}, or give a folder of pictures"
        ) from error


def sha256(file: Path) -> str:
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()
