"""The training loop: one page for the teacher, the supernet and the finalists.

They differ only in what `losses` does with a batch. AdamW (Loshchilov 2019), linear warm-up and cosine decay
(Loshchilov 2017), gradient clipping, smaller pictures first (Tan and Le 2021).
An epoch's random numbers come from the seed and the step it begins at, so that a resumed run repeats an unbroken one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from edgetune.data.pictures import Pictures
from edgetune.distill.augment import shift_and_flip
from edgetune.errors import TeacherError
from edgetune.files import atomic_write

Progress = Callable[[str, int, int], None]
Schedule = torch.optim.lr_scheduler.LRScheduler
LEAST_SHRUNK = 24
"""Pictures of fewer pixels a side are never shrunk."""


@dataclass(frozen=True)
class Recipe:
    """How long and how fast to train."""

    epochs: float
    learning_rate: float
    batch_size: int = 256
    weight_decay: float = 0.05
    warm_up: float = 0.2  # share of all steps
    clip_norm: float = 5.0
    shift: int = 1
    flip: bool = True
    shrunk: float = 0.0  # share of the training, from its beginning, on pictures of three quarters the side

    def resolution(self, full: int, done: float) -> int:
        """Pixels a side at this point of the training."""
        return round(0.75 * full) if done < self.shrunk and full >= LEAST_SHRUNK else full


@dataclass(frozen=True)
class Batch:
    """Augmented pictures, float32 raw pixels (N, C, H, W), labels (N,), the teacher's logits (N, classes)."""

    pixels: Tensor
    labels: Tensor
    teacher_logits: Tensor | None
    generator: torch.Generator
    done: float = 0.0  # share of the training before this batch

    def at(self, done: float, recipe: Recipe) -> Batch:
        """The batch as this point of the training wants it."""
        full = self.pixels.shape[2]
        resolution = recipe.resolution(full, done)
        if resolution == full:
            return replace(self, done=done)
        small = functional.interpolate(self.pixels, size=(resolution, resolution), mode="bilinear", antialias=True)
        return replace(self, pixels=small.contiguous(memory_format=torch.channels_last), done=done)


Losses = Callable[[Batch], Iterable[Tensor]]


def train(
    module: nn.Module,
    losses: Losses,
    pictures: Pictures,
    recipe: Recipe,
    *,
    seed: int,
    stage: str,
    teacher_logits: np.ndarray | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> None:
    """Trains `module` in place; each loss that `losses` yields is differentiated before the next is computed.

    With a `checkpoint` path the state is written after each epoch and picked up from there. Epochs may be a fraction.

    Raises
    ------
    TeacherError
        A loss that is not finite: the learning rate is too high, or the teacher gave NaN.
    """
    device = next(module.parameters()).device
    per_epoch = max(1, len(pictures) // recipe.batch_size)
    total = max(1, round(recipe.epochs * per_epoch))
    optimizer = torch.optim.AdamW(parameter_groups(module, recipe.weight_decay), lr=recipe.learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: warm_up_cosine(step, total, recipe.warm_up))
    step = _resume(checkpoint, module, optimizer, schedule)
    module.train()
    while step < total:
        generator = torch.Generator().manual_seed(seed * 10_007 + step)
        batches = _batches(pictures, teacher_logits, recipe, generator, device)
        for batch in islice(batches, total - step):
            batch = batch.at(step / total, recipe)
            optimizer.zero_grad(set_to_none=True)
            for loss in losses(batch):
                if not torch.isfinite(loss):
                    raise TeacherError("the loss is not finite", where=stage, mend="lower the learning rate")
                loss.backward()
            nn.utils.clip_grad_norm_(module.parameters(), recipe.clip_norm)
            optimizer.step()
            schedule.step()
            step += 1
            if progress:
                progress(stage, step * recipe.batch_size, total * recipe.batch_size)
        _save(checkpoint, module, optimizer, schedule)
    module.eval()


def warm_up_cosine(step: int, total: int, warm_up: float) -> float:
    """The share of the peak learning rate at a step: linear up, then half a cosine down to zero."""
    rising = max(1, int(total * warm_up))
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, total - rising)))


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Weights decay; biases and BatchNorm do not."""
    decayed = [p for p in module.parameters() if p.requires_grad and p.ndim > 1]
    spared = [p for p in module.parameters() if p.requires_grad and p.ndim <= 1]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": spared, "weight_decay": 0.0}]


def _batches(
    pictures: Pictures,
    teacher_logits: np.ndarray | None,
    recipe: Recipe,
    generator: torch.Generator,
    device: torch.device,
) -> Iterator[Batch]:
    order = torch.randperm(len(pictures.labels), generator=generator).numpy()
    whole = max(1, len(order) // recipe.batch_size)
    for chosen in (order[i * recipe.batch_size : (i + 1) * recipe.batch_size] for i in range(whole)):
        chosen = np.sort(chosen)  # reads of a memory-mapped file go forwards
        raw = torch.from_numpy(pictures.images[chosen]).permute(0, 3, 1, 2)
        moved = shift_and_flip(raw, generator, shift=recipe.shift, flip=recipe.flip)
        yield Batch(
            pixels=moved.to(device, torch.float32, memory_format=torch.channels_last),
            labels=torch.from_numpy(pictures.labels[chosen]).to(device),
            teacher_logits=None if teacher_logits is None else torch.from_numpy(teacher_logits[chosen]).to(device),
            generator=generator,
        )


def _save(path: Path | None, module: nn.Module, optimizer: torch.optim.Optimizer, schedule: Schedule) -> None:
    if path is None:
        return
    with atomic_write(path) as aside:
        torch.save(
            {
                "module": module.state_dict(),
                "optimizer": optimizer.state_dict(),
                "schedule": schedule.state_dict(),
            },
            aside,
        )


def _resume(path: Path | None, module: nn.Module, optimizer: torch.optim.Optimizer, schedule: Schedule) -> int:
    """The step to go on with."""
    if path is None or not path.exists():
        return 0
    state = torch.load(path, weights_only=True, map_location="cpu")  # written on a GPU, it may go on without one
    module.load_state_dict(state["module"])
    optimizer.load_state_dict(state["optimizer"])
    schedule.load_state_dict(state["schedule"])
    return schedule.last_epoch
