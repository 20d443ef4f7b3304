"""Top-1 accuracy, and the BatchNorm statistics that must fit a network before it is judged."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor, nn

from edgetune.data.pictures import Pictures
from edgetune.distill.batches import in_batches
from edgetune.distill.precision import mixed_precision, to_pixels

BATCH = 250


@torch.no_grad()
def logits_of(
    forward: Callable[[Tensor], Tensor], pictures: Pictures, *, device: torch.device, fast: bool = False
) -> np.ndarray:
    """float32 (N, classes) for raw pictures; computed in float32, or, when it must be fast, in mixed precision."""

    def logits(images: np.ndarray) -> np.ndarray:
        with mixed_precision(device) if fast else nullcontext():
            return forward(to_pixels(images, device)).float().cpu().numpy()

    return np.concatenate(list(in_batches(logits, pictures.images, size=BATCH, stage="evaluation")))


def top1(logits: np.ndarray, labels: np.ndarray) -> float:
    """The share of pictures whose largest logit is the label's."""
    return float((logits.argmax(1) == labels).mean())


def top1_on(
    forward: Callable[[Tensor], Tensor], pictures: Pictures, *, device: torch.device, fast: bool = False
) -> float:
    """Top-1 of what `forward` says of raw pictures; see :func:`logits_of`."""
    return top1(logits_of(forward, pictures, device=device, fast=fast), pictures.labels)


def accuracy(module: nn.Module, pictures: Pictures, *, fast: bool = False) -> float:
    """Top-1 of a module in evaluation mode; see :func:`logits_of`."""
    device = next(module.parameters()).device
    return top1_on(module.eval(), pictures, device=device, fast=fast)


def enough(count: int, resolution: int) -> int:
    """How many pictures settle BatchNorm statistics as well as `count` of 28 pixels: large ones have more positions."""
    return max(BATCH, min(count, count * 28 // resolution))


@torch.no_grad()
def recalibrate(module: nn.Module, images: np.ndarray) -> None:
    """Sets the BatchNorm statistics to the means over `images`, uint8 (N, H, W, C) (Yu and Huang 2019, section 3.3).

    Of large pictures only the first are used, see :func:`enough`. A module without BatchNorm is left as it is.
    """
    images = images[: enough(len(images), images.shape[1])]
    device = next(module.parameters()).device
    norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over the batches
    module.train()
    whole = max(1, len(images) // BATCH)  # a small last batch would weigh as much as a whole one
    for start in range(0, whole * BATCH, BATCH):
        with mixed_precision(device):
            module(to_pixels(images[start : start + BATCH], device))
    module.eval()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
