"""From a torch module to a TensorFlow Lite file, in float32 and in 8 bits."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgetune.errors import ExportError
from edgetune.export import litert_convert
from edgetune.export.litert_environment import LiteRT
from edgetune.files import atomic_write, scratch_folder

if TYPE_CHECKING:
    import torch

ROOM = 50_000_000
"""Bytes that a conversion takes in the temporary folder."""
CONVERTER = Path(litert_convert.__file__)


def export_tflite(module: torch.nn.Module, path: Path, *, channels: int, resolution: int, litert: LiteRT) -> None:
    """Writes `module` as a .tflite file whose input and output are those of the ONNX file.

    The exported program is handed to the converter as a file, since the two live in different environments.

    Parameters
    ----------
    module
        Takes raw pixel values 0…255, float32 (1, channels, resolution, resolution), gives logits (1, classes).
    litert
        The converter's environment, made.

    Raises
    ------
    ExportError
        A module that torch cannot export, or an operator that LiteRT lacks.
    """
    import torch

    frozen = copy.deepcopy(module).cpu().eval()  # the caller's module may go on training
    pixels = torch.zeros(1, channels, resolution, resolution)
    with scratch_folder(room=ROOM) as scratch, atomic_write(path) as aside:
        program = scratch / "program.pt2"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of torch about its own internals
                torch.export.save(torch.export.export(frozen, (pixels,)), program)
        except (RuntimeError, ValueError, torch._dynamo.exc.TorchDynamoException) as error:
            reason = str(error).strip().splitlines()[0]
            raise ExportError(f"torch cannot export the network: {reason}", where=path) from error
        litert.run([CONVERTER, program, aside])


def quantize_tflite(source: Path, target: Path, *, calibration: np.ndarray, litert: LiteRT) -> None:
    """Writes an INT8 twin of `source`: weights per output channel, activations by the extremes seen.

    Parameters
    ----------
    calibration
        Training pictures, raw pixel values, float32 (N, C, H, W).

    Raises
    ------
    ExportError
        Pictures that do not fit, or an operator that the quantiser does not know.
    """
    with scratch_folder(room=ROOM) as scratch, atomic_write(target) as aside:
        pictures = scratch / "calibration.npy"
        np.save(pictures, calibration)
        litert.run([CONVERTER, source, aside, pictures])
