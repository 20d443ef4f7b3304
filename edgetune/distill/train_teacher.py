"""A teacher for a data set: trained from nothing, or fine-tuned from a checkpoint of other classes."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from edgetune.data.pictures import Dataset
from edgetune.distill.compiled import compiled
from edgetune.distill.evaluate import top1_on
from edgetune.distill.linear_probe import fit_classifier
from edgetune.distill.loop import Batch, Progress, Recipe, train
from edgetune.distill.precision import mixed_precision
from edgetune.distill.teacher import TorchTeacher, fit_pixels
from edgetune.distill.teacher_checkpoint import CheckpointTeacher, Header, build, load_checkpoint, save_checkpoint
from edgetune.distill.together import rank, size
from edgetune.errors import TeacherError

WIDTH = 32
SMOOTHING = 0.1  # of the labels (Szegedy 2016)
FINE_TUNING = {"muon": 0.02, "adamw": 0.1, "sgd": 0.1}  # share of the learning rate for weights trained before


def trained_teacher(
    dataset: Dataset,
    recipe: Recipe,
    *,
    initial: Path | None,
    narrow: bool = False,
    seed: int,
    cache: Path,
    device: torch.device,
    progress: Progress | None = None,
) -> CheckpointTeacher:
    """The cached teacher for this data, recipe and seed, or a new one that is then cached.

    All processes of :func:`edgetune.distill.together.together` train the one, and the first of them keeps it.

    Parameters
    ----------
    initial
        A checkpoint whose features are fine-tuned under a fresh classifier; without it a
        :class:`edgetune.nets.residual.ResidualNetwork` is trained from nothing.
    narrow
        Whether that network is half as wide as usual.

    Raises
    ------
    TeacherError
        The checkpoint cannot be read; there are more processes than pictures in a batch; losses stay infinite.
    """
    if (batch := min(recipe.batch_size, len(dataset.train))) < size():
        reason = f"a batch of {batch} picture(s) for {size()} processes"
        raise TeacherError(reason, where="torchrun", mend="start fewer, or raise teacher_training.batch_size")
    start = f"{load_checkpoint(initial).content_hash}, its statistics kept" if initial else _width(narrow)
    key = json.dumps([dataset.content_hash, start, recipe.key, SMOOTHING, seed])
    folder = cache / "teachers" / f"{dataset.name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    if not folder.exists():
        teacher = new_teacher(dataset, initial, narrow=narrow, seed=seed, device=device)
        checkpoint = folder.with_name(f"{folder.name}.pt")  # a data set's name may have dots
        fit = fine_tune if initial else fit_teacher
        fit(teacher, dataset, recipe, seed=seed, checkpoint=checkpoint, progress=progress)
        if rank() > 0:
            return teacher
        save_checkpoint(folder, teacher.module.cpu(), teacher.header)
        checkpoint.unlink(missing_ok=True)
    return load_checkpoint(folder).to(device)


def new_teacher(
    dataset: Dataset, initial: Path | None, *, narrow: bool = False, seed: int, device: torch.device
) -> CheckpointTeacher:
    """Not trained yet; with `initial` its features are."""
    torch.manual_seed(seed)
    if initial is None:
        header = Header(
            architecture="residual",
            width=_width(narrow),
            channels=dataset.channels,
            resolution=dataset.resolution,
            classes=dataset.classes,
            mean=dataset.mean,
            std=dataset.std,
            licence=f"as {dataset.name}: {dataset.licence}",
            source=f"residual network trained on {dataset.name}",
        )
        return CheckpointTeacher(build(header), header, name=header.source).to(device)
    start = load_checkpoint(initial)
    source = f"{start.name}, fine-tuned on {dataset.name}"
    header = start.header.model_copy(update={"classes": dataset.classes, "source": source})
    module = build(header)
    fresh = {name: tensor for name, tensor in module.state_dict().items() if name.startswith("classifier.")}
    module.load_state_dict(start.module.state_dict() | fresh)
    return CheckpointTeacher(module, header, name=source).to(device)


def fit_teacher(
    teacher: TorchTeacher,
    dataset: Dataset,
    recipe: Recipe,
    *,
    seed: int,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
    statistics: bool = True,
) -> None:
    """Trains all weights with the labels, compiled where that pays.

    Without `statistics` BatchNorm keeps those it has, in training too.
    """
    device = next(teacher.module.parameters()).device
    steps = round(recipe.epochs * len(dataset.train) / recipe.batch_size)
    kept = [] if statistics else [layer for layer in teacher.module.modules() if isinstance(layer, nn.BatchNorm2d)]

    def example() -> Tensor:
        shape = (recipe.batch_size // size(), teacher.channels, teacher.resolution, teacher.resolution)
        return torch.zeros(shape, device=device).contiguous(memory_format=torch.channels_last)

    network = compiled(teacher.module, example, device=device, steps=steps, stage="teacher")

    def losses(batch: Batch) -> Iterator[Tensor]:
        for norm in kept:
            norm.eval()
        pixels = fit_pixels(batch.pixels, teacher.channels, teacher.resolution)
        with mixed_precision(pixels.device):
            logits = network(pixels)
        yield nn.functional.cross_entropy(logits.float(), batch.labels, label_smoothing=SMOOTHING)

    train(
        teacher.module,
        losses,
        dataset.train,
        recipe,
        seed=seed,
        stage="teacher",
        checkpoint=checkpoint,
        progress=progress,
    )


def fine_tune(
    teacher: TorchTeacher,
    dataset: Dataset,
    recipe: Recipe,
    *,
    seed: int,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> None:
    """Fits a new classifier to features that were learnt elsewhere, then trains all weights with a low learning rate.

    BatchNorm keeps the statistics that the features were learnt with: other ones change what the classifier was fitted
    to, and a short training does not make that good. It can still lose more than it gains: it is undone where the
    classifier alone did better on the validation split.
    """
    fit_classifier(teacher, dataset.train, progress=progress)
    untuned, reached = copy.deepcopy(teacher.module.state_dict()), _validated(teacher, dataset)
    recipe = replace(recipe, learning_rate=FINE_TUNING[recipe.optimizer] * recipe.learning_rate)
    fit_teacher(teacher, dataset, recipe, seed=seed, checkpoint=checkpoint, progress=progress, statistics=False)
    if _validated(teacher, dataset) < reached:
        teacher.module.load_state_dict(untuned)


def _width(narrow: bool) -> int:
    return WIDTH // 2 if narrow else WIDTH


def _validated(teacher: TorchTeacher, dataset: Dataset) -> float:
    device = next(teacher.module.parameters()).device
    return top1_on(teacher.logits, dataset.validation, device=device, fast=True)
