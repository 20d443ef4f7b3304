"""Runs a TensorFlow Lite file on this machine. Needs numpy and ai-edge-litert.

    python run_tflite.py model.tflite pictures.npy logits.npy [threads]

pictures.npy holds raw pixel values, 0…255, (N, C, H, W), of any type of number.
"""

import os
import sys
from collections.abc import Callable

import numpy as np


def load(model: str | os.PathLike[str], threads: int = 1) -> Callable[[np.ndarray], np.ndarray]:
    """A function from one picture, float32 (1, C, H, W), to its logits (1, classes)."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(os.fspath(model), num_threads=threads)
    interpreter.allocate_tensors()
    pixels, logits = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def run(picture: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(pixels, picture)
        interpreter.invoke()
        return interpreter.get_tensor(logits)

    return run


def main(model: str, pictures: str, logits: str, threads: str = "1") -> None:
    run = load(model, int(threads))
    np.save(logits, np.concatenate([run(picture[None]) for picture in np.load(pictures).astype(np.float32)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
