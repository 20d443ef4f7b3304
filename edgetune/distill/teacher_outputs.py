"""What a teacher says of each training picture, computed once and kept on disk."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from edgetune.data.pictures import Pictures
from edgetune.distill.precision import mixed_precision, to_pixels
from edgetune.distill.teacher import Teacher
from edgetune.errors import TeacherError
from edgetune.files import atomic_write

BATCH = 500


def teacher_outputs(
    teacher: Teacher,
    pictures: Pictures,
    *,
    key: str,
    flip: bool,
    cache: Path,
    device: torch.device,
    progress: Callable[[str, int, int], None] | None = None,
) -> np.ndarray:
    """float32 (N, classes); with `flip` the mean over each picture and its mirror image.

    A student sees shifted and mirrored pictures beside these fixed targets, so that the teacher is run once and not
    once an epoch. A cached file that was cut short is computed again, with a note.

    Parameters
    ----------
    key
        The content hash of the pictures.

    Raises
    ------
    TeacherError
        The teacher gives values that are not finite.
    """
    shape = (len(pictures.labels), len(teacher.classes))
    name = hashlib.sha256(f"{teacher.content_hash} {key} {flip}".encode()).hexdigest()[:16]
    path = cache / "teacher-outputs" / f"{name}.npy"
    if path.exists():
        cached = _read(path)
        if cached is not None and cached.shape == shape:
            return cached
        logging.getLogger(__name__).warning("%s is damaged: the teacher's outputs are computed again", path)
    rows = []
    for start in range(0, shape[0], BATCH):
        pixels = to_pixels(pictures.images[start : start + BATCH], device)
        rows.append(_logits(teacher, pixels, flip=flip).cpu().numpy())
        if progress:
            progress("teacher outputs", min(start + BATCH, shape[0]), shape[0])
    outputs = np.concatenate(rows)
    if not np.isfinite(outputs).all():
        raise TeacherError("gives values that are not finite", where=teacher.name, mend="check its weights")
    with atomic_write(path) as aside:
        np.save(aside, outputs, allow_pickle=False)
    return outputs


@torch.no_grad()
def _logits(teacher: Teacher, pixels: Tensor, *, flip: bool) -> Tensor:
    with mixed_precision(pixels.device):
        logits = teacher.logits(pixels).float()
        return (logits + teacher.logits(pixels.flip(3)).float()) / 2 if flip else logits


def _read(path: Path) -> np.ndarray | None:
    """The cached array, or nothing when it was cut short."""
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, EOFError):
        return None
