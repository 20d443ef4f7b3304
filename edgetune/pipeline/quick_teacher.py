"""A teacher's looks by onnxruntime, which is faster than torch on a processor that computes in float32."""

from __future__ import annotations

import tempfile
from pathlib import Path

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
        with tempfile.TemporaryDirectory() as folder:
            file, shape = Path(folder) / "teacher.onnx", {"channels": self.channels, "resolution": self.resolution}
            export_onnx(self.module, file, metadata={}, form=OnnxForm(dynamic_batch=True), **shape)
            self.session = open_session(file)

    def logits(self, pixels: Tensor) -> Tensor:
        fitted = fit_pixels(pixels, self.channels, self.resolution)
        return torch.from_numpy(look(self.session, fitted.contiguous().numpy()))
