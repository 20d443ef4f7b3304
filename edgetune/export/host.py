"""What this machine says about a model file: its logits, its top-1, its speed beside another's.

The times are of this host. They tell which of two artefacts is faster where the board is not at hand;
they are never a latency of the board.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from edgetune.errors import MissingDependencyError, ModelFileError
from edgetune.export.board import run_onnx, run_tflite
from edgetune.export.formats import LITERT, runtime_for

KIND = "measured on this host"
THREADS = 1


@dataclass(frozen=True)
class SpeedComparison:
    """Median latencies of two files, clocked in turns so that a busy spell hits both."""

    first_ms: float
    second_ms: float
    runs: int
    runtime: str
    kind: str = KIND

    @property
    def speedup(self) -> float:
        """How many times faster the second is than the first."""
        return self.first_ms / self.second_ms

    def __str__(self) -> str:
        return f"{self.kind}, {self.runtime}, {THREADS} thread"


def logits_of(model: Path, pictures: np.ndarray) -> np.ndarray:
    """Logits (N, classes) of raw pictures, float32 (N, C, H, W), one at a time as on the board.

    Raises
    ------
    ModelFileError
        Its runtime cannot load the file.
    ExportError
        No runtime for this kind of file.
    MissingDependencyError
        Its runtime is not installed.
    """
    run = _load(model)
    return np.concatenate([run(picture[None]) for picture in pictures])


def top1_of(model: Path, pictures: np.ndarray, labels: np.ndarray) -> float:
    """Share of pictures, 0…1, whose largest logit is the label's."""
    return float(np.mean(logits_of(model, pictures).argmax(1) == labels))


def compare_speed(first: Path, second: Path, picture: np.ndarray, *, runs: int = 200) -> SpeedComparison:
    """Clocks both files on this host, `runs` times each after a tenth as many warm-up runs, and takes medians.

    `picture` is what goes in, float32 (1, C, H, W).
    """
    contenders = [_load(first), _load(second)]
    seconds = np.empty((runs + runs // 10, 2))
    for turn in seconds:
        for i, run in enumerate(contenders):
            start = time.perf_counter()
            run(picture)
            turn[i] = time.perf_counter() - start
    first_ms, second_ms = 1e3 * np.median(seconds[runs // 10 :], axis=0)
    return SpeedComparison(float(first_ms), float(second_ms), runs, runtime_of(first))


def runtime_of(model: Path) -> str:
    """What runs such a file here, with its version."""
    package = runtime_for(model).package
    return f"{package} {version(package)}"


def _load(model: Path) -> Callable[[np.ndarray], np.ndarray]:
    package = runtime_for(model).package
    try:
        with _silence():
            return (run_tflite if model.suffix == LITERT.suffix else run_onnx).load(model, THREADS)
    except ModuleNotFoundError as error:
        raise MissingDependencyError(f"{error.name} is not installed", mend="pip install 'edgetune[search]'") from error
    except Exception as error:  # the runtimes' own kinds of error have no common base
        raise ModelFileError(f"{package} cannot load it: {error}", where=model, mend="export it again") from error


@contextmanager
def _silence() -> Iterator[None]:
    """Keeps what a runtime's C++ tells standard error, such as its delegate's name, out of the progress bars."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)
