"""Training, validation and test pictures: stratified, seeded, and none in two splits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgetune.data.source import Split
from edgetune.errors import DataError

CARVED = {Split.TEST: 0.15, Split.VALIDATION: 0.1}
"""Shares of the training part that become a split which the set's makers did not give."""


@dataclass(frozen=True, eq=False)
class Splits:
    """Rows of a collection, each split in random order, and what was left out."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    notes: tuple[str, ...]


def split(
    labels: NDArray[np.int64],
    given: NDArray[np.int8],
    digests: NDArray[np.uint64],
    classes: tuple[str, ...],
    seed: int,
) -> Splits:
    """Divides a collection, class by class.

    A split that the set's makers gave is kept; one that they did not give is carved out of the training part (15 %
    for test, 10 % for validation, at least one of each class). Of equal pictures (equal digests) one
    stays, in the test split rather than the validation split rather than the training split, and none where they are
    found under two classes; a given test split alone keeps all it has, so that its figures compare with other people's.

    Parameters
    ----------
    labels, given, digests
        (N,) each: class index, :class:`Split` and a hash of the pixels.

    Raises
    ------
    DataError
        A class has too few pictures to be in every split.
    """
    keep, notes = without_copies(labels, given, digests)
    parts = {part: np.flatnonzero(keep & (given == part)) for part in Split}
    carved = {part: share for part, share in CARVED.items() if not len(parts[part])}
    pool = parts[Split.TRAIN]
    counts = np.bincount(labels[pool], minlength=len(classes))
    if (few := int(counts.argmin()), counts.min())[1] < 1 + len(carved):
        raise DataError(
            f"class {classes[few]!r} has {counts[few]} usable training picture(s)",
            mend=f"give it at least {1 + len(carved)}" + "".join(f"; {note}" for note in notes),
        )

    rng = np.random.default_rng(seed)
    train = []
    for label in range(len(classes)):
        rows = rng.permutation(pool[labels[pool] == label])
        for part, share in carved.items():
            count = max(1, round(share * counts[label]))
            parts[part] = np.concatenate([parts[part], rows[:count]])
            rows = rows[count:]
        train.append(rows)
    parts[Split.TRAIN] = np.concatenate(train)
    shuffled = {part: rng.permutation(rows) for part, rows in parts.items()}
    return Splits(shuffled[Split.TRAIN], shuffled[Split.VALIDATION], shuffled[Split.TEST], notes)


def thin_classes(labels: NDArray[np.int64], given: NDArray[np.int8], digests: NDArray[np.uint64]) -> list[int]:
    """Classes that have enough pictures to be in every split, but too few once copies are left out.

    Too few from the beginning is a mistake to be told of; this is how untidy folders are. Parameters as of
    :func:`split`.
    """
    keep, _ = without_copies(labels, given, digests)
    pool = given == Split.TRAIN
    needed = 1 + sum(not (given == part).any() for part in CARVED)
    counts, usable = (np.bincount(labels[rows], minlength=labels.max() + 1) for rows in (pool, pool & keep))
    return [int(label) for label in np.flatnonzero((counts >= needed) & (usable < needed))]


def without_copies(
    labels: NDArray[np.int64], given: NDArray[np.int8], digests: NDArray[np.uint64]
) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Which rows stay when copies are left out (a mask), and notes that count what does not."""
    unique, group = np.unique(digests, return_inverse=True)
    lowest, highest = np.full(len(unique), np.iinfo(np.int64).max), np.full(len(unique), -1)
    np.minimum.at(lowest, group, labels)
    np.maximum.at(highest, group, labels)
    ambiguous = (lowest != highest)[group] & (given != Split.TEST)

    best_first = np.argsort(-given, kind="stable")
    first = np.zeros(len(labels), bool)
    first[best_first[np.unique(group[best_first], return_index=True)[1]]] = True
    keep = (first & ~ambiguous) | (given == Split.TEST)

    best = np.zeros(len(unique), np.int8)
    np.maximum.at(best, group, given)
    left_out = ~keep & ~ambiguous
    leaked = int((left_out & (given < best[group])).sum())
    counted = (
        (int(ambiguous.sum()), "picture(s) that are found under more than one class left out"),
        (leaked, "picture(s) left out that the test or validation split also holds"),
        (int(left_out.sum()) - leaked, "exact copies of other pictures left out"),
    )
    return keep, tuple(f"{count} {what}" for count, what in counted if count)
