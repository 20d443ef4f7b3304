"""Hints: the teacher's inner features as targets, FitNets (Romero 2015, section 2.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Hints(nn.Module):
    """Mean squared error between the teacher's features and a learned 1×1 projection of the student's.

    The projection is trained with the student and thrown away afterwards.
    """

    def __init__(self, student_width: int, teacher_width: int) -> None:
        super().__init__()
        self.projection = nn.Conv2d(student_width, teacher_width, 1)
        nn.init.xavier_uniform_(self.projection.weight, generator=torch.Generator().manual_seed(0))  # resumable
        assert self.projection.bias is not None
        nn.init.zeros_(self.projection.bias)

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Of (N, student width, H, W) and (N, teacher width, H', W'); the larger map is averaged down."""
        size = (min(student.shape[2], teacher.shape[2]), min(student.shape[3], teacher.shape[3]))
        mine, theirs = (functional.adaptive_avg_pool2d(features, size) for features in (student, teacher))
        return functional.mse_loss(self.projection(mine), theirs)
