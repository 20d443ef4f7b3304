"""A gate against regressions: what two small models execute on the emulated board.

On one machine instructions repeat exactly. The stored figures have a tolerance, since they hold for the pinned
onnxruntime and one release of QEMU, libc and Python, others of which move them by a little; an operator that is no
longer fused or folded moves them by much. After a change that is meant, write down what the assertion shows.
"""

from __future__ import annotations

import shutil
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


def test_counts_repeat_exactly_whatever_the_names_of_folders_and_files(tmp_path: Path) -> None:
    model = small_model("relu", tmp_path / "model.onnx")
    elsewhere = tmp_path / "a folder of another length" / "a file of another name.onnx"
    elsewhere.parent.mkdir()
    shutil.copyfile(model, elsewhere)
    first = count_model(model, PICTURE, caches=False)
    assert count_model(elsewhere, PICTURE, caches=False) == first
