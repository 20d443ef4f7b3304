"""A folder of pictures, a folder a class, as untidy as people's folders are."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edgetune.data.decode import GREY_MODES, UnreadablePicture, decode, open_picture
from edgetune.data.source import Collection, ImageSource, Progress, Split
from edgetune.errors import DataError

SPLIT_FOLDERS = {
    "train": Split.TRAIN,
    "val": Split.VALIDATION,
    "valid": Split.VALIDATION,
    "validation": Split.VALIDATION,
    "test": Split.TEST,
}
SMALL_SIDE = 64
SMALL_RESOLUTION, USUAL_RESOLUTION = 32, 224
AHEAD = 256

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class PictureFile:
    """A file that may be a picture, and where it was found."""

    path: Path
    label: int
    given: Split


@dataclass(frozen=True)
class Look:
    """What a file's bytes and header say."""

    sha256: str
    shorter_side: int = 0
    grey: bool = False
    fault: str | None = None


class Folder(ImageSource):
    """`root/<class>/**/picture`, or `root/{train,val,test}/<class>/**/picture`.

    Opening it reads every file once, for its hash and its header.

    Raises
    ------
    DataError
        No folder, no pictures, or fewer than two classes.
    """

    licence = "not stated"

    def __init__(self, root: Path, progress: Progress | None = None) -> None:
        self.root = root
        self.name = root.resolve().name
        self.classes, self.files = list_files(root)
        paths = [file.path for file in self.files]
        self.looks = list(in_threads(look, paths, progress, "looking through pictures"))
        readable = [seen for seen in self.looks if seen.fault is None]
        if not readable:
            raise DataError(
                f"none of its {len(self.files)} file(s) is a picture", where=root, mend="give a folder of pictures"
            )
        self.channels = 1 if all(seen.grey for seen in readable) else 3
        small = median(seen.shorter_side for seen in readable) <= SMALL_SIDE
        self.native_resolution = SMALL_RESOLUTION if small else USUAL_RESOLUTION
        contents = hashlib.sha256()
        for file, seen in zip(self.files, self.looks, strict=True):
            contents.update(os.fsencode(file.path.relative_to(root)) + b"\0" + seen.sha256.encode() + b"\0")
        self.fingerprint = contents.hexdigest()

    def read(self, resolution: int, scratch: Path, progress: Progress | None) -> Collection:
        faults = [seen.fault for seen in self.looks]
        rows = [row for row, fault in enumerate(faults) if fault is None]
        decoded = in_threads(partial(self._decode, resolution), rows, progress, "decoding pictures")
        found: list[PictureFile] = []
        with (scratch / "decoded").open("wb") as file:  # written in order: a full disk is an error, not a crash
            for row, picture in zip(rows, decoded, strict=True):
                if isinstance(picture, str):
                    faults[row] = picture
                else:
                    file.write(picture.tobytes())
                    found.append(self.files[row])
        if not found:
            raise DataError("none of its pictures can be decoded", where=self.root, mend="give whole pictures")
        shape = (len(found), resolution, resolution, self.channels)
        return Collection(
            np.memmap(scratch / "decoded", np.uint8, "r", shape=shape),
            np.array([file.label for file in found], np.int64),
            np.array([file.given for file in found], np.int8),
            self._notes(faults),
            [printable(file.path.relative_to(self.root)) for file in found],
        )

    def _decode(self, resolution: int, row: int) -> NDArray[np.uint8] | str:
        """The pixels of a file, or what is wrong with it."""
        try:
            return decode(self.files[row].path.read_bytes(), resolution, self.channels)
        except (UnreadablePicture, OSError) as error:
            return str(error)

    def _notes(self, faults: Sequence[str | None]) -> tuple[str, ...]:
        bad = [
            f"{printable(file.path.relative_to(self.root))} ({fault})"
            for file, fault in zip(self.files, faults, strict=True)
            if fault is not None
        ]
        if not bad:
            return ()
        examples = ", ".join(bad[:3]) + (", …" if len(bad) > 3 else "")
        return (f"{len(bad)} of {len(faults)} files could not be read as pictures and were skipped: {examples}",)


def printable(path: Path) -> str:
    """The path with what is not UTF-8 in it replaced."""
    return os.fsencode(path).decode("utf-8", "replace")


def list_files(root: Path) -> tuple[tuple[str, ...], list[PictureFile]]:
    """The classes and all files under them, in an order that is the same on every machine."""
    if not root.is_dir():
        raise DataError("no such folder", where=root, mend="give a folder that holds a folder of pictures a class")
    folders = _folders(root)
    splits = {SPLIT_FOLDERS[folder.name]: folder for folder in folders if folder.name in SPLIT_FOLDERS}
    if Split.TRAIN not in splits or len(splits) != len(folders):
        splits = {Split.TRAIN: root}
    classes = tuple(sorted({folder.name for part in splits.values() for folder in _folders(part)}))
    if len(classes) < 2:
        raise DataError(
            f"it holds {len(classes)} class folder(s)",
            where=root,
            mend="give a folder that holds a folder of pictures for each of at least two classes",
        )
    files = [
        PictureFile(path, classes.index(folder.name), given)
        for given, part in sorted(splits.items())
        for folder in _folders(part)
        for path in sorted(_walk(folder, set()))
    ]
    return classes, files


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def _walk(folder: Path, above: set[tuple[int, int]]) -> Iterator[Path]:
    """Regular files under `folder`, links followed, but never in a circle."""
    here = folder.stat()
    identity = (here.st_dev, here.st_ino)
    if identity in above:
        return
    for entry in os.scandir(folder):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(Path(entry.path), above | {identity})
        elif entry.is_symlink() or stat.S_ISREG(entry.stat().st_mode):  # a pipe would wait for ever
            yield Path(entry.path)


def look(path: Path) -> Look:
    """Reads a file once: its hash, the size and mode of the picture, or what is wrong with it."""
    try:
        data = path.read_bytes()
    except OSError as error:
        return Look("", fault=error.strerror or str(error))
    digest = hashlib.sha256(data).hexdigest()
    try:
        image = open_picture(data)
    except UnreadablePicture as error:
        return Look(digest, fault=str(error))
    return Look(digest, min(image.size), image.mode in GREY_MODES)


def in_threads(function: Callable[[T], R], items: Sequence[T], progress: Progress | None, what: str) -> Iterator[R]:
    """`map(function, items)` on all cores, a few items ahead; Pillow decodes, resizes and hashes outside the GIL."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(items), AHEAD):
            yield from pool.map(function, items[start : start + AHEAD])
            if progress:
                progress(what, min(start + AHEAD, len(items)), len(items))
