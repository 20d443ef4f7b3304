"""Runs an ONNX file on this machine. Needs numpy and onnxruntime.

    python run_onnx.py model.onnx pictures.npy logits.npy [threads]

pictures.npy holds raw pixel values, 0…255, (N, C, H, W), of any type of number.
"""

import os
import sys
from collections.abc import Callable

import numpy as np


def load(model: str | os.PathLike[str], threads: int = 1) -> Callable[[np.ndarray], np.ndarray]:
    """A function from one picture, float32 (1, C, H, W), to its logits (1, classes)."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when onnxruntime is imported
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Old x86 processors multiply INT8 with sums of 16 bits that overflow, which changes answers; other boards do not.
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(picture: np.ndarray) -> np.ndarray:
        return session.run(None, {name: picture})[0]

    return run


def main(model: str, pictures: str, logits: str, threads: str = "1") -> None:
    run = load(model, int(threads))
    np.save(logits, np.concatenate([run(picture[None]) for picture in np.load(pictures).astype(np.float32)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
