"""Static 8-bit quantisation of an exported network (Jacob 2018), as onnxruntime does it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from edgetune.errors import ExportError
from edgetune.files import atomic_write

if TYPE_CHECKING:
    import onnx

CalibrationMethod = Literal["minmax", "entropy", "percentile"]


def quantize_onnx(source: Path, target: Path, *, calibration: np.ndarray, method: CalibrationMethod = "minmax") -> None:
    """Writes an INT8 twin of `source`: QDQ, weights per output channel, the normalisation left in float.

    Parameters
    ----------
    calibration
        Training pictures, raw pixel values, float32 (N, C, H, W); the ranges of all activations are taken from them.
    method
        How a range is taken: the extremes seen, the least divergence, or the 99.999th percentile.

    Raises
    ------
    ExportError
        A calibration set that does not fit the model, or an operator that onnxruntime cannot quantise.
    """
    import onnx
    from onnxruntime import quantization

    model = onnx.load(source)
    shape = tuple(d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim)
    if (
        calibration.dtype != np.float32
        or calibration.ndim != 4
        or calibration.shape[1:] != shape[1:]
        or not len(calibration)
    ):
        raise ExportError(
            f"the calibration set is {calibration.dtype} {calibration.shape}, the model takes float32 {shape}",
            where=source,
            mend="give raw pixel values of the training pictures in the model's size",
        )
    methods = {
        "minmax": quantization.CalibrationMethod.MinMax,
        "entropy": quantization.CalibrationMethod.Entropy,
        "percentile": quantization.CalibrationMethod.Percentile,
    }
    with tempfile.TemporaryDirectory() as scratch, atomic_write(target) as aside:
        prepared = Path(scratch) / "prepared.onnx"
        # Only the shapes are inferred: onnxruntime's optimiser would fuse what the target's runtime should fuse.
        quantization.quant_pre_process(source, prepared, skip_optimization=True, skip_symbolic_shape=True)
        quantization.quantize_static(
            prepared,
            aside,
            _OneByOne(calibration, model.graph.input[0].name),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,  # per-tensor weights ruin depthwise networks (Krishnamoorthi 2018)
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_exclude=_before_first_convolution(model),
            calibrate_method=methods[method],
            extra_options={"CalibPercentile": 99.999},
        )


class _OneByOne:
    """The calibration set as onnxruntime wants it: a reader that hands out one picture at a time."""

    def __init__(self, pictures: np.ndarray, name: str) -> None:
        self.feeds: Iterator[dict[str, np.ndarray]] = ({name: picture[None]} for picture in pictures)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.feeds, None)


def _before_first_convolution(model: onnx.ModelProto) -> list[str]:
    """The nodes of the normalisation: its output spans few values, but its input and constants differ by orders."""
    nodes = list(model.graph.node)
    return [node.name for node in takewhile(lambda node: node.op_type not in ("Conv", "Gemm", "MatMul"), nodes)]
