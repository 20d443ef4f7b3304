"""A finalist fine-tuned with the rounding of its INT8 file."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from edgetune.config import Training
from edgetune.distill.int8 import RoundedNetwork
from edgetune.distill.loop import Progress, Recipe
from edgetune.distill.teacher import Teacher
from edgetune.export.int8 import CalibrationMethod, quantize_onnx
from edgetune.export.onnx_file import export_onnx
from edgetune.nets.folding import fold_batch_norm
from edgetune.nets.network import Network
from edgetune.nets.weights import load_weights, save_weights
from edgetune.pipeline.task import TRAINING, Task, pixels_of
from edgetune.space.parameters import Sample

CALIBRATED_WITH = 256
"""Training pictures that the ranges of INT8 activations are taken from."""


@dataclass(frozen=True)
class Int8Tuning:
    """The training of one finalist, with its teacher and its losses; done once, and gone on with where it was stopped.

    Parameters
    ----------
    outputs
        Gives the teacher's logits of the training pictures, where it comes to that.
    weights, checkpoint
        Files for what it ends with, and for its state meanwhile.
    """

    task: Task
    sample: Sample
    stage: str
    recipe: Recipe
    teacher: Teacher | None
    outputs: Callable[[], np.ndarray]
    weights: Path
    checkpoint: Path
    device: torch.device
    progress: Progress

    @property
    def key(self) -> str:
        """Tells what was measured of its INT8 artefact from what was measured of others."""
        return f"int8 after {self.recipe.epochs:g} epochs"

    def tuned(self, network: Network, method: CalibrationMethod) -> RoundedNetwork:
        """On the CPU; `method` gives the ranges to begin with."""
        rounded = rounded_network(self.task, network, method)
        if not self.weights.is_file():
            self.task.distil(
                rounded.to(self.device),
                self.outputs(),
                self.recipe,
                sample=_at_its_own_pace(self.sample),
                teacher=self.teacher,
                stage=self.stage,
                checkpoint=self.checkpoint,
                progress=self.progress,
            )
            save_weights(rounded, self.weights)
            self.checkpoint.unlink(missing_ok=True)
        load_weights(rounded.cpu(), self.weights)
        return rounded


def rounded_network(task: Task, network: Network, method: CalibrationMethod = "minmax") -> RoundedNetwork:
    """A copy of a network with the rounding of the INT8 file that onnxruntime makes of it, all layers rounded."""
    folded, data = fold_batch_norm(network), task.dataset
    with tempfile.TemporaryDirectory() as scratch:
        source, target = Path(scratch) / "model.onnx", Path(scratch) / "model.int8.onnx"
        export_onnx(folded, source, channels=data.channels, resolution=data.resolution, metadata={})
        quantize_onnx(source, target, calibration=pixels_of(data.train, CALIBRATED_WITH), method=method)
        return RoundedNetwork(folded, target)


def _at_its_own_pace(sample: Sample) -> Sample:
    """Without the hyper-parameters that say how fast the network itself was trained."""
    paces = {TRAINING + name for name in Training.model_fields}
    return Sample({label: value for label, value in sample.values.items() if label not in paces})
