"""Evaluations that workers of the tests load by name. Nothing heavy is imported."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from edgetune.search.learning_curve import report_step
from edgetune.search.objective import Objective
from edgetune.search.problem import Problem
from edgetune.space.parameters import Choice, Range, Sample, Space

SPACE = Space("toy", (Choice("width", tuple(range(8, 264, 8))), Choice("op", ("a", "b", "c")), Range("lr", 0.01, 1.0)))
HERE = "tests.search.engines.toys"


def cost(sample: Sample) -> dict[str, float]:
    return {"cost": float(sample["width"])}


PROBLEM = Problem(SPACE, (Objective("error"), Objective("cost", cheap=True)), cost)


def noisy(pause: float = 0.0) -> Callable[[Sample], Mapping[str, float]]:
    """Repeats only where all generators are seeded."""

    def evaluate(sample: Sample) -> dict[str, float]:
        time.sleep(pause)
        return {"error": 10 / float(sample["width"]) + random.random() / 10 + np.random.random() / 10}

    return evaluate


def curved() -> Callable[[Sample], Mapping[str, float]]:
    """Reports two steps; the figure goes by the name that NNI's own strategies look at."""

    def evaluate(sample: Sample) -> dict[str, float]:
        figure = 1 / float(sample["width"])
        report_step(0.0)
        report_step(figure)
        return {"default": figure}

    return evaluate


def logged(folder: str, pause: float) -> Callable[[Sample], Mapping[str, float]]:
    """Leaves a file for each evaluation that was begun: when, of which sample, on which Ray node."""
    evaluate = noisy(pause)

    def leave_a_file(sample: Sample) -> Mapping[str, float]:
        (Path(folder) / f"{time.monotonic_ns()}-{sample.hash}-{os.environ.get('RAY_RAYLET_PID')}").touch()
        return evaluate(sample)

    return leave_a_file


def misbehaving() -> Callable[[Sample], Mapping[str, float]]:
    """Every third trial goes wrong in one of many ways, by its width."""

    def evaluate(sample: Sample) -> Mapping[str, float]:
        print("an evaluation may print")
        return WAYS.get(int(sample["width"]), fine)()

    return evaluate


def fine() -> dict[str, float]:
    return {"error": 0.5}


def raises() -> dict[str, float]:
    raise RuntimeError("CUDA error")


def hangs() -> dict[str, float]:
    time.sleep(3600)
    return {}


def takes_all_memory() -> dict[str, float]:
    hoard = []
    while True:
        hoard.append(bytearray(os.urandom(1 << 20)) * 8)
        time.sleep(0.005)


def is_killed() -> dict[str, float]:
    """As the kernel does when memory is out."""
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def exits() -> dict[str, float]:
    os._exit(3)


WAYS: dict[int, Callable[[], Mapping[str, float]]] = {
    8: raises,
    16: hangs,
    24: takes_all_memory,
    32: is_killed,
    40: exits,
    48: lambda: {"error": float("nan")},
    56: dict,
    64: lambda: None,  # type: ignore[return-value,dict-item]
}


def broken() -> Callable[[Sample], Mapping[str, float]]:
    raise FileNotFoundError("supernet.pt")


def dying() -> Callable[[Sample], Mapping[str, float]]:
    os._exit(1)
