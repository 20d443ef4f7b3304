"""The labels themselves, smoothed or not (Szegedy 2016, section 7)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def label_loss(student: Tensor, labels: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy with the labels, of which `smoothing` is spread over all classes; the mean over N.

    Parameters
    ----------
    student
        Logits, (N, classes).
    labels
        Class indices (N,), or shares of each class (N, classes) of mixed pictures.
    """
    return functional.cross_entropy(student, labels, label_smoothing=smoothing)


def hard(labels: Tensor) -> Tensor:
    """Class indices (N,); of a mixed picture the class with the larger share."""
    return labels if labels.ndim == 1 else labels.argmax(1)
