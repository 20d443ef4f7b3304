"""The one way in: a name or a folder becomes a :class:`Dataset`."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from edgetune.data.cifar10 import CIFAR10
from edgetune.data.digits import Digits
from edgetune.data.fashion_mnist import FashionMNIST
from edgetune.data.folder import Folder
from edgetune.data.pictures import Dataset
from edgetune.data.prepared import cache_key, open_prepared, prepare
from edgetune.data.source import ImageSource, Progress
from edgetune.errors import DataError, nearest
from edgetune.files import cache_folder

NAMED: dict[str, Callable[[Path], ImageSource]] = {
    "cifar10": CIFAR10,
    "digits": lambda cache: Digits(),
    "fashion-mnist": FashionMNIST,
}
LEAST_RESOLUTION, MOST_RESOLUTION = 8, 1024


def load_dataset(
    source: str,
    *,
    resolution: int | None = None,
    seed: int = 0,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """A labelled image set, decoded and split; the first time takes a while, then it is mapped from the cache.

    Parameters
    ----------
    source
        A named set (`fashion-mnist`, `cifar10`, `digits`) or a folder that holds a folder of pictures a class.
    resolution
        Pixels a side; by default the set's own, and for a folder 32 where the median shorter side is at most 64,
        else 224.
    seed
        Decides which pictures are carved out for validation and test where the set does not say.
    cache
        Where downloads and decoded pictures are kept; by default :func:`edgetune.files.cache_folder`.
    progress
        Called with what is being done, how many are done and how many there are.

    Raises
    ------
    DataError
        An unknown name, no pictures, a single class, a class with too few pictures, data that cannot be had.
    """
    cache = cache_folder() / "data" if cache is None else cache
    opened = open_source(source, cache, progress)
    resolution = opened.native_resolution if resolution is None else resolution
    if not LEAST_RESOLUTION <= resolution <= MOST_RESOLUTION:
        raise DataError(f"a resolution of {resolution} pixels", mend=f"choose {LEAST_RESOLUTION} to {MOST_RESOLUTION}")
    entry = cache / "prepared" / cache_key(opened, resolution, seed)
    try:
        return open_prepared(entry)
    except (OSError, ValueError, KeyError):  # absent, or cut short
        shutil.rmtree(entry, ignore_errors=True)
    try:
        prepare(opened, resolution, seed, entry, progress)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):  # another process was faster
            raise
    return open_prepared(entry)


def find_prepared(content_hash: str, *, cache: Path | None = None) -> Dataset | None:
    """A set that was prepared before, known by nothing but its content; None where its pictures are gone or damaged.

    Parameters
    ----------
    content_hash
        That of :class:`edgetune.data.pictures.Dataset`.
    cache
        As :func:`load_dataset` takes it.
    """
    cache = cache_folder() / "data" if cache is None else cache
    for entry in sorted((cache / "prepared").glob("*/")):
        with suppress(OSError, ValueError, KeyError):
            if (dataset := open_prepared(entry)).content_hash == content_hash:
                return dataset
    return None


def open_source(source: str, cache: Path, progress: Progress | None) -> ImageSource:
    """The named set, or the folder."""
    if source in NAMED:
        return NAMED[source](cache)
    folder = Path(source).expanduser()
    if not folder.is_dir() and folder.name == source:
        raise DataError(f"no set and no folder is called {source!r}", mend=nearest(source, NAMED))
    return Folder(folder, progress)
