"""Runs a TVM library on this machine. Needs numpy and apache-tvm, of which it loads the 3 MB runtime only.

    python run_tvm.py model.tvm.so pictures.npy logits.npy [threads]

pictures.npy holds raw pixel values, 0…255, (N, C, H, W), of any type of number.
"""

import ctypes
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CPU, POOLED_ALLOCATOR = 1, 2


def load(library: str | os.PathLike[str]) -> Callable[[np.ndarray], np.ndarray]:
    """A function from one picture, float32 (1, C, H, W), to its logits (1, classes)."""
    import tvm_ffi

    package = importlib.util.find_spec("tvm")  # found, not imported: the compiler in it takes 4 s and 260 MB
    if package is None or package.origin is None:
        raise ModuleNotFoundError("no module named 'tvm'; run: pip install apache-tvm")
    ctypes.CDLL(str(Path(package.origin).parent / "lib" / "libtvm_runtime.so"), mode=ctypes.RTLD_GLOBAL)
    machine: Any = tvm_ffi.load_module(os.fspath(library))["vm_load_executable"]()
    machine["vm_initialization"](CPU, 0, POOLED_ALLOCATOR)

    def run(picture: np.ndarray) -> np.ndarray:
        logits = machine["main"](tvm_ffi.from_dlpack(aligned(picture)))
        return np.from_dlpack(logits if hasattr(logits, "__dlpack__") else logits[0]).copy()

    return run


def aligned(picture: np.ndarray) -> np.ndarray:
    """A copy at an address that is a multiple of 64, as the vector instructions of the library take for granted."""
    memory = np.empty(picture.nbytes + 64, np.uint8)
    start = -memory.ctypes.data % 64
    copy = memory[start : start + picture.nbytes].view(np.float32).reshape(picture.shape)
    copy[...] = picture
    return copy


def main(library: str, pictures: str, logits: str, threads: str = "1") -> None:
    os.environ["TVM_NUM_THREADS"] = threads
    run = load(library)
    np.save(logits, np.concatenate([run(picture[None]) for picture in np.load(pictures).astype(np.float32)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
