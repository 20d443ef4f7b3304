"""A classifier fitted to fixed features: where fine-tuning begins."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from edgetune.data.pictures import Pictures
from edgetune.distill.loop import Progress
from edgetune.distill.precision import mixed_precision, to_pixels
from edgetune.distill.teacher import TorchTeacher

BATCH = 64
MOST_PICTURES = 20_000


def fit_classifier(teacher: TorchTeacher, pictures: Pictures, *, progress: Progress | None) -> None:
    """Sets the weights of the module's last layer, `classifier`, by logistic regression on what goes into it."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    count = min(len(pictures), MOST_PICTURES)
    features = _features(teacher, pictures.images[:count], progress)
    scaler = StandardScaler().fit(features)
    probe = LogisticRegression(C=0.01, max_iter=200).fit(scaler.transform(features), pictures.labels[:count])
    weight = probe.coef_ / scaler.scale_
    bias = probe.intercept_ - weight @ scaler.mean_
    if len(probe.classes_) == 2:  # scikit-learn gives the second class's log odds alone
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    classifier = _classifier(teacher)
    with torch.no_grad():
        rows = torch.from_numpy(probe.classes_)  # a class may have no picture among these
        classifier.bias.fill_(float(bias.min()) - 10)
        classifier.weight[rows] = torch.from_numpy(weight).to(classifier.weight)
        classifier.bias[rows] = torch.from_numpy(bias).to(classifier.bias)


def _features(teacher: TorchTeacher, images: np.ndarray, progress: Progress | None) -> np.ndarray:
    """float32 (N, features): the input of the module's classifier."""
    caught: list[np.ndarray] = []

    def catch(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        caught.append(inputs[0].float().cpu().numpy())

    device = next(teacher.module.parameters()).device
    handle = _classifier(teacher).register_forward_pre_hook(catch)
    try:
        for start in range(0, len(images), BATCH):
            with mixed_precision(device):
                teacher.logits(to_pixels(images[start : start + BATCH], device))
            if progress:
                progress("linear probe", min(start + BATCH, len(images)), len(images))
    finally:
        handle.remove()
    return np.concatenate(caught)


def _classifier(teacher: TorchTeacher) -> nn.Linear:
    layer = teacher.module.classifier
    assert isinstance(layer, nn.Linear)
    return layer
