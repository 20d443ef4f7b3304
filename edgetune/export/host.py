"""What this machine says about an ONNX file: its logits, its top-1, its speed beside another's.

The times are of this host. They tell which of two artefacts is faster where the board is not at hand;
they are never a latency of the board.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgetune.errors import ModelFileError

if TYPE_CHECKING:
    import onnxruntime

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
    """Logits (N, classes) of raw pictures, float32 (N, C, H, W), one at a time as on the board."""
    session = _session(model, threads)
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: picture[None]})[0] for picture in pictures])


def top1_of(model: Path, pictures: np.ndarray, labels: np.ndarray, *, threads: int = 1) -> float:
    """Share of pictures, 0…1, whose largest logit is the label's."""
    return float(np.mean(logits_of(model, pictures, threads=threads).argmax(1) == labels))


def compare_speed(first: Path, second: Path, *, threads: int = 1, runs: int = 200) -> SpeedComparison:
    """Clocks both files on this host, `runs` times each after a tenth as many warm-up runs, and takes medians."""
    import onnxruntime

    sessions = [_session(first, threads), _session(second, threads)]
    feeds = [_random_feed(session) for session in sessions]
    seconds = np.empty((runs + runs // 10, 2))
    for turn in seconds:
        for i, (session, feed) in enumerate(zip(sessions, feeds, strict=True)):
            start = time.perf_counter()
            session.run(None, feed)
            turn[i] = time.perf_counter() - start
    first_ms, second_ms = 1e3 * np.median(seconds[runs // 10 :], axis=0)
    return SpeedComparison(float(first_ms), float(second_ms), runs, threads, f"onnxruntime {onnxruntime.__version__}")


def _session(model: Path, threads: int) -> onnxruntime.InferenceSession:
    import onnxruntime
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph, InvalidProtobuf, NoSuchFile

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except (Fail, InvalidGraph, InvalidProtobuf, NoSuchFile) as error:
        raise ModelFileError(f"onnxruntime cannot load it: {error}", where=model, mend="export it again") from error


def _random_feed(session: onnxruntime.InferenceSession) -> dict[str, Any]:
    wanted = session.get_inputs()[0]
    pixels = np.random.default_rng(0).integers(0, 256, wanted.shape)
    return {wanted.name: pixels.astype(np.float32)}
