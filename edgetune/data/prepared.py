"""Decoded and split sets in the cache: written once, then mapped into memory."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from numpy.lib.format import write_array_header_1_0
from numpy.typing import NDArray

from edgetune.data.pictures import Dataset, Pictures
from edgetune.data.source import Collection, ImageSource, Progress
from edgetune.data.splits import split, thin_classes
from edgetune.files import atomic_folder

FORMAT = 3
"""Part of every cache key: raise it when decoding or splitting changes."""
ROWS = 1024
"""Pictures handled at a time where a whole array may not fit the memory."""


def cache_key(source: ImageSource, resolution: int, seed: int) -> str:
    """A folder name for the prepared set, the same for the same content, resolution, seed and format."""
    text = json.dumps([FORMAT, source.fingerprint, source.classes, resolution, seed])
    return f"{source.name}-{resolution}px-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def prepare(source: ImageSource, resolution: int, seed: int, entry: Path, progress: Progress | None) -> None:
    """Reads and splits `source` into the folder `entry`, which is whole or absent."""
    with atomic_folder(entry) as folder:
        scratch = folder / "scratch"
        scratch.mkdir()
        found = source.read(resolution, scratch, progress)
        digests = np.stack([np.frombuffer(hashlib.sha256(image.tobytes()).digest(), "<u8") for image in found.images])
        kept, left_out = kept_classes(found, source.classes, digests[:, 0])
        classes = tuple(source.classes[label] for label in kept)
        rows = np.flatnonzero(np.isin(found.labels, kept))
        labels = np.searchsorted(kept, found.labels[rows])
        splits = split(labels, found.given[rows], digests[rows, 0], classes, seed)
        order = np.concatenate([splits.train, splits.validation, splits.test])
        labels, order = labels[order], rows[order]

        images = save_rows(folder / "images.npy", found.images, order)
        np.save(folder / "labels.npy", labels)
        np.save(folder / "names.npy", np.array(found.names or range(len(found.labels)), np.str_)[order])
        mean, std = channel_statistics(images[: len(splits.train)])
        counts = [len(splits.train), len(splits.validation), len(splits.test)]
        content = hashlib.sha256(digests[order].tobytes() + labels.tobytes())
        content.update(json.dumps([classes, counts, images.shape]).encode())
        description = {
            "name": source.name,
            "classes": classes,
            "counts": counts,
            "mean": mean,
            "std": std,
            "notes": [*found.notes, *left_out, *splits.notes],
            "licence": source.licence,
            "content_hash": content.hexdigest(),
        }
        (folder / "dataset.json").write_text(json.dumps(description, indent=1))
        for file in scratch.iterdir():
            file.unlink()
        scratch.rmdir()


def kept_classes(
    found: Collection, classes: tuple[str, ...], digests: NDArray[np.uint64]
) -> tuple[list[int], tuple[str, ...]]:
    """The classes, by index, that are left when the thin ones go, and a note on those."""
    thin = thin_classes(found.labels, found.given, digests)
    if not thin or len(classes) - len(thin) < 2:
        return list(range(len(classes))), ()
    names = ", ".join(repr(classes[label]) for label in thin)
    note = f"classes left out, since nearly all their pictures are copies or in other classes too: {names}"
    return [label for label in range(len(classes)) if label not in thin], (note,)


def save_rows(path: Path, images: NDArray[np.uint8], order: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Writes `images[order]` a few rows at a time, and maps what was written."""
    shape = (len(order), *images.shape[1:])
    with path.open("wb") as file:
        write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        for start in range(0, len(order), ROWS):
            file.write(images[order[start : start + ROWS]].tobytes())
    return np.load(path, mmap_mode="r")


def open_prepared(entry: Path) -> Dataset:
    """The set in a cache folder, its pictures mapped and read-only.

    Raises
    ------
    OSError, ValueError, KeyError
        Absent, cut short or not such a folder.
    """
    description = json.loads((entry / "dataset.json").read_text())
    images = np.load(entry / "images.npy", mmap_mode="r")
    labels = np.load(entry / "labels.npy")
    names = np.load(entry / "names.npy", mmap_mode="r")
    if not len(images) == len(labels) == len(names) == sum(description["counts"]):
        raise ValueError("counts differ")
    ends = np.cumsum(description["counts"])
    train, validation, test = (
        Pictures(images[end - count : end], labels[end - count : end], names[end - count : end])
        for end, count in zip(ends, description["counts"], strict=True)
    )
    return Dataset(
        name=description["name"],
        classes=tuple(description["classes"]),
        train=train,
        validation=validation,
        test=test,
        mean=tuple(description["mean"]),
        std=tuple(description["std"]),
        notes=tuple(description["notes"]),
        licence=description["licence"],
        content_hash=description["content_hash"],
    )


def channel_statistics(images: NDArray[np.uint8]) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel on the scale 0…1, exact, from histograms."""
    channels = images.shape[3]
    histogram = np.zeros((channels, 256), np.int64)
    for start in range(0, len(images), ROWS):
        pixels = images[start : start + ROWS].reshape(-1, channels)
        histogram += [np.bincount(pixels[:, channel], minlength=256) for channel in range(channels)]
    values = np.arange(256) / 255
    mean = histogram @ values / histogram.sum(axis=1)
    variance = histogram @ values**2 / histogram.sum(axis=1) - mean**2
    return mean.tolist(), np.sqrt(np.maximum(variance, 0)).tolist()
