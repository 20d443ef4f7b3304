from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from edgetune.data.pictures import Pictures
from edgetune.distill.teacher import TorchTeacher
from edgetune.pipeline.teacher_card import teacher_card
from edgetune.search.study import Study


class Bright(nn.Module):
    """Says the second class of all pictures that are not black, and fails when it is asked twice."""

    asked = False

    def forward(self, pixels: Tensor) -> Tensor:
        assert not self.asked
        self.asked = True
        light = pixels.mean((1, 2, 3))
        return torch.stack([torch.ones_like(light), light], 1)


def test_the_teacher_is_tested_once_also_by_a_run_that_goes_on(tmp_path: Path) -> None:
    images = np.array([0, 90, 90, 0], np.uint8).repeat(64).reshape(4, 8, 8, 1)
    test = Pictures(images, np.array([0, 1, 0, 0]))
    teacher = TorchTeacher(
        Bright(), name="bright", classes=["dark", "light"], channels=1, resolution=8, content_hash="", licence="CC0"
    )
    with Study.create(tmp_path / "study.db", {}) as study:
        first = teacher_card(teacher, test, study, torch.device("cpu"))
    assert (first.name, first.licence, first.test_top1) == ("bright", "CC0", 0.75)
    with Study.open(tmp_path / "study.db") as study:
        assert teacher_card(teacher, test, study, torch.device("cpu")) == first
