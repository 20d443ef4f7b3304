"""What a search is judged and tested on, which nothing that its supernet begins with may have learnt from."""

from __future__ import annotations

from functools import cached_property
from hashlib import sha256
from itertools import chain

from edgetune.data.pictures import Dataset, Pictures


class Unseen:
    """The validation and test pictures of a set, known by their pixels, and by their names at any resolution."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def by(self, earlier: Dataset) -> bool:
        """Whether none of them is a training picture of `earlier`, be it this set split by another seed."""
        if earlier.content_hash == self.dataset.content_hash:
            return True
        if earlier.name == self.dataset.name and not self._names.isdisjoint(_names(earlier.train)):
            return False
        return self._digests.isdisjoint(_digests(earlier.train))

    @cached_property
    def _digests(self) -> set[bytes]:
        return _digests(self.dataset.validation, self.dataset.test)

    @cached_property
    def _names(self) -> set[str]:
        return _names(self.dataset.validation, self.dataset.test)


def _digests(*splits: Pictures) -> set[bytes]:
    images = chain.from_iterable(pictures.images for pictures in splits)
    return {sha256(image.tobytes()).digest() for image in images}


def _names(*splits: Pictures) -> set[str]:
    return {name for pictures in splits if pictures.names is not None for name in pictures.names.tolist()}
