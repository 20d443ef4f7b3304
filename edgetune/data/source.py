"""The seam for image sets: what a source of labelled pictures must be able to say and do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and how many there are."""


class Split(IntEnum):
    """Which part of the set its makers put a picture in; what they left undivided is all `TRAIN`."""

    TRAIN = 0
    VALIDATION = 1
    TEST = 2


@dataclass(frozen=True, eq=False)
class Collection:
    """Labelled pictures as they come from a source, copies and all, before they are split.

    Attributes
    ----------
    images
        uint8, (N, resolution, resolution, channels).
    labels
        int64, (N,).
    given
        int8, (N,), values of :class:`Split`.
    names
        N of them, what tells the pictures apart for people; by default their numbers.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    given: NDArray[np.int8]
    notes: tuple[str, ...] = ()
    names: Sequence[str] | None = None


class ImageSource(ABC):
    """Where labelled pictures come from. Opening one is quick; :meth:`read` does the work.

    Attributes
    ----------
    native_resolution
        Pixels a side that suit the pictures when the user asks for none.
    fingerprint
        Changes whenever :meth:`read` would give other pictures or labels.
    """

    name: str
    classes: tuple[str, ...]
    licence: str
    native_resolution: int
    fingerprint: str

    @abstractmethod
    def read(self, resolution: int, scratch: Path, progress: Progress | None) -> Collection:
        """Decodes all pictures at `resolution` pixels a side.

        `scratch` is an empty folder for arrays too large for the memory; it is removed afterwards.

        Raises
        ------
        DataError
            The pictures cannot be had.
        """
