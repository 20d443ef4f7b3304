"""How fast a teacher looks at pictures: as trained, folded, by other runtimes, and as a search has it."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from edgetune.distill.precision import to_pixels
from edgetune.distill.teacher import fit_pixels
from edgetune.distill.teacher_checkpoint import CheckpointTeacher, load_checkpoint
from edgetune.distill.teacher_outputs import BATCH
from edgetune.distill.train_teacher import new_teacher
from edgetune.pipeline.quick_teacher import onnx_of, quick
from tools.bench.distil_setup import load

BATCHES = 3
Forward = Callable[[Tensor], Tensor]


def looks(options: argparse.Namespace) -> None:
    """Pictures a second that a teacher looks at on the CPU, in turns, over those of the module as it was trained.

    They are enlarged to what it takes, as in a search. Without `--teacher` one of the usual size, untrained. All have
    torch's number of threads; a search gives each thread a few pictures, the others whole batches to all threads.
    """
    dataset, device = load(options), torch.device("cpu")
    trained = load_checkpoint(options.teacher) if options.teacher else new_teacher(dataset, None, seed=0, device=device)
    trained.to(device)
    pixels = to_pixels(dataset.train.images[:BATCH], device)
    enlarge = partial(fit_pixels, channels=trained.channels, resolution=trained.resolution)
    frozen = torch.jit.freeze(torch.jit.trace(trained.module, enlarge(pixels)))
    onnxruntime = onnxruntime_of(trained)
    ways: dict[str, Forward] = {
        "trained": trained.logits,
        "folded": trained.folded().to(device).logits,
        "torch.jit": lambda pixels: frozen(enlarge(pixels)),
        "onnxruntime": lambda pixels: onnxruntime(enlarge(pixels)),
        "search": quick(trained.folded(), device).logits,
    }
    rows = []
    with torch.no_grad():
        expected = ways["trained"](pixels)
        for name, forward in ways.items():
            print(f"{name}: at most {float((forward(pixels) - expected).abs().max()):.1e} from as trained")
            forward(pixels)  # the second is still slow
        for turn in range(2 * options.seeds):
            rates = {name: rate(ways[name], pixels) for name in sorted(ways, reverse=bool(turn % 2))}
            rows.append(rates)
            print(", ".join(f"{name} {value:.0f}/s" for name, value in rates.items()), flush=True)
    for name in ways:
        ratios = [row[name] / row["trained"] for row in rows]
        print(f"{name}: {np.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f}), median of {len(rows)}")


def rate(forward: Forward, pixels: Tensor) -> float:
    """Pictures a second."""
    began = time.perf_counter()
    for _ in range(BATCHES):
        forward(pixels)
    return BATCHES * len(pixels) / (time.perf_counter() - began)


def onnxruntime_of(teacher: CheckpointTeacher) -> Forward:
    """The teacher's ONNX file, its BatchNorm folded."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(onnx_of(teacher), options, providers=["CPUExecutionProvider"])
    return lambda pixels: torch.from_numpy(session.run(None, {"pixels": pixels.contiguous().numpy()})[0])
