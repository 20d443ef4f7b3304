"""Mixup (Zhang 2018) and CutMix (Yun 2019) of a whole batch at once."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

Mixed = tuple[Tensor, Tensor, Tensor | None]


def mix(
    pixels: Tensor,
    labels: Tensor,
    teacher_logits: Tensor | None,
    rng: np.random.Generator,
    *,
    mixup: float,
    cutmix: float,
    classes: int,
) -> Mixed:
    """Each picture with another of the batch, blended or with a rectangle of it pasted in.

    Parameters
    ----------
    pixels, labels, teacher_logits
        (N, C, H, W) float, (N,) class indices, (N, classes).
    mixup, cutmix
        α of the Beta distribution that the share is drawn from; 0 is never. Where both may be, a coin decides.

    Returns
    -------
    The pictures, the share of each class (N, classes), and the logits of the teacher's probabilities, mixed alike:
    what a cached teacher can say of a picture that it has not seen.
    """
    blend = mixup > 0 and (cutmix == 0 or rng.random() < 0.5)
    alpha = mixup if blend else cutmix
    share = float(rng.beta(alpha, alpha))
    partner = torch.from_numpy(rng.permutation(len(labels))).to(pixels.device)
    if blend:
        pixels = torch.lerp(pixels[partner], pixels, share)
    else:
        pixels, share = _paste(pixels, partner, share, rng)
    shares = functional.one_hot(labels, classes).to(pixels.dtype)
    shares = torch.lerp(shares[partner], shares, share)
    if teacher_logits is not None:
        log_p = functional.log_softmax(teacher_logits, dim=1)
        mine, theirs = log_p + math.log(max(share, 1e-12)), log_p[partner] + math.log(max(1 - share, 1e-12))
        teacher_logits = torch.logaddexp(mine, theirs)
    return pixels, shares, teacher_logits


def _paste(pixels: Tensor, partner: Tensor, share: float, rng: np.random.Generator) -> tuple[Tensor, float]:
    """A rectangle with 1 - share of the area from the partner, cut off at the rim; the share that is left."""
    height, width = pixels.shape[2:]
    side = math.sqrt(1 - share)
    top, left = (rng.integers(size) - round(side * size) // 2 for size in (height, width))
    bottom, right = top + round(side * height), left + round(side * width)
    rows, columns = slice(max(0, top), bottom), slice(max(0, left), right)
    pixels = pixels.clone(memory_format=torch.preserve_format)
    pasted = pixels[partner][:, :, rows, columns]
    pixels[:, :, rows, columns] = pasted
    return pixels, 1 - pasted.shape[2] * pasted.shape[3] / (height * width)
