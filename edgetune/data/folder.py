"""A folder of pictures, a folder a class, as untidy as people's folders are."""

from __future__ import annotations

import hashlib
import os
import stat
import unicodedata
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
    "training": Split.TRAIN,
    "val": Split.VALIDATION,
    "valid": Split.VALIDATION,
    "validation": Split.VALIDATION,
    "test": Split.TEST,
    "testing": Split.TEST,
}
"""By their names in small letters."""
LITTER = "__MACOSX"
"""What macOS adds to archives: a folder of files that are no pictures for each folder of pictures."""
BREAKS_LINES = frozenset(("Cc", "Zl", "Zp"))
"""Unicode categories that a class name may not have in it: labels are kept and printed one a line."""
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
        No folder, no pictures, or what :func:`list_files` refuses.
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
            (*self._notes(faults), *self._gaps(found)),
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

    def _gaps(self, found: Sequence[PictureFile]) -> Iterator[str]:
        """A note on each given split that lacks classes: its accuracy does not speak of them."""
        for split, name in ((Split.VALIDATION, "validation"), (Split.TEST, "test")):
            there = {file.label for file in found if file.given == split}
            lacking = [repr(label) for number, label in enumerate(self.classes) if number not in there]
            if there and lacking:
                yield f"the {name} split has no pictures of {', '.join(lacking)}"


def printable(path: Path) -> str:
    """The path with what is not UTF-8 in it replaced."""
    return os.fsencode(path).decode("utf-8", "replace")


def list_files(root: Path) -> tuple[tuple[str, ...], list[PictureFile]]:
    """The classes and all files under them, in an order that is the same on every machine.

    Raises
    ------
    DataError
        No folder, fewer than two classes, a class whose name cannot be kept, splits that are not told from classes.
    """
    if not root.is_dir():
        raise DataError("no such folder", where=root, mend="give a folder that holds a folder of pictures a class")
    splits = _splits(root)
    classes = tuple(sorted({_label(folder) for part in splits.values() for folder in _folders(part)}))
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


def _splits(root: Path) -> dict[Split, Path]:
    """The folder of each split; all is training where the folders are classes, of which one may be called train.

    Raises
    ------
    DataError
        A split, which is to say a folder of that name with classes in it, beside something else.
    """
    folders = _folders(root)
    named = [(split, folder) for folder in folders if (split := SPLIT_FOLDERS.get(folder.name.casefold())) is not None]
    splits = dict(named)
    if Split.TRAIN in splits and len(splits) == len(folders):
        return splits
    meant = sorted((split, folder) for split, folder in named if len(_folders(folder)) > 1)
    if not meant:
        return {Split.TRAIN: root}
    for split, folder in meant:
        for other in folders:
            if other != folder and SPLIT_FOLDERS.get(other.name.casefold()) in (None, split):
                raise DataError(
                    f"{printable(Path(other.name))!r} stands beside the split {folder.name!r} and is none,"
                    " or the same again",
                    where=root,
                    mend=f"move it elsewhere; or rename {folder.name!r} if it is a class",
                )
    raise DataError(
        f"a split {meant[0][1].name!r} and no training pictures",
        where=root,
        mend="name the folder with the classes to train on train",
    )


def _label(folder: Path) -> str:
    """A folder's name as that of a class."""
    try:
        folder.name.encode()
    except UnicodeEncodeError as error:
        raise DataError("a class name that is not UTF-8", where=printable(folder), mend="rename it") from error
    if any(unicodedata.category(sign) in BREAKS_LINES for sign in folder.name):
        raise DataError(
            "a class name with a line break or a control character", where=ascii(str(folder)), mend="rename it"
        )
    return folder.name


def _folders(root: Path) -> list[Path]:
    return sorted(
        path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".") and path.name != LITTER
    )


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
