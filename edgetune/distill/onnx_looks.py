"""onnxruntime as a teacher's runtime: on a processor a few pictures at a time, each core its own.

What is computed of a few fits a core's cache, and no core waits for another: `tools.bench.distil looks` tells how much
faster that is than a whole batch on all cores.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

PIXELS = 16 * 28 * 28
"""That a core is given at a time, in at least `FEWEST` pictures."""
FEWEST = 2


def open_session(model: Path | bytes, *, gpu: bool = False) -> Any:
    """An `onnxruntime.InferenceSession`, with `gpu` on the GPU; raises whatever onnxruntime raises."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # cores are given pictures, not parts of them
    options.log_severity_level = 3
    providers = [*(["CUDAExecutionProvider"] if gpu else []), "CPUExecutionProvider"]
    return onnxruntime.InferenceSession(model, options, providers=providers)


def look(session: Any, pictures: np.ndarray) -> np.ndarray:
    """The first output for pictures (N, C, H, W), with torch's number of threads."""
    name, size = session.get_inputs()[0].name, _at_a_time(session, pictures)
    parts = [pictures[start : start + size] for start in range(0, len(pictures), size)]
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        return np.concatenate(list(pool.map(lambda part: session.run(None, {name: part})[0], parts)))


def _at_a_time(session: Any, pictures: np.ndarray) -> int:
    if session.get_inputs()[0].shape[0] == 1:
        return 1
    if session.get_providers()[0] != "CPUExecutionProvider":
        return len(pictures)
    return max(FEWEST, PIXELS // (pictures.shape[2] * pictures.shape[3]))
