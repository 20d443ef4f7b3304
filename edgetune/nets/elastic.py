"""The weight-sharing supernet: one set of weights, of which every network of a space is a slice.

Once-for-all (Cai 2020): a narrower layer uses the first channels, a smaller kernel the centre of the larger one,
a shallower stage its first blocks; the two block kinds share squeeze-excite and projection. The networks themselves
are the plain ones of :mod:`edgetune.nets.network`, called with slices of the shared weights, so that there is one
definition of what a network computes.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.func import functional_call

from edgetune.nets.layers import Normalize
from edgetune.nets.network import Network, build_network
from edgetune.space.architecture import Architecture


class Supernet(nn.Module):
    """Shared weights large enough for all of `largest`.

    Parameters
    ----------
    largest
        Architectures that together hold every layer of the space at its full size.
    mean, std
        Per channel, on the 0…1 scale.
    """

    pixel_mean: Tensor
    pixel_scale: Tensor

    def __init__(self, largest: Iterable[Architecture], mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.mean, self.std = mean, std
        shared: dict[str, nn.Parameter] = {}
        for architecture in largest:
            for name, weight in build_network(architecture).named_parameters():
                shared.setdefault(_key(name), weight)
        self.shared = nn.ParameterDict(shared)
        normalize = Normalize(mean, std)
        self.register_buffer("pixel_mean", normalize.mean)
        self.register_buffer("pixel_scale", normalize.scale)

    def forward(self, pixels: Tensor, architecture: Architecture) -> Tensor:
        """Logits of one network of the space, BatchNorm on the statistics of this batch."""
        network = _skeleton(architecture)
        tensors = self.weights_of(network)
        tensors |= {"normalize.mean": self.pixel_mean, "normalize.scale": self.pixel_scale}
        return functional_call(network, tensors, (pixels,))

    def weights_of(self, network: Network) -> dict[str, Tensor]:
        """The slices of the shared weights that `network` uses, by its parameter names."""
        return {name: _slice(self.shared[_key(name)], weight.shape) for name, weight in network.named_parameters()}

    def extract(self, architecture: Architecture) -> Network:
        """A plain network with its own copy of the weights; its BatchNorm statistics are still to be calibrated."""
        network = build_network(architecture, mean=self.mean, std=self.std)
        with torch.no_grad():
            weights = self.weights_of(network)
            for name, weight in network.named_parameters():
                weight.copy_(weights[name])
        return network


def _key(name: str) -> str:
    return name.replace(".", "/")  # a ParameterDict's keys may not hold dots


def _slice(weight: Tensor, shape: torch.Size) -> Tensor:
    """First channels, centre of the kernel."""
    window = [slice(0, size) for size in shape[:2]]
    for full, size in zip(weight.shape[2:], shape[2:], strict=True):
        margin = (full - size) // 2
        window.append(slice(margin, margin + size))
    return weight[tuple(window)]


@lru_cache(maxsize=4096)
def _skeleton(architecture: Architecture) -> Network:
    """The network without any memory behind its weights, its BatchNorm without running statistics."""
    with torch.device("meta"):
        network = build_network(architecture)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.track_running_stats = False
            module.running_mean = module.running_var = module.num_batches_tracked = None
    return network.train()
