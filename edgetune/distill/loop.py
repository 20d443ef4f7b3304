"""The training loop: one page for the teacher, the supernet and the finalists.

They differ only in what `losses` does with a batch. Muon (Jordan 2024), AdamW (Loshchilov 2019) or Nesterov's momentum,
warm-up and decay of the learning rate, gradient clipping, smaller pictures first (Tan and Le 2021); if wanted a moving
average of the weights (Polyak 1992; Tarvainen 2017), RandAugment, mixup and CutMix.
An epoch's random numbers come from the seed and the step it begins at, so that a resumed run repeats an unbroken one.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from edgetune.data.pictures import Pictures
from edgetune.distill.ahead import ahead
from edgetune.distill.augment import Moves, view
from edgetune.distill.gradients import NotFinite, backward
from edgetune.distill.mixing import mix
from edgetune.distill.optimizers import optimizer_of
from edgetune.distill.rand_augment import rand_augment
from edgetune.distill.schedules import share_of_peak
from edgetune.distill.together import averaged_gradients, begin_alike, rank, size
from edgetune.distill.training_state import TrainingState, identity_of
from edgetune.errors import TeacherError

Progress = Callable[[str, int, int], None]
ATTEMPTS = 4
"""At an epoch whose losses are not finite, each from its beginning and with half the learning rate of the last."""
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
    # Came later, so not in repr: what is cached under an older recipe's key is still found where these are off.
    ema: float = field(default=0.0, repr=False)  # decay of the average of the weights that the training ends with
    mixup: float = field(default=0.0, repr=False)  # α of the shares
    cutmix: float = field(default=0.0, repr=False)
    rand_augment: int = field(default=0, repr=False)  # magnitude, 1 to 10
    optimizer: str = field(default="adamw", repr=False)  # or muon, sgd
    schedule: str = field(default="cosine", repr=False)  # or linear

    @property
    def key(self) -> str:
        """Tells recipes apart."""
        on = {f.name: value for f in fields(self) if not f.repr and (value := getattr(self, f.name)) != f.default}
        return repr(self) + (json.dumps(on) if on else "")

    def resolution(self, full: int, done: float) -> int:
        """Pixels a side at this point of the training."""
        return round(0.75 * full) if done < self.shrunk and full >= LEAST_SHRUNK else full


@dataclass(frozen=True)
class Batch:
    """Augmented pictures, float32 raw pixels (N, C, H, W), labels (N,), the teacher's logits (N, classes).

    The labels of mixed pictures are shares of the classes, float32 (N, classes). Of several processes each has its own
    `share` of a batch.
    """

    pixels: Tensor
    labels: Tensor
    teacher_logits: Tensor | None
    generator: torch.Generator  # of the batch's own
    done: float = 0.0  # share of the training before this batch
    share: float = 1.0

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
    after_epoch: Callable[[], None] | None = None,
) -> None:
    """Trains `module` in place.

    With a `checkpoint` path the state is written after each epoch and picked up from there. Epochs may be a fraction.
    `after_epoch` is called then; it may judge the module, and ends the training with whatever it raises.
    An epoch in which a loss or a gradient is not finite is done again from its beginning, more slowly.

    Parameters
    ----------
    teacher_logits
        float32 (N, classes); or (views, N, classes), and epoch after epoch shows the view that is next.

    Raises
    ------
    TeacherError
        Losses stay infinite: the learning rate is too high, or the teacher gave NaN.
    StudyError
        The checkpoint is damaged, or of another training.
    """
    begin_alike(module)
    device = next(module.parameters()).device
    per_epoch = max(1, len(pictures) // recipe.batch_size)
    total = max(1, round(recipe.epochs * per_epoch))
    optimizer = optimizer_of(module, recipe.optimizer, recipe.learning_rate, recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: share_of_peak(recipe.schedule, step, total, recipe.warm_up)
    )
    average = moving_average(module, recipe.ema)
    identity = identity_of(module, recipe.key, seed, pictures.labels)
    state = TrainingState(module, optimizer, schedule, average, identity)
    state.resume(checkpoint)
    parts, failures = 1, 0
    module.train()
    while (step := schedule.last_epoch) < total:
        batches = _batches(pictures, teacher_logits, recipe, device, seed=seed, step=step)
        if device.type == "cuda":  # otherwise the cores are busy with the training itself
            batches = ahead(batches)
        try:
            for batch in islice(batches, total - step):
                batch = batch.at(schedule.last_epoch / total, recipe)
                with averaged_gradients(module, batch.share):
                    parts = backward(losses, batch, module, parts=parts, stage=stage)
                clip_gradients(module, recipe.clip_norm)
                optimizer.step()
                schedule.step()
                if average is not None:
                    average.update_parameters(module)
                if progress:
                    progress(stage, schedule.last_epoch * recipe.batch_size, total * recipe.batch_size)
        except NotFinite:
            failures += 1
            state.go_back(failures)
            if failures == ATTEMPTS:
                raise TeacherError("the loss is not finite", where=stage, mend="lower the learning rate") from None
            logging.getLogger(__name__).warning("%s: the loss is not finite; back to step %d, slower", stage, step)
        else:
            failures = 0
            state.keep()
            if rank() == 0:
                state.save(checkpoint)
            if after_epoch:
                after_epoch()
                module.train()
    if average is not None:
        module.load_state_dict(average.module.state_dict())
    module.eval()


def moving_average(module: nn.Module, decay: float) -> AveragedModel | None:
    """Of all weights and BatchNorm statistics, exponential; nothing without a decay."""
    return AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True) if decay else None


def clip_gradients(module: nn.Module, norm: float) -> None:
    """Scales all gradients to a common norm of at most `norm`; raises :class:`NotFinite`."""
    if not torch.isfinite(nn.utils.clip_grad_norm_(module.parameters(), norm)):
        raise NotFinite


def _batches(
    pictures: Pictures,
    teacher_logits: np.ndarray | None,
    recipe: Recipe,
    device: torch.device,
    *,
    seed: int,
    step: int,
) -> Iterator[Batch]:
    """Those of the epoch that begins at a step; each has random numbers of its own, whoever draws them and when."""
    generator = torch.Generator().manual_seed(seed * 10_007 + step)
    count = len(pictures)
    order = torch.randperm(count, generator=generator).numpy()
    whole = max(1, count // recipe.batch_size)
    classes = int(pictures.labels.max()) + 1 if teacher_logits is None else teacher_logits.shape[-1]
    moved: dict[str, Any] = {"shift": recipe.shift, "flip": recipe.flip}
    moves = None
    if teacher_logits is not None and teacher_logits.ndim == 3:
        number = step // whole % len(teacher_logits)
        moves, teacher_logits = view(number, count, seed=seed, **moved), teacher_logits[number]
    for i in range(whole):
        batch = order[i * recipe.batch_size : (i + 1) * recipe.batch_size]
        chosen = np.sort(batch[rank() :: size()])  # reads of a memory-mapped file go forwards
        own = torch.Generator().manual_seed(int(torch.randint(2**31, (size(),), generator=generator)[rank()]))
        images = pictures.images[chosen]
        if recipe.rand_augment:
            images = rand_augment(images, _numpy(own), magnitude=recipe.rand_augment)
        raw = torch.from_numpy(images).permute(0, 3, 1, 2).to(device)  # as bytes: a quarter of what floats take
        move = moves.of(chosen) if moves else Moves.draw(len(chosen), own, **moved)
        pixels = move(raw).to(torch.float32, memory_format=torch.channels_last)
        labels = torch.from_numpy(pictures.labels[chosen]).to(device)
        teacher = None if teacher_logits is None else torch.from_numpy(teacher_logits[chosen]).to(device)
        if recipe.mixup or recipe.cutmix:
            pixels, labels, teacher = mix(
                pixels,
                labels,
                teacher,
                _numpy(own),
                mixup=recipe.mixup,
                cutmix=recipe.cutmix,
                classes=classes,
            )
        yield Batch(pixels, labels, teacher, own, share=len(chosen) / len(batch))


def _numpy(generator: torch.Generator) -> np.random.Generator:
    """A numpy stream that a torch stream decides."""
    return np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator)))
