"""Weights come back as they were saved, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from edgetune.errors import StudyError
from edgetune.nets.weights import load_weights, save_weights


def network(*, width: int = 3) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, width, 3), nn.BatchNorm2d(width))


def test_weights_and_statistics_come_back(tmp_path: Path) -> None:
    saved, loaded = network(), network()
    saved(torch.rand(4, 1, 8, 8))  # moves the statistics
    save_weights(saved, tmp_path / "network.safetensors")
    load_weights(loaded, tmp_path / "network.safetensors")
    assert all(torch.equal(tensor, loaded.state_dict()[name]) for name, tensor in saved.state_dict().items())


@pytest.mark.parametrize("fault", ["missing", "cut short", "another network's"])
def test_what_is_no_file_of_them_is_refused(fault: str, tmp_path: Path) -> None:
    file = tmp_path / "network.safetensors"
    if fault != "missing":
        save_weights(network(width=4 if fault == "another network's" else 3), file)
    if fault == "cut short":
        file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(StudyError, match=r"network\.safetensors"):
        load_weights(network(), file)
