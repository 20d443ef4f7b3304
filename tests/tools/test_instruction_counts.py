"""A gate against regressions: what two small models execute on the emulated board.

The figures hold for the pinned onnxruntime; a release of libc or Python may move them by a little, an operator that is
no longer fused or folded by much. After a change that is meant, write down what the assertion shows.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edgetune.export.onnx_file import export_onnx
from edgetune.nets.layers import conv_bn, depthwise_bn
from edgetune.space.architecture import Activation
from tools.pi_simulator.counts import Counts, count_model

EXECUTED: dict[Activation, int] = {"relu": 888_100, "hswish": 1_045_600}
PICTURE = np.random.default_rng(0).integers(0, 256, (1, 3, 32, 32)).astype(np.float32)


def small_model(act: Activation, path: Path) -> Path:
    """A stem, an inverted residual and a classifier; what is executed does not depend on the weights."""
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        conv_bn(3, 16, 3, stride=2, act=act),
        conv_bn(16, 64, 1, act=act),
        depthwise_bn(64, 3, stride=1, act=act),
        conv_bn(64, 24, 1, act=None),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(24, 10),
    )
    export_onnx(module, path, channels=3, resolution=32, metadata={})
    return path


def counted(act: Activation, path: Path) -> Counts:
    return count_model(small_model(act, path), PICTURE, caches=False)


@pytest.mark.parametrize("act", EXECUTED)
def test_no_instruction_more_than_before(act: Activation, tmp_path: Path) -> None:
    assert counted(act, tmp_path / "model.onnx").instructions == pytest.approx(EXECUTED[act], rel=0.01)
