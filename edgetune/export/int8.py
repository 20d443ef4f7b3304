"""Static 8-bit quantisation of an exported network (Jacob 2018), as onnxruntime does it."""

from __future__ import annotations

import contextlib
import io
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from edgetune.errors import ExportError
from edgetune.export.host import top1_of
from edgetune.files import atomic_write

if TYPE_CHECKING:
    import onnx

CalibrationMethod = Literal["minmax", "percentile"]
"""onnxruntime's third, "entropy", is left out: with the 128 bins that it fixes for 128 levels it is `minmax`."""
METHODS: tuple[CalibrationMethod, ...] = ("minmax", "percentile")
PERCENTILE = 99.99


def quantize_onnx(source: Path, target: Path, *, calibration: np.ndarray, method: CalibrationMethod = "minmax") -> None:
    """Writes an INT8 twin of `source`: QDQ, weights per output channel, the normalisation left in float.

    Parameters
    ----------
    calibration
        Training pictures, raw pixel values, float32 (N, C, H, W); the ranges of all activations are taken from them.
    method
        How the range of an activation is taken: the extremes seen, or the 0.01st and 99.99th percentiles.

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
        "percentile": quantization.CalibrationMethod.Percentile,
    }
    with tempfile.TemporaryDirectory() as scratch, atomic_write(target) as aside:
        prepared = Path(scratch) / "prepared.onnx"
        # Only the shapes are inferred: onnxruntime's optimiser would fuse what the target's runtime should fuse.
        quantization.quant_pre_process(source, prepared, skip_optimization=True, skip_symbolic_shape=True)
        with contextlib.redirect_stdout(io.StringIO()):  # its histograms are announced with print
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
                extra_options={"CalibPercentile": PERCENTILE, "CalibTensorRangeSymmetric": False},
            )


@dataclass(frozen=True)
class Quantised:
    """The method that was kept, and the top-1, 0…1, that each gave."""

    method: CalibrationMethod
    top1: Mapping[CalibrationMethod, float]


def quantize_best(
    source: Path, target: Path, *, calibration: np.ndarray, pictures: np.ndarray, labels: np.ndarray
) -> Quantised:
    """Writes the INT8 twin whose calibration method gives the best top-1; the simpler method wins a tie.

    Parameters
    ----------
    pictures, labels
        Of the validation split, raw pixel values, float32 (N, C, H, W), and int64 (N,).
    """
    with tempfile.TemporaryDirectory() as scratch:
        top1: dict[CalibrationMethod, float] = {}
        for method in METHODS:
            candidate = Path(scratch) / f"{method}.onnx"
            quantize_onnx(source, candidate, calibration=calibration, method=method)
            top1[method] = top1_of(candidate, pictures, labels)
        best = max(METHODS, key=lambda method: top1[method])  # the first of equals
        with atomic_write(target) as aside:
            shutil.copyfile(Path(scratch) / f"{best}.onnx", aside)
    return Quantised(best, top1)


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
