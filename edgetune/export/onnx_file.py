"""From a torch module to one checked ONNX file."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgetune.errors import ConfigError, ExportError
from edgetune.files import atomic_write

if TYPE_CHECKING:
    import torch

OPSETS: Mapping[int, tuple[int, int]] = {17: (1, 12), 14: (1, 8), 13: (1, 6)}
"""Each with the first onnxruntime that reads it: 17 is the newest that TVM and LiteRT's tools read as well, 14 brought
hard-swish as one operator, 13 scales per channel, without which there is no INT8."""
IR_VERSIONS: Mapping[int, int] = {17: 8, 14: 7, 13: 7}
"""Of the file format; old runtimes refuse newer ones."""
INPUT = "pixels"
OUTPUT = "logits"
BATCH = "batch"


@dataclass(frozen=True)
class OnnxForm:
    """How a network is written: its opset, and whether it takes one picture or any number at once.

    `onnxruntime` is the version on the board that the opset was chosen for, if one was named.
    """

    opset: int = max(OPSETS)
    dynamic_batch: bool = False
    onnxruntime: str | None = None

    @property
    def spoken(self) -> str:
        """What a user must know of a form that is not the usual one."""
        parts = [f"opset {self.opset}"] if self.opset != max(OPSETS) else []
        return ", ".join([*parts, "any number of pictures at once"] if self.dynamic_batch else parts)


def opset_for(onnxruntime: str, *, where: str) -> int:
    """The newest opset that this version of onnxruntime reads.

    Raises
    ------
    ConfigError
        Not a version, or one that reads none of `OPSETS`.

    >>> opset_for("1.32.0", where="--onnxruntime"), opset_for("1.10", where="--onnxruntime")
    (17, 14)
    """
    parts = onnxruntime.split(".")
    if len(parts) < 2 or not all(part.isdecimal() for part in parts):
        raise ConfigError(f"{onnxruntime!r} is not a version", where=where, mend="write it like 1.16")
    version = int(parts[0]), int(parts[1])
    for opset, first in OPSETS.items():
        if version >= first:
            return opset
    oldest = ".".join(map(str, min(OPSETS.values())))
    raise ConfigError(f"onnxruntime {onnxruntime} is too old", where=where, mend=f"install {oldest} or newer")


PLAIN = OnnxForm()


def export_onnx(
    module: torch.nn.Module,
    path: Path,
    *,
    channels: int,
    resolution: int,
    metadata: Mapping[str, str],
    form: OnnxForm = PLAIN,
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
                    frozen, (pixels,), str(aside), dynamo=False, opset_version=form.opset,
                    input_names=[INPUT], output_names=[OUTPUT],
                    dynamic_axes={name: {0: BATCH} for name in (INPUT, OUTPUT)} if form.dynamic_batch else None,
                )  # fmt: skip
            model = onnx.load(aside)
            model.ir_version = IR_VERSIONS[form.opset]
            onnx.helper.set_model_props(model, dict(sorted(metadata.items())))
            onnx.checker.check_model(model, full_check=True)
            onnx.save(model, aside)
    except (torch.onnx.errors.OnnxExporterError, onnx.checker.ValidationError) as error:
        raise ExportError(
            f"the network cannot be written as ONNX: {error}",
            where=path,
            mend=f"use operators of ONNX opset {form.opset}",
        ) from error
