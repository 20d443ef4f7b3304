"""How fast the artefacts of some networks run on this machine, and what making them costs.

    python -m tools.bench.export model.onnx [model.onnx …] [--threads 1] [--runs 100]

Clocks onnxruntime float32, onnxruntime INT8 and the TVM library in turns, so that a busy spell hits all three, and
prints medians. The figures are of this host, never of a board; INT8 is calibrated on noise, so its speed is meant, not
its accuracy.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx

from edgetune.export.board import run_onnx, run_tvm
from edgetune.export.int8 import quantize_onnx
from edgetune.export.tvm_library import compile_tvm, host_target

Run = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=100)
    options = parser.parse_args()
    os.environ["TVM_NUM_THREADS"] = str(options.threads)
    print("| network | onnxruntime, ms | INT8, ms | TVM, ms | INT8 speed-up | TVM speed-up | made in, s |")
    print("|---|---|---|---|---|---|---|")
    for model in options.models:
        print(row(model, options.threads, options.runs), flush=True)


def row(model: Path, threads: int, runs: int) -> str:
    shape = [axis.dim_value for axis in onnx.load(model).graph.input[0].type.tensor_type.shape.dim]
    pictures = np.random.default_rng(0).integers(0, 256, (8, *shape[1:])).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        int8, library = Path(folder) / "model.int8.onnx", Path(folder) / "model.tvm.so"
        began = time.perf_counter()
        quantize_onnx(model, int8, calibration=pictures)
        quantised = time.perf_counter()
        compile_tvm(model, library, tvm_target=host_target())
        compiled = time.perf_counter()
        contenders = [run_onnx.load(model, threads), run_onnx.load(int8, threads), run_tvm.load(library)]
        plain, rounded, tvm = medians_ms(contenders, run_tvm.aligned(pictures[:1]), runs)
    return (
        f"| {model.stem} | {plain:.3f} | {rounded:.3f} | {tvm:.3f} | {plain / rounded:.2f} | {plain / tvm:.2f} "
        f"| {quantised - began:.1f} + {compiled - quantised:.1f} |"
    )


def medians_ms(contenders: list[Run], picture: np.ndarray, runs: int) -> np.ndarray:
    seconds = np.empty((runs + runs // 10, len(contenders)))
    for turn in seconds:
        for i, run in enumerate(contenders):
            began = time.perf_counter()
            run(picture)
            turn[i] = time.perf_counter() - began
    return 1e3 * np.median(seconds[runs // 10 :], axis=0)


if __name__ == "__main__":
    main()
