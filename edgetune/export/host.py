"""What this machine says about an ONNX file: its logits, its top-1, its speed beside another's.

The times are of this host. They tell which of two artefacts is faster where the board is not at hand;
they are never a latency of the board.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgetune.errors import ModelFileError
from edgetune.export.board import run_onnx

KIND = "measured on this host"


@dataclass(frozen=True)
class SpeedComparison:
    """Median latencies of two files, clocked in turns so that a busy spell hits both."""

    first_ms: float
    second_ms: float
    runs: int
    threads: int
    runtime: str
    kind: str = KIND

    @property
    def speedup(self) -> float:
        """How many times faster the second is than the first."""
        return self.first_ms / self.second_ms


def logits_of(model: Path, pictures: np.ndarray, *, threads: int = 1) -> np.ndarray:
    """Logits (N, classes) of raw pictures, float32 (N, C, H, W), one at a time as on the board.

    Raises
    ------
    ModelFileError
        onnxruntime cannot load the file.
    """
    run = _load(model, threads)
    return np.concatenate([run(picture[None]) for picture in pictures])


def top1_of(model: Path, pictures: np.ndarray, labels: np.ndarray, *, threads: int = 1) -> float:
    """Share of pictures, 0…1, whose largest logit is the label's."""
    return float(np.mean(logits_of(model, pictures, threads=threads).argmax(1) == labels))


def compare_speed(first: Path, second: Path, *, threads: int = 1, runs: int = 200) -> SpeedComparison:
    """Clocks both files on this host, `runs` times each after a tenth as many warm-up runs, and takes medians."""
    import onnxruntime

    contenders = [_load(first, threads), _load(second, threads)]
    pixels = np.random.default_rng(0).integers(0, 256, _input_shape(first)).astype(np.float32)
    seconds = np.empty((runs + runs // 10, 2))
    for turn in seconds:
        for i, run in enumerate(contenders):
            start = time.perf_counter()
            run(pixels)
            turn[i] = time.perf_counter() - start
    first_ms, second_ms = 1e3 * np.median(seconds[runs // 10 :], axis=0)
    return SpeedComparison(float(first_ms), float(second_ms), runs, threads, f"onnxruntime {onnxruntime.__version__}")


def _load(model: Path, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph, InvalidProtobuf, NoSuchFile

    try:
        return run_onnx.load(model, threads)
    except (Fail, InvalidGraph, InvalidProtobuf, NoSuchFile) as error:
        raise ModelFileError(f"onnxruntime cannot load it: {error}", where=model, mend="export it again") from error


def _input_shape(model: Path) -> tuple[int, ...]:
    import onnx

    inputs = onnx.load(model, load_external_data=False).graph.input
    return tuple(axis.dim_value for axis in inputs[0].type.tensor_type.shape.dim)
