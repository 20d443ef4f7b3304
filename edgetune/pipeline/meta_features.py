"""A data set in a few numbers, so that a search can tell which earlier one was about something alike."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from edgetune.data.pictures import Dataset

LOOKED_AT, AT_A_TIME = 2_000, 64  # pictures
TEACHER = "teacher"
"""The top-1 of the teacher, which is known later than the rest; studies of older versions lack it."""


def meta_features(dataset: Dataset) -> dict[str, float]:
    """Plain numbers of about the same weight: sizes on a logarithm, pixel statistics on the scale 0 to 1.

    Two landmarks say how hard it is, both on pictures shrunk to 8 × 8: the accuracy of the nearest class mean on the
    pictures it was taken from, and the share of the variance that the ten largest principal components hold. Once there
    is a teacher, its accuracy is added, see :data:`TEACHER`.
    """
    images, labels = dataset.train.images[:LOOKED_AT], dataset.train.labels[:LOOKED_AT]
    small = _shrunk(images)
    counts = np.bincount(dataset.train.labels, minlength=len(dataset.classes))
    shares = counts[counts > 0] / counts.sum()
    centred = small - small.mean(axis=0)
    spectrum = np.linalg.svd(centred, compute_uv=False) ** 2
    return {
        "classes": math.log(len(dataset.classes)),
        "pictures": math.log10(len(dataset.train)),
        "resolution": math.log2(dataset.resolution),
        "channels": float(dataset.channels),
        "mean": float(np.mean(dataset.mean)),
        "std": float(np.mean(dataset.std)),
        "balance": float(-(shares * np.log(shares)).sum() / max(math.log(len(dataset.classes)), 1e-9)),
        "nearest_mean": _nearest_mean(small, labels),
        "spectrum": float(spectrum[:10].sum() / max(spectrum.sum(), 1e-12)),
    }


def distance(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Mean absolute difference over the features that both know; infinite where there are none."""
    shared = one.keys() & other.keys()
    return sum(abs(one[name] - other[name]) for name in shared) / len(shared) if shared else math.inf


def _shrunk(images: np.ndarray) -> np.ndarray:
    """Block means, float (n, about 64 × channels), from 0 to 1; a few pictures at a time, for large ones."""
    _, height, width, channels = images.shape
    step = max(1, min(height, width) // 8)
    rows, columns = height // step, width // step
    parts = []
    for start in range(0, len(images), AT_A_TIME):
        cut = images[start : start + AT_A_TIME, : rows * step, : columns * step].astype(np.float32) / 255
        blocks = cut.reshape(len(cut), rows, step, columns, step, channels).mean(axis=(2, 4))
        parts.append(blocks.reshape(len(cut), -1))
    return np.concatenate(parts)


def _nearest_mean(pictures: np.ndarray, labels: np.ndarray) -> float:
    means = {label: pictures[labels == label].mean(axis=0) for label in np.unique(labels)}
    names, table = np.array(list(means)), np.array(list(means.values()))
    distances = (table**2).sum(axis=1) - 2 * pictures @ table.T
    return float((names[distances.argmin(axis=1)] == labels).mean())
