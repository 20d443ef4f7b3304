"""Page faults, which the kernel counts, of tensors that come and go."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import resource, torch
from edgetune.distill.memory import keep_freed_memory
if {keep}:
    keep_freed_memory()
def come_and_go():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(16 * 2**20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
come_and_go()
print(come_and_go())
"""
PAGES = 16 * 2**20 * 4 // 4096


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone can be told")
def test_freed_memory_is_used_again() -> None:
    faults = {
        keep: int(subprocess.check_output([sys.executable, "-c", PROGRAM.format(keep=keep)], text=True))
        for keep in (True, False)
    }
    assert faults[True] < PAGES / 10 and faults[False] > 0
