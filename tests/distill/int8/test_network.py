"""The network that is trained beside its INT8 file, run by onnxruntime."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from edgetune.distill.int8 import RoundedNetwork
from edgetune.errors import ModelFileError
from edgetune.export.int8 import quantize_onnx
from edgetune.export.onnx_file import export_onnx
from edgetune.nets.folding import fold_batch_norm
from edgetune.nets.network import Network, build_network
from edgetune.space.architecture import Activation
from edgetune.space.mobile import MOBILE_SMALL

PICTURES = np.random.default_rng(0).integers(0, 256, (48, 1, 28, 28)).astype(np.float32)


def network_of(act: Activation, *, squeeze_excite: bool) -> Network:
    """Every kind of layer, with BatchNorm statistics as after a training."""
    values = dict(MOBILE_SMALL.smallest().values)
    values |= {label: act for label in values if label.endswith(".activation")}
    values |= {label: squeeze_excite for label in values if label.endswith(".squeeze_excite")}
    values |= {"stage1.block1.kind": "fused", "stage2.block1.kernel": 5, "stage3.depth": 2}
    sample = MOBILE_SMALL.space.complete(values, np.random.default_rng(0))
    architecture = MOBILE_SMALL.architecture(sample, channels=1, resolution=28, classes=10)
    torch.manual_seed(0)
    network = build_network(architecture, mean=(0.5,), std=(0.3,))
    for norm in (module for module in network.modules() if isinstance(module, nn.BatchNorm2d)):
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, std=0.3)
    with torch.no_grad():
        network.train()(torch.from_numpy(PICTURES))
    return network.eval()


def quantised(network: nn.Module, folder: Path, *, float_ends: bool = False) -> Path:
    source, target = folder / "model.onnx", folder / "model.int8.onnx"
    export_onnx(network, source, channels=1, resolution=28, metadata={})
    quantize_onnx(source, target, calibration=PICTURES[:16], float_ends=float_ends)
    return target


def literally(file: Path, pictures: np.ndarray) -> np.ndarray:
    """Each operator of the file as it stands, nothing fused."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"pixels": picture[None]})[0] for picture in pictures])


@pytest.mark.parametrize("float_ends", [False, True])
@pytest.mark.parametrize("act", ["relu", "hswish"])
def test_it_computes_what_onnxruntime_does(act: Activation, float_ends: bool, tmp_path: Path) -> None:
    folded = fold_batch_norm(network_of(act, squeeze_excite=act == "hswish"))
    file = quantised(folded, tmp_path, float_ends=float_ends)
    with torch.no_grad():
        mine, exact = (module(torch.from_numpy(PICTURES)).numpy() for module in (RoundedNetwork(folded, file), folded))
    rounded = literally(file, PICTURES)
    rounding = np.abs(rounded - exact).mean()
    # Sums of floats in another order now and then fall on the other side of the middle between two levels.
    assert np.abs(mine - rounded).mean() < 0.02 * rounding
    assert np.mean(np.abs(mine - rounded) < 0.02 * rounding) > 0.9


def test_weights_and_ranges_are_trained_and_a_copy_is_independent(tmp_path: Path) -> None:
    folded = fold_batch_norm(network_of("relu", squeeze_excite=False))
    module = RoundedNetwork(folded, quantised(folded, tmp_path))
    twin, pixels = copy.deepcopy(module), torch.from_numpy(PICTURES)
    before = module.ranges()
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    module(pixels).square().mean().backward()
    assert all((parameter.grad is not None) == parameter.requires_grad for parameter in module.parameters())
    optimizer.step()
    assert not torch.equal(module(pixels), twin(pixels))
    assert twin.ranges() == before
    moved = [name for name, ends in module.ranges().items() if ends != before[name]]
    assert len(moved) > len(before) / 2
    twin.load_state_dict(module.state_dict())
    assert torch.equal(module(pixels), twin(pixels))


def test_the_ranges_of_gates_are_not_learnt_and_the_others_are(tmp_path: Path) -> None:
    folded = fold_batch_norm(network_of("hswish", squeeze_excite=True))
    module = RoundedNetwork(folded, quantised(folded, tmp_path))
    fixed = {
        name: ends
        for (name, ends), activation in zip(module.ranges().items(), module.activations, strict=True)
        if not any(parameter.requires_grad for parameter in activation.parameters())
    }
    assert fixed.keys() == {"gate_times_six"}
    assert fixed["gate_times_six"] == pytest.approx((0, 6))


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    folded = fold_batch_norm(network_of("relu", squeeze_excite=False))
    pooled = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 14 * 14, 10))
    with pytest.raises(ModelFileError, match="MaxPool"):
        RoundedNetwork(pooled, quantised(pooled, tmp_path))
    with pytest.raises(ModelFileError, match="no weight of the network"):
        RoundedNetwork(nn.Sequential(), quantised(folded, tmp_path))
