"""What a teacher says of each training picture, computed once and kept on disk."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from edgetune.data.pictures import Pictures
from edgetune.distill.augment import Moves, view
from edgetune.distill.batches import in_batches
from edgetune.distill.precision import mixed_precision, to_pixels
from edgetune.distill.teacher import Teacher
from edgetune.errors import TeacherError
from edgetune.files import atomic_write

BATCH = 128  # a batch of 500 pictures of 192 pixels took a CPU 2.4 times as long a picture


@dataclass(frozen=True)
class Views:
    """How many, and what decides them: a training with the same seed, shift and mirroring shows the same."""

    count: int
    seed: int
    shift: int

    def moves(self, number: int, pictures: int, *, flip: bool) -> Moves:
        return view(number, pictures, seed=self.seed, shift=self.shift, flip=flip)


def teacher_outputs(
    teacher: Teacher,
    pictures: Pictures,
    *,
    key: str,
    flip: bool,
    cache: Path,
    device: torch.device,
    views: Views | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> np.ndarray:
    """float32 (N, classes), mapped from a file; with `flip` the mean over each picture and its mirror image.

    A student sees shifted and mirrored pictures beside these fixed targets, so that the teacher is run once and not
    once an epoch. With `views` the teacher looks at each picture as a student will see it (consistent teaching, Beyer
    2022), and the outputs are (views, N, classes).

    A cached file that is damaged is computed again, with a note; where the memory runs out, pictures are taken fewer at
    a time, with a note too.

    Parameters
    ----------
    key
        The content hash of the pictures.

    Raises
    ------
    TeacherError
        The teacher gives values that are not finite, or not a row a picture.
    """
    name = f"{teacher.content_hash} {key} {flip}" + (f" {views}" if views else "")
    path = cache / "teacher-outputs" / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.npy"
    shape = (len(pictures), len(teacher.classes))
    if path.exists():
        cached = _read(path)
        if cached is not None and cached.shape == ((views.count, *shape) if views else shape):
            return cached
        logging.getLogger(__name__).warning("%s is damaged: the teacher's outputs are computed again", path)
        if path.is_dir():
            shutil.rmtree(path)
    looks = [views.moves(number, len(pictures), flip=flip) for number in range(views.count)] if views else [None]
    told = _Told(progress, len(looks) * len(pictures))
    outputs = np.stack([_look(teacher, pictures, moves, told, flip=flip, device=device) for moves in looks])
    with atomic_write(path) as aside:
        np.save(aside, outputs if views else outputs[0], allow_pickle=False)
    return np.lib.format.open_memmap(path, mode="r")


class _Told:
    """Counts pictures over several looks at them."""

    def __init__(self, progress: Callable[[str, int, int], None] | None, total: int) -> None:
        self.progress, self.done, self.total = progress, 0, total

    def __call__(self, count: int) -> None:
        self.done += count
        if self.progress:
            self.progress("teacher outputs", self.done, self.total)


def _look(
    teacher: Teacher, pictures: Pictures, moves: Moves | None, told: _Told, *, flip: bool, device: torch.device
) -> np.ndarray:
    """The logits of all pictures, checked; with `moves` of them moved, and then not of their mirror images."""

    def logits(rows: np.ndarray) -> np.ndarray:
        pixels = to_pixels(pictures.images[rows], device)
        if moves:
            pixels = moves.of(rows)(pixels).contiguous(memory_format=torch.channels_last)
        return _logits(teacher, pixels, flip=flip and not moves).cpu().numpy()

    parts = []
    for part in in_batches(logits, np.arange(len(pictures)), size=BATCH, stage="teacher outputs"):
        parts.append(part)
        told(len(part))
    outputs = np.concatenate(parts)
    if outputs.shape != (shape := (len(pictures), len(teacher.classes))):
        reason = f"gives logits of shape {outputs.shape} for {shape[0]} pictures of {shape[1]} classes"
        raise TeacherError(reason, where=teacher.name, mend="give a row a picture, whatever their number")
    if not np.isfinite(outputs).all():
        raise TeacherError("gives values that are not finite", where=teacher.name, mend="check its weights")
    return outputs


@torch.no_grad()
def _logits(teacher: Teacher, pixels: Tensor, *, flip: bool) -> Tensor:
    with mixed_precision(pixels.device):
        logits = teacher.logits(pixels).float()
        return (logits + teacher.logits(pixels.flip(3)).float()) / 2 if flip else logits


def _read(path: Path) -> np.ndarray | None:
    """The cached array, mapped, or nothing when it is none, was cut short or has values that no teacher may give."""
    try:
        cached = np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError, EOFError):
        return None
    return cached if cached.dtype == np.float32 and np.isfinite(cached).all() else None
