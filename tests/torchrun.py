"""A program in two processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

COMMAND = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
SECONDS = 240.0


def torchrun(program: Path, *arguments: str | Path, **environment: str) -> tuple[str, str]:
    """What both have written to standard output and to standard error; both must end well."""
    root = str(Path(__file__).parents[1])
    here = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1", **environment}
    with subprocess.Popen(
        [*COMMAND, program, *arguments], env=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        try:
            out, err = running.communicate(timeout=SECONDS)
        except BaseException:
            running.terminate()  # which ends the two as well
            raise
    assert running.returncode == 0, err
    return out, err
