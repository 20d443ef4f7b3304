"""Muon: momentum, made orthogonal, for convolutions that mix channels (Jordan 2024, kellerjordan.github.io/posts/muon).

A step goes equally far in all directions of a weight's matrix, where a gradient has few that are large: in trainings
of a few epochs, which are all that a search has time for, far more is learnt. `torch.optim.Muon` takes only matrices,
one at a time, and computes in bfloat16, at which many processors are slow; here all of one shape are taken at once, in
float32.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

MOMENTUM = 0.9
FASTER = 10.0
"""Times the learning rate of the weights that AdamW trains."""
ITERATIONS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of Jordan's quintic, which is steep at zero: singular values end between 0.7 and 1.2 instead of at 1."""


class Muon(torch.optim.AdamW):
    """Muon for convolutions that mix channels, AdamW for all other weights.

    A convolution (out, in, k, k) is taken as a matrix of in·k·k columns, the way Jordan does.

    Parameters
    ----------
    groups
        Parameters and their decay, as of any optimizer.
    """

    def __init__(self, groups: Sequence[Mapping[str, Any]], learning_rate: float) -> None:
        split = []
        for group in groups:
            mixing = [weight for weight in group["params"] if mixes_channels(weight)]
            others = [weight for weight in group["params"] if not mixes_channels(weight)]
            split.append({**group, "params": mixing, "orthogonal": True, "lr": FASTER * learning_rate})
            split.append({**group, "params": others, "orthogonal": False})
        super().__init__([group for group in split if group["params"]], lr=learning_rate)

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            if group["orthogonal"]:
                self._orthogonal_step(group)
        super().step()

    def _orthogonal_step(self, group: dict[str, Any]) -> None:
        """The root of the mean square of a step is a fifth of the learning rate, about as AdamW's (Liu 2025)."""
        alike: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
        for weight in group["params"]:
            if weight.grad is not None:
                alike[weight.shape].append(weight)
        for weights in alike.values():
            matrices = orthogonal(torch.stack([self._momentum(weight).flatten(1) for weight in weights]))
            rate = 0.2 * max(matrices.shape[1:]) ** 0.5 * group["lr"]
            for weight, matrix in zip(weights, matrices, strict=True):
                weight.mul_(1 - group["lr"] * group["weight_decay"]).add_(matrix.view_as(weight), alpha=-rate)
                weight.grad = None  # AdamW passes over it

    def _momentum(self, weight: nn.Parameter) -> Tensor:
        """Nesterov's."""
        assert weight.grad is not None
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
            state["step"] = torch.zeros(())  # Adam reads no state without one
        momentum: Tensor = state["momentum"].lerp_(weight.grad, 1 - MOMENTUM)
        return weight.grad.lerp(momentum, MOMENTUM)


def mixes_channels(weight: Tensor) -> bool:
    """A dense convolution of more than one channel, not a depthwise one."""
    return weight.ndim == 4 and weight.shape[1] > 1


def orthogonal(matrices: Tensor) -> Tensor:
    """About U Vᵀ for each matrix U S Vᵀ (N, rows, columns), by a Newton-Schulz iteration."""
    if matrices.shape[1] > matrices.shape[2]:
        return orthogonal(matrices.mT).mT
    a, b, c = COEFFICIENTS
    x = matrices / matrices.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(ITERATIONS):
        squares = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(squares, squares, squares, beta=b, alpha=c), x, beta=a)
    return x
