"""Batches that fit the memory."""

from __future__ import annotations

import numpy as np
import pytest

from edgetune.distill.batches import in_batches


class Refuses:
    """Takes so many at a time, and notes how many it was given."""

    def __init__(self, most: int, message: str = "") -> None:
        self.most, self.message, self.given = most, message, list[int]()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        self.given.append(len(images))
        if len(images) > self.most:
            raise MemoryError if not self.message else RuntimeError(self.message)
        return images + 1


@pytest.mark.parametrize(
    "message",
    ["", "[enforce fail] DefaultCPUAllocator: can't allocate memory", "bad allocation", "could not create a primitive"],
)
def test_batches_are_halved_until_they_fit_and_stay_so(message: str, caplog: pytest.LogCaptureFixture) -> None:
    function = Refuses(3, message)
    rows = np.concatenate(list(in_batches(function, np.arange(10), size=8, stage="looking")))
    assert np.array_equal(rows, np.arange(10) + 1)
    assert function.given == [8, 4, 2, 2, 2, 2, 2]
    assert caplog.messages[0] == "looking: out of memory; pictures are taken 4 at a time"


def test_a_single_picture_that_does_not_fit_is_an_error() -> None:
    function = Refuses(0, "bad allocation")
    with pytest.raises(MemoryError, match="looking: not even a single picture fits"):
        list(in_batches(function, np.arange(3), size=8, stage="looking"))
    assert function.given == [3, 1]


def test_other_errors_are_not_hidden() -> None:
    function = Refuses(0, "something else")
    with pytest.raises(RuntimeError, match="something else"):
        list(in_batches(function, np.arange(3), size=8, stage="looking"))
    assert function.given == [3]
