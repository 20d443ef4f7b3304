"""A fixed computation, clocked beside every model: where it is slower than it can be here, so was the model.

A machine does not see what slows it from outside: neighbours on the same host, firmware that lowers the clock and does
not say so. Both slow everything, so the best that a small matrix product ever took on these cores is what tells.
`python -m edgetune.agent.yardstick` clocks it a few times, some seconds apart.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgetune.agent.board import BoardInfo, read_info
from edgetune.agent.cores import bind
from edgetune.errors import StorageError
from edgetune.files import atomic_write

SIDE = 128
"""Of the matrices: three of them fill a core's own cache, as a small network's activations do."""
SECONDS = 0.01
FEWEST_RUNS = 5
SURVEY, APART = 4, 1.0
"""How often the yardstick is clocked before the first model, and seconds between."""


def clock() -> float:
    """Milliseconds of one product, the median of some."""
    import numpy as np

    one = np.random.default_rng(0).random((SIDE, SIDE), np.float32)
    other, product = one.copy(), np.empty_like(one)
    times: list[float] = []
    while len(times) < FEWEST_RUNS or sum(times) < SECONDS:
        began = time.perf_counter()
        np.matmul(one, other, out=product)
        times.append(time.perf_counter() - began)
    return 1e3 * statistics.median(times)


class Yardstick:
    """The best that was ever seen here, in a file.

    Two processes that write at once may lose one figure; the next measurement brings another.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def slowdown(self, info: BoardInfo, cores: Sequence[int], ms: float) -> float:
        """How many times the best known `ms` is, at least 1; a better one is kept."""
        key = f"{info.model}, {info.kernel}, numpy {importlib.metadata.version('numpy')}, cores {list(cores)}"
        known = self._read()
        best = known.get(key, ms)
        if ms < best or key not in known:
            with contextlib.suppress(StorageError, OSError):  # a full disk fails no measurement
                self._write(known | {key: ms})
        return max(1.0, ms / best)

    def survey(self, python: Sequence[str] = (sys.executable,)) -> None:
        """Clocks the yardstick before any model, so that the first one already has something to be held against."""
        command = [*python, "-P", "-m", "edgetune.agent.yardstick"]
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd="/")
        if done.returncode == 0:
            told = json.loads(done.stdout)
            self.slowdown(read_info(), told["cores"], told["ms"])

    def known(self) -> bool:
        return bool(self._read())

    def _write(self, known: Mapping[str, float]) -> None:
        with atomic_write(self.path) as aside:
            aside.write_text(json.dumps(dict(known), indent=1))

    def _read(self) -> dict[str, float]:
        try:
            found = json.loads(self.path.read_text())
            return {str(key): float(ms) for key, ms in found.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}


def main() -> None:
    cores = bind(1)
    times = []
    for turn in range(SURVEY):
        time.sleep(APART if turn else 0)
        times.append(max(clock(), clock()))  # the slower of two, as beside a model
    print(json.dumps({"cores": cores, "ms": min(times)}))


if __name__ == "__main__":
    main()
