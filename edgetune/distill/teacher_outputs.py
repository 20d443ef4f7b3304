"""What a teacher says of each training picture, computed once and kept on disk."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from edgetune.data.pictures import Pictures
from edgetune.distill.batches import in_batches
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
    once an epoch. A cached file that is damaged is computed again, with a note; where the memory runs out, pictures are
    taken fewer at a time, with a note too.

    Parameters
    ----------
    key
        The content hash of the pictures.

    Raises
    ------
    TeacherError
        The teacher gives values that are not finite, or not a row a picture.
    """
    shape = (len(pictures.labels), len(teacher.classes))
    name = hashlib.sha256(f"{teacher.content_hash} {key} {flip}".encode()).hexdigest()[:16]
    path = cache / "teacher-outputs" / f"{name}.npy"
    if path.exists():
        cached = _read(path)
        if cached is not None and cached.shape == shape:
            return cached
        logging.getLogger(__name__).warning("%s is damaged: the teacher's outputs are computed again", path)
        if path.is_dir():
            shutil.rmtree(path)

    def logits(images: np.ndarray) -> np.ndarray:
        return _logits(teacher, to_pixels(images, device), flip=flip).cpu().numpy()

    parts, done = [], 0
    for rows in in_batches(logits, pictures.images, size=BATCH, stage="teacher outputs"):
        parts.append(rows)
        done += len(rows)
        if progress:
            progress("teacher outputs", done, shape[0])
    outputs = np.concatenate(parts)
    if outputs.shape != shape:
        reason = f"gives logits of shape {outputs.shape} for {shape[0]} pictures of {shape[1]} classes"
        raise TeacherError(reason, where=teacher.name, mend="give a row a picture, whatever their number")
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
    """The cached array, or nothing when it is none, was cut short or has values that no teacher may give."""
    try:
        with path.open("rb") as file:
            cached = np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return cached if cached.dtype == np.float32 and np.isfinite(cached).all() else None
