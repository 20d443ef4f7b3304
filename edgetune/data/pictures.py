"""A labelled image set, decoded and split, as everything above this room sees it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Pictures:
    """One split: pictures and their labels, row by row, in random order (a prefix is a fair sample).

    Attributes
    ----------
    images
        uint8, (N, height, width, channels), pixel values 0…255; read-only and mapped from a file.
    labels
        int64, (N,), indices into the set's classes.
    names
        str, (N,): a picture's path in its folder, or its number in the published set.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    names: NDArray[np.str_] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int) -> Pictures:
        """At most so many, without their names."""
        return Pictures(self.images[:count], self.labels[:count])


@dataclass(frozen=True, eq=False)
class Dataset:
    """An image set with its three splits; no picture is in two of them.

    Attributes
    ----------
    mean, std
        Of the training pixels, one a channel, on the scale 0…1.
    notes
        What a user should know: skipped pictures with their count, copies left out, …
    content_hash
        SHA-256 of the splits' pixels and labels and of the classes; equal hashes, equal sets.
    """

    name: str
    classes: tuple[str, ...]
    train: Pictures
    validation: Pictures
    test: Pictures
    mean: tuple[float, ...]
    std: tuple[float, ...]
    notes: tuple[str, ...]
    licence: str
    content_hash: str

    @property
    def splits(self) -> dict[str, list[str]]:
        """The names of each split's pictures, in order, to be written down."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: [] if part.names is None else part.names.tolist() for name, part in parts.items()}

    @property
    def channels(self) -> int:
        return int(self.train.images.shape[3])

    @property
    def resolution(self) -> int:
        """Height and width in pixels; pictures are square."""
        return int(self.train.images.shape[1])
