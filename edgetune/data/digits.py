"""scikit-learn's 1,797 handwritten digits: the smallest set that trains, for tests and first steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgetune.data.decode import resize_square
from edgetune.data.source import Collection, ImageSource, Progress, Split
from edgetune.errors import MissingDependencyError


class Digits(ImageSource):
    """8×8 grey pictures, 10 classes (Alpaydin and Kaynak, UCI, 1998)."""

    name = "digits"
    classes = tuple("0123456789")
    licence = "CC-BY-4.0"
    native_resolution = 8
    fingerprint = "scikit-learn digits"

    def read(self, resolution: int, scratch: Path, progress: Progress | None) -> Collection:
        try:
            from sklearn.datasets import load_digits
        except ImportError as error:
            raise MissingDependencyError(
                "the set 'digits' comes with scikit-learn", mend="pip install 'edgetune[search]'"
            ) from error
        digits = load_digits()
        images = np.rint(digits.images * 255 / 16).astype(np.uint8)[..., np.newaxis]
        labels = digits.target.astype(np.int64)
        return Collection(resize_square(images, resolution), labels, np.full(len(labels), Split.TRAIN, np.int8))
