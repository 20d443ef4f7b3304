"""A network compiled for a GPU, where that pays."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable

import torch
from torch import Tensor, nn

from edgetune.distill.precision import mixed_precision

PAYS_FROM = 20_000
"""Steps of a training. Compiling takes about a minute and saves milliseconds a step, most of them between kernels. An
estimate, from no card of ours; a number of steps rather than of seconds, so that a resumed training does the same."""


def compiled(
    module: nn.Module, example: Callable[[], Tensor], *, device: torch.device, steps: int, stage: str
) -> Callable[[Tensor], Tensor]:
    """The module in training mode as `torch.compile` makes it, on a GPU and in a long training; else itself.

    It is tried on the batch that `example` makes first. Where that fails, a note says so and the module is given back.
    """
    if device.type != "cuda" or steps < PAYS_FROM:
        return module
    network, before = torch.compile(module.train()), copy.deepcopy(module.state_dict())
    try:
        with mixed_precision(device):
            logits = network(example())
        logits.float().sum().backward()
    except Exception as error:  # compilers raise all kinds
        reason = str(error).strip().partition("\n")[0]
        logging.getLogger(__name__).warning("%s: not compiled, and slower for it: %s", stage, reason)
        network = module
    module.zero_grad(set_to_none=True)
    module.load_state_dict(before)  # BatchNorm has seen the example
    return network
