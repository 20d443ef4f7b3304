"""How fast a teacher looks at pictures: as trained, folded as a search has it, and by other runtimes."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from edgetune.distill.precision import best_device
from edgetune.distill.teacher_checkpoint import CheckpointTeacher, load_checkpoint
from edgetune.distill.teacher_outputs import BATCH
from edgetune.distill.train_teacher import new_teacher
from edgetune.export.onnx_file import OnnxForm, export_onnx
from tools.bench.distil_setup import load

Forward = Callable[[Tensor], Tensor]


def looks(options: argparse.Namespace) -> None:
    """Pictures a second that a teacher looks at, in turns, over those of the module as it was trained.

    Without `--teacher` one of the usual size, untrained. All have torch's number of threads.
    """
    dataset, device = load(options), best_device()
    trained = load_checkpoint(options.teacher) if options.teacher else new_teacher(dataset, None, seed=0, device=device)
    side = trained.resolution
    pixels = torch.rand(BATCH, trained.channels, side, side) * 255
    pixels = pixels.contiguous(memory_format=torch.channels_last)
    ways: dict[str, Forward] = {
        "trained": trained.to(device).logits,
        "folded": trained.folded().to(device).logits,
        "torch.jit": torch.jit.freeze(torch.jit.trace(trained.module, pixels)),
        "onnxruntime": onnxruntime_of(trained),
    }
    rows = []
    with torch.no_grad():
        expected = ways["trained"](pixels)
        for name, forward in ways.items():  # which also warms up
            print(f"{name}: at most {float((forward(pixels) - expected).abs().max()):.1e} from as trained")
            forward(pixels)
        for turn in range(2 * options.seeds):
            rates = {name: rate(ways[name], pixels) for name in sorted(ways, reverse=bool(turn % 2))}
            rows.append(rates)
            print(", ".join(f"{name} {value:.0f}/s" for name, value in rates.items()), flush=True)
    for name in ways:
        ratios = [row[name] / row["trained"] for row in rows]
        print(
            f"{name} over trained, median of {len(rows)}: {np.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
        )


def rate(forward: Forward, pixels: Tensor, batches: int = 3) -> float:
    """Pictures a second."""
    began = time.perf_counter()
    for _ in range(batches):
        forward(pixels)
    return batches * len(pixels) / (time.perf_counter() - began)


def onnxruntime_of(teacher: CheckpointTeacher) -> Forward:
    """The teacher's ONNX file, its BatchNorm folded."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "teacher.onnx"
        shape = {"channels": teacher.channels, "resolution": teacher.resolution}
        export_onnx(teacher.module, file, metadata={}, form=OnnxForm(dynamic_batch=True), **shape)
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return lambda pixels: torch.from_numpy(session.run(None, {"pixels": pixels.contiguous().numpy()})[0])
