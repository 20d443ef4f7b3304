"""The optimizers that a recipe may name, and which weights each of them changes how."""

from __future__ import annotations

from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from edgetune.distill.muon import Muon


def optimizer_of(module: nn.Module, name: str, learning_rate: float, weight_decay: float) -> Optimizer:
    """`muon`, `adamw` or `sgd`.

    Momentum's decay is part of the gradient, that of the others is not: a hundredth of it is as usual to the one as
    all is to the other (5e-4 and 0.05).
    """
    if name == "sgd":
        groups = parameter_groups(module, weight_decay / 100)
        return SGD(groups, lr=learning_rate, momentum=0.9, nesterov=True)
    if name == "muon":
        return Muon(parameter_groups(module, weight_decay), learning_rate)
    return AdamW(parameter_groups(module, weight_decay), lr=learning_rate)


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Weights decay; biases and BatchNorm do not."""
    decayed = [p for p in module.parameters() if p.requires_grad and p.ndim > 1]
    spared = [p for p in module.parameters() if p.requires_grad and p.ndim <= 1]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": spared, "weight_decay": 0.0}]
