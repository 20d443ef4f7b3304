"""Runs in the userland: one inference as the region that the plugin counts. The runtime's script is one of a bundle's.

python region.py run_onnx.py model.onnx picture.npy
python region.py run_ncnn.py network.param picture.npy
"""

import contextlib
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

WARM, START, STOP = 0x7770, 0x7771, 0x7772  # as in plugin.c


def mark(value: int) -> None:
    with contextlib.suppress(OSError):  # no such policy, says the kernel, but the plugin has seen it
        os.sched_get_priority_max(value)


def main(script: str, model: str, picture: str, settling: str = "0") -> None:
    # Compiled here, not imported: whether a .pyc lay beside it would move the memory that the counted code works on.
    runner: dict[str, Any] = {"__name__": "runner", "__file__": script}
    exec(compile(Path(script).read_text(encoding="utf-8"), script, "exec"), runner)  # noqa: S102  a script of the checkout
    run, pixels = runner["load"](model), np.load(picture)
    for _ in range(int(settling)):
        run(pixels)
    mark(WARM)
    run(pixels)
    mark(START)
    run(pixels)
    mark(STOP)


if __name__ == "__main__":
    main(*sys.argv[1:])
