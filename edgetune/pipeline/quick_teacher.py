"""A teacher's looks by onnxruntime, which is faster than torch on a processor that computes in float32."""

from __future__ import annotations

import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edgetune.distill.onnx_looks import look, open_session
from edgetune.distill.precision import has_bfloat16
from edgetune.distill.teacher import Teacher, fit_pixels
from edgetune.distill.teacher_checkpoint import CheckpointTeacher
from edgetune.export.onnx_file import OnnxForm, export_onnx


def quick(teacher: Teacher, device: torch.device) -> Teacher:
    """The teacher on a device: as it is, or looking by onnxruntime where it is one of ours, which ONNX can hold."""
    teacher = teacher.to(device)
    if not isinstance(teacher, CheckpointTeacher) or device.type != "cpu" or has_bfloat16(device):
        return teacher
    return QuickTeacher(teacher)


class QuickTeacher(CheckpointTeacher):
    """Its logits are those of the module to 1e-5 or so, rounding apart."""

    def __init__(self, teacher: CheckpointTeacher) -> None:
        super().__init__(teacher.module, teacher.header, name=teacher.name, content_hash=teacher.content_hash)
        self._parameters = teacher.parameters

    def logits(self, pixels: Tensor) -> Tensor:
        fitted = fit_pixels(pixels, self.channels, self.resolution)
        return torch.from_numpy(look(self._session, fitted.contiguous().numpy()))

    @cached_property
    def _session(self) -> Any:
        """Made when it is first asked: a run that goes on may find all that the teacher says in the cache."""
        return open_session(onnx_of(self))


def onnx_of(teacher: CheckpointTeacher) -> bytes:
    """The teacher as an ONNX file, for pictures of its size, any number at once, with its BatchNorm folded."""
    with tempfile.TemporaryDirectory() as folder:
        file, shape = Path(folder) / "teacher.onnx", {"channels": teacher.channels, "resolution": teacher.resolution}
        export_onnx(teacher.module, file, metadata={}, form=OnnxForm(dynamic_batch=True), **shape)
        return file.read_bytes()
