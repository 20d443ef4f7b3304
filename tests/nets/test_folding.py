"""Networks whose BatchNorm became part of their convolutions compute what they did."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from edgetune.nets.efficientnet_lite import EfficientNetLite
from edgetune.nets.folding import fold_batch_norm
from edgetune.nets.network import build_network
from edgetune.nets.residual import ResidualNetwork
from edgetune.space.mobile import MOBILE_SMALL

PLAIN = ((0.5,) * 3, (0.3,) * 3)


def mobile() -> nn.Module:
    """Every kind of layer."""
    values = dict(MOBILE_SMALL.smallest().values)
    values |= {label: "hswish" for label in values if label.endswith(".activation")}
    values |= {label: True for label in values if label.endswith(".squeeze_excite")}
    values |= {"stage1.block1.kind": "fused", "stage2.block1.kernel": 5, "stage3.depth": 2}
    sample = MOBILE_SMALL.space.complete(values, np.random.default_rng(0))
    architecture = MOBILE_SMALL.architecture(sample, channels=3, resolution=32, classes=10)
    return build_network(architecture, mean=PLAIN[0], std=PLAIN[1])


def lite() -> nn.Module:
    return EfficientNetLite("efficientnet-lite0", classes=10, mean=PLAIN[0], std=PLAIN[1])


def residual() -> nn.Module:
    return ResidualNetwork(channels=3, resolution=32, classes=10, width=8, mean=PLAIN[0], std=PLAIN[1])


@pytest.mark.parametrize("make", [mobile, lite, residual])
def test_folding_changes_nothing_and_leaves_no_norm(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    network, pixels = make(), torch.rand(16, 3, 32, 32) * 255
    for norm in (module for module in network.modules() if isinstance(module, nn.BatchNorm2d)):
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, std=0.3)
    with torch.no_grad():
        network.train()(pixels)  # statistics as after a training
        before = copy.deepcopy(network.state_dict())
        folded = fold_batch_norm(network)
        torch.testing.assert_close(folded(pixels), network.eval()(pixels), rtol=1e-4, atol=1e-4)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
