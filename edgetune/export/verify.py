"""Runs artefacts where they are meant to run, and compares what they compute."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from edgetune.errors import ExportError
from edgetune.export.board import run_onnx, run_tvm

Python = Callable[[Sequence[str | Path]], object]
"""Runs a target's Python with these arguments and raises ExportError if the program fails."""

RUNNERS = {".onnx": Path(run_onnx.__file__), ".so": Path(run_tvm.__file__)}


def python_here(arguments: Sequence[str | Path]) -> None:
    """This machine's Python, in a process of its own: a library for another processor ends that one, not this."""
    done = subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ExportError(f"exit code {done.returncode}: {done.stderr[-2000:]}", where=" ".join(map(str, arguments)))


def logits_on(python: Python, artefact: Path, pictures: np.ndarray) -> np.ndarray:
    """Logits (N, classes) of raw pictures, float32 (N, C, H, W), that `artefact` gives on the target of `python`.

    Raises
    ------
    ExportError
        An artefact of unknown kind, or one that fails there.
    """
    runner = RUNNERS.get(artefact.suffix)
    if runner is None:
        raise ExportError("no runtime for this kind of file", where=artefact, mend=f"known: {', '.join(RUNNERS)}")
    with tempfile.TemporaryDirectory() as folder:
        given, answer = Path(folder) / "pictures.npy", Path(folder) / "logits.npy"
        np.save(given, pictures)
        python([runner, artefact, given, answer])
        return np.load(answer, allow_pickle=False)
