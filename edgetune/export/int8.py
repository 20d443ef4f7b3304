"""Static 8-bit quantisation of an exported network (Jacob 2018), as onnxruntime does it."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from edgetune.errors import ExportError
from edgetune.export.host import compare_speed, top1_of
from edgetune.export.int8_operators import gates_in_bytes, pool_by_name
from edgetune.files import atomic_write, scratch_folder

if TYPE_CHECKING:
    import onnx

CalibrationMethod = Literal["minmax", "percentile"]
"""onnxruntime's third, "entropy", is left out: with the 128 bins that it fixes for 128 levels it is `minmax`."""
METHODS: tuple[CalibrationMethod, ...] = ("minmax", "percentile")
PERCENTILE = 99.99
LAYERS = ("Conv", "Gemm", "MatMul")
ROUNDING = "int8-gates"
"""Names the way in which files are rounded: what was measured of, or trained for, another way says nothing of this."""


def quantize_onnx(
    source: Path,
    target: Path,
    *,
    calibration: np.ndarray,
    method: CalibrationMethod = "minmax",
    float_ends: bool = False,
    ranges: Path | None = None,
) -> None:
    """Writes an INT8 twin of `source`: QDQ, weights per output channel, the normalisation left in float.

    Its operators are those that onnxruntime has in 8 bits; see :mod:`edgetune.export.int8_operators`.

    Parameters
    ----------
    calibration
        Training pictures, raw pixel values, float32 (N, C, H, W); the ranges of all activations are taken from them.
    method
        How the range of an activation is taken: the extremes seen, or the 0.01st and 99.99th percentiles.
    float_ends
        Whether the first convolution and the last layer stay in float: they have few weights, and rounding hurts
        there most (Krishnamoorthi 2018).
    ranges
        A file that keeps the ranges; what is in it already is not calibrated again.

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
    with scratch_folder() as scratch, atomic_write(target) as aside:
        prepared = scratch / "prepared.onnx"
        pool_by_name(model)
        # Only the shapes are inferred: onnxruntime's optimiser would fuse what the target's runtime should fuse.
        quantization.quant_pre_process(model, prepared, skip_optimization=True, skip_symbolic_shape=True)
        with contextlib.redirect_stdout(io.StringIO()):  # its histograms are announced with print
            quantization.quantize_static(
                prepared,
                aside,
                _OneByOne(calibration, model.graph.input[0].name),
                quant_format=quantization.QuantFormat.QDQ,
                per_channel=True,  # per-tensor weights ruin depthwise networks (Krishnamoorthi 2018)
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                nodes_to_exclude=_in_float(model, ends=float_ends),
                calibrate_method=methods[method],
                calibration_cache_path=ranges,
                extra_options={"CalibPercentile": PERCENTILE, "CalibTensorRangeSymmetric": False},
            )
        quantised = onnx.load(aside)
        gates_in_bytes(quantised)
        onnx.save(quantised, aside)


@dataclass(frozen=True)
class Quantised:
    """How a network was quantised, and what that was seen to cost and to gain.

    `top1` and `float_top1`, 0…1, are of the validation pictures, `speedup` is over the float artefact; `clocked` says
    where, how and with which runtime. Where the weights are not the float artefact's but were fine-tuned with their
    rounding, it says for how many epochs, and the top-1 before. `board_speedup` and `board_clocked` are the same of a
    board, where one was at hand.
    """

    method: CalibrationMethod
    float_ends: bool
    top1: float
    float_top1: float
    speedup: float
    clocked: str
    epochs: float = 0
    untuned_top1: float | None = None
    board_speedup: float | None = None
    board_clocked: str = ""

    @property
    def loss(self) -> float:
        """Top-1 that is lost."""
        return self.float_top1 - self.top1

    @property
    def spoken(self) -> str:
        """What was seen, in one phrase."""
        ends = ", first and last layer in float" if self.float_ends else ""
        speed = f"{self.speedup:.2f} times the speed of float32 ({self.clocked})"
        if self.untuned_top1 is None:
            return f"{speed}; ranges by {self.method}{ends}"
        gained = f"{self.untuned_top1:.2%} to {self.top1:.2%} of validation top-1"
        return f"{speed}{ends}; weights of its own, fine-tuned for {self.epochs:g} epochs with their rounding: {gained}"


def quantize_best(
    source: Path, target: Path, *, calibration: np.ndarray, pictures: np.ndarray, labels: np.ndarray, may_lose: float
) -> Quantised:
    """Writes the INT8 twin to prefer, by measured accuracy and speed.

    Of the calibration methods the one with the best top-1 is taken, the simpler of equals; with it the first and last
    layer are quantised or left in float, whichever is faster on this host among those that lose at most `may_lose`.

    Parameters
    ----------
    pictures, labels
        Of the validation split, raw pixel values, float32 (N, C, H, W), and int64 (N,).
    may_lose
        Top-1, 0…1. Where both lose more, the more accurate is written.
    """
    with scratch_folder() as scratch:
        exact = top1_of(source, pictures, labels)

        def candidate(method: CalibrationMethod, *, float_ends: bool) -> tuple[Path, float]:
            path = scratch / f"{method}{float_ends}.onnx"
            ranges = scratch / f"{method}.json"
            quantize_onnx(source, path, calibration=calibration, method=method, float_ends=float_ends, ranges=ranges)
            return path, top1_of(path, pictures, labels)

        tried = {method: candidate(method, float_ends=False) for method in METHODS}
        method = max(METHODS, key=lambda method: tried[method][1])  # the first of equals
        both: list[tuple[Path, Quantised]] = []
        for float_ends, (path, top1) in enumerate([tried[method], candidate(method, float_ends=True)]):
            speed = compare_speed(source, path, pictures[:1])
            both.append((path, Quantised(method, bool(float_ends), top1, exact, speed.speedup, str(speed))))
        return _write_preferred(both, target, may_lose)


def quantize_tuned(
    source: Path,
    target: Path,
    *,
    untuned: Path,
    before: Quantised,
    ranges: Mapping[str, tuple[float, float]],
    epochs: float,
    calibration: np.ndarray,
    pictures: np.ndarray,
    labels: np.ndarray,
    may_lose: float,
) -> Quantised:
    """Writes the INT8 twin of a network that was fine-tuned with its rounding, judged as :func:`quantize_best` judges.

    Parameters
    ----------
    source, untuned
        The ONNX files with the fine-tuned weights and with those before, which the twin is compared with.
    before
        What was seen of the untuned network's twin.
    ranges
        The lowest and the highest value of activations, as learnt; the others are calibrated.
    """
    with scratch_folder() as scratch:
        file, method = scratch / "ranges.json", before.method
        settle_ranges(file, ranges, source, calibration=calibration, method=method)
        both: list[tuple[Path, Quantised]] = []
        for float_ends in (False, True):
            path = scratch / f"{float_ends}.onnx"
            quantize_onnx(source, path, calibration=calibration, method=method, float_ends=float_ends, ranges=file)
            speed, top1 = compare_speed(untuned, path, pictures[:1]), top1_of(path, pictures, labels)
            seen = replace(before, float_ends=float_ends, top1=top1, speedup=speed.speedup, clocked=str(speed))
            both.append((path, replace(seen, epochs=epochs, untuned_top1=before.top1)))
        return _write_preferred(both, target, may_lose)


def settle_ranges(
    file: Path,
    ranges: Mapping[str, tuple[float, float]],
    source: Path,
    *,
    calibration: np.ndarray,
    method: CalibrationMethod,
) -> None:
    """Writes a file of ranges for :func:`quantize_onnx`: the given ones, and calibrated ones of other activations."""
    with scratch_folder() as scratch:
        quantize_onnx(source, scratch / "model.onnx", calibration=calibration, method=method, ranges=file)
    kept = json.loads(file.read_text())
    for name in ranges.keys() & kept["data"].keys():  # an older opset may write an activation in other operators
        for end, value in zip(("lowest", "highest"), ranges[name], strict=True):
            kept["data"][name][end] = {"CLS": "numpy.array", "dtype": "float32", "data": [value]}
    file.write_text(json.dumps(kept))


def _write_preferred(both: Sequence[tuple[Path, Quantised]], target: Path, may_lose: float) -> Quantised:
    """The fastest of those that lose at most `may_lose`; where none does, the most accurate."""
    holding = [pair for pair in both if pair[1].loss <= may_lose]
    path, kept = max(holding, key=lambda pair: pair[1].speedup) if holding else max(both, key=lambda pair: pair[1].top1)
    with atomic_write(target) as aside:
        shutil.copyfile(path, aside)
    return kept


class _OneByOne:
    """The calibration set as onnxruntime wants it: a reader that hands out one picture at a time."""

    def __init__(self, pictures: np.ndarray, name: str) -> None:
        self.feeds: Iterator[dict[str, np.ndarray]] = ({name: picture[None]} for picture in pictures)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.feeds, None)


def _in_float(model: onnx.ModelProto, *, ends: bool) -> list[str]:
    """The nodes to leave alone: those of the normalisation and, if asked for, the first and the last layer.

    The normalisation's output spans few values, but its input and constants differ by orders.
    """
    nodes = list(model.graph.node)
    layers = [node.name for node in nodes if node.op_type in LAYERS]
    before = [node.name for node in takewhile(lambda node: node.op_type not in LAYERS, nodes)]
    return before + ([layers[0], layers[-1]] if ends and layers else [])
