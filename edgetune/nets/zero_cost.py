"""Scores of an untrained network that tell a little of how well it will learn, for the cost of a batch or none at all.

Higher is better for each of them. They rank networks within one space; between spaces they mean nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from edgetune.errors import ConfigError, nearest
from edgetune.nets.layers import Normalize

ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.Hardswish, nn.SiLU, nn.GELU)


def synflow(network: nn.Module, pixels: Tensor, labels: Tensor) -> float:
    """Σ w · ∂R/∂w for R, the sum of the outputs for an input of ones when all weights are absolute (Tanaka 2020).

    As a score of whole networks: Abdelfattah 2021, without normalisation. Needs no data but the pixels' shape.
    Computed in double precision, since it grows exponentially with depth.
    """
    network = copy.deepcopy(network).double().eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.abs_()
    with _without(network, (nn.BatchNorm2d, Normalize)):
        ones = torch.ones((1, *pixels.shape[1:]), dtype=torch.float64, device=pixels.device)
        network(ones).sum().backward()
    return sum(
        float((weight.detach() * weight.grad).sum()) for weight in _layer_weights(network) if weight.grad is not None
    )


def naswot(network: nn.Module, pixels: Tensor, labels: Tensor) -> float:
    """How differently a network's activations treat the pictures of a batch: log |K|, K[i, j] the number of units that
    are on for both pictures or off for both (Mellor 2021). -∞ where two pictures are treated alike.
    """
    network = copy.deepcopy(network).train()
    kernel = torch.zeros(len(pixels), len(pixels), dtype=torch.float64, device=pixels.device)

    def count(module: nn.Module, inputs: Any, output: Tensor) -> None:
        on = (inputs[0].flatten(1) > 0).double()
        kernel.add_(on @ on.T + (1 - on) @ (1 - on).T)

    activations: list[Any] = [module for module in network.modules() if isinstance(module, ACTIVATIONS)]
    for module in activations:
        module.inplace = False  # or the hook sees what is left after it
        module.register_forward_hook(count)
    with torch.no_grad():
        network(pixels)
    return float(torch.linalg.slogdet(kernel).logabsdet)


def gradient_norm(network: nn.Module, pixels: Tensor, labels: Tensor) -> float:
    """The sum over layers of the norm of the cross-entropy's gradient by the layer's weights (Abdelfattah 2021)."""
    network = copy.deepcopy(network).train()
    functional.cross_entropy(network(pixels), labels).backward()
    return sum(float(weight.grad.norm()) for weight in _layer_weights(network) if weight.grad is not None)


def parameters(network: nn.Module, pixels: Tensor, labels: Tensor) -> float:
    """The number of weights."""
    return float(sum(weight.numel() for weight in network.parameters()))


def macs(network: nn.Module, pixels: Tensor, labels: Tensor) -> float:
    """Multiply-accumulates for one picture."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        copy.deepcopy(network).eval()(pixels[:1])
    return counter.get_total_flops() / 2


Score = Callable[[nn.Module, Tensor, Tensor], float]
AnySample = TypeVar("AnySample")

SCORES: dict[str, Score] = {
    "synflow": synflow,
    "naswot": naswot,
    "gradient_norm": gradient_norm,
    "parameters": parameters,
    "macs": macs,
}


def score(name: str, network: nn.Module, pixels: Tensor, labels: Tensor) -> float:
    """A score by its name. The network is left as it is.

    Parameters
    ----------
    pixels
        A batch as the network takes it, float32 (N, C, H, W).
    labels
        Of the batch, int64 (N,).

    Raises
    ------
    ConfigError
        No score has this name.
    """
    return _named(name)(network, pixels, labels)


def score_of_sample(
    name: str, build: Callable[[AnySample], nn.Module], pixels: Tensor, labels: Tensor
) -> Callable[[AnySample], float]:
    """A score as a function of a sample, such as :func:`edgetune.cheap` takes.

    The same sample has the same score: torch's generator is seeded while its network is built, and left as it was.

    Parameters
    ----------
    build
        Makes the network of a sample, with fresh weights, on the CPU.
    pixels, labels
        As :func:`score` takes them.

    Raises
    ------
    ConfigError
        No score has this name.
    """
    compute = _named(name)

    def of(sample: AnySample) -> float:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            network = build(sample)
        return compute(network, pixels, labels)

    return of


def _named(name: str) -> Score:
    if name not in SCORES:
        raise ConfigError(f"unknown zero-cost score {name!r}", where="scores", mend=nearest(name, SCORES))
    return SCORES[name]


def _layer_weights(network: nn.Module) -> Iterator[Tensor]:
    return (module.weight for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear))


@contextmanager
def _without(network: nn.Module, kinds: tuple[type[nn.Module], ...]) -> Iterator[None]:
    """These layers pass their input on."""
    hooks = [
        module.register_forward_hook(lambda module, inputs, output: inputs[0])
        for module in network.modules()
        if isinstance(module, kinds)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
