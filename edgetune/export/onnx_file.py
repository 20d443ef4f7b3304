"""From a torch module to one checked ONNX file."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from edgetune.errors import ExportError
from edgetune.files import atomic_write

if TYPE_CHECKING:
    import torch

OPSET = 17  # the newest that torch's TorchScript exporter writes; every runtime of 2022 and later reads it
INPUT = "pixels"
OUTPUT = "logits"


def export_onnx(
    module: torch.nn.Module, path: Path, *, channels: int, resolution: int, metadata: Mapping[str, str]
) -> None:
    """Writes `module` as one ONNX file with BatchNorm folded into the convolutions.

    Parameters
    ----------
    module
        Takes raw pixel values 0…255, float32 (1, channels, resolution, resolution), gives logits (1, classes);
        the normalisation is its first layer.
    metadata
        What a user of the file alone must know, such as labels and preprocessing; becomes `metadata_props`.

    Raises
    ------
    ExportError
        An operator that ONNX lacks, or a graph that `onnx.checker` refuses.
    """
    import onnx
    import torch

    frozen = copy.deepcopy(module).cpu().eval()  # the caller's module may go on training
    pixels = torch.zeros(1, channels, resolution, resolution)
    try:
        with atomic_write(path) as aside:
            with warnings.catch_warnings():
                # The TorchScript exporter is called deprecated, but it is the one that folds BatchNorm in a second.
                warnings.simplefilter("ignore")
                torch.onnx.export(
                    frozen, (pixels,), str(aside), dynamo=False, opset_version=OPSET,
                    input_names=[INPUT], output_names=[OUTPUT],
                )  # fmt: skip
            model = onnx.load(aside)
            onnx.helper.set_model_props(model, dict(sorted(metadata.items())))
            onnx.checker.check_model(model, full_check=True)
            onnx.save(model, aside)
    except (torch.onnx.errors.OnnxExporterError, onnx.checker.ValidationError) as error:
        raise ExportError(
            f"the network cannot be written as ONNX: {error}", where=path, mend="use operators of ONNX opset 17"
        ) from error
