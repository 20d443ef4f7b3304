"""What blocks of instructions cost in the Cortex-A72's pipelines, by llvm-mca's model of them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from edgetune.errors import ExportError, MissingDependencyError
from tools.pi_simulator.counts import Block, Counts

CPU = "cortex-a72"
COVERED, MOST = 0.995, 600
"""The hottest blocks are modelled until they cover this share of the instructions, but no more than so many blocks."""
FEW, MANY = 20, 60
"""Iterations of two runs, whose difference leaves out the filling of the pipelines."""
CALLS = re.compile(r"^(bl|blr|ret|br|b)\b.*")


def core_cycles(counts: Counts) -> float:
    """Cycles of one inference if no load ever waited; blocks that are not modelled are as fast as the others.

    Raises
    ------
    MissingDependencyError
        No llvm-mc or llvm-mca.
    """
    hot = hottest(counts)
    costs = cycles_of(hot)
    covered = sum(block.runs * len(block.code) for block in hot)
    return sum(block.runs * cost for block, cost in zip(hot, costs, strict=True)) * counts.instructions / covered


def hottest(counts: Counts) -> list[Block]:
    order = sorted(counts.blocks, key=lambda block: -block.runs * len(block.code))
    hot, covered = [], 0
    for block in order[:MOST]:
        hot.append(block)
        covered += block.runs * len(block.code)
        if covered >= COVERED * counts.instructions:
            break
    return hot


def cycles_of(blocks: Sequence[Block]) -> list[float]:
    """Cycles of one run of each block when it is repeated."""
    lines = assembly([word for block in blocks for word in block.code])
    regions, start = [], 0
    for number, block in enumerate(blocks):
        code = [CALLS.sub("b #4", line) for line in lines[start : start + len(block.code)]]
        regions += [f"# LLVM-MCA-BEGIN b{number}", *code, f"# LLVM-MCA-END b{number}"]
        start += len(block.code)
    few, many = (_total_cycles("\n".join(regions) + "\n", iterations) for iterations in (FEW, MANY))
    return [
        (many[number] - few[number]) / (MANY - FEW) if number in many else float(len(block.code))
        for number, block in enumerate(blocks)
    ]


def assembly(words: Sequence[int]) -> list[str]:
    """One line of assembly a machine word."""
    text = "\n".join(" ".join(f"0x{byte:02x}" for byte in word.to_bytes(4, "little")) for word in words)
    printed = _run("llvm-mc", ["--disassemble", "--triple=aarch64", f"-mcpu={CPU}"], text)
    lines = [line.strip() for line in printed.splitlines() if line.startswith("\t")]
    lines = [line for line in lines if not line.startswith(".")]
    if len(lines) != len(words):
        raise ExportError(f"llvm-mc read {len(lines)} of {len(words)} instructions")
    return lines


def _total_cycles(regions: str, iterations: int) -> dict[int, int]:
    flags = ["-mtriple=aarch64", f"-mcpu={CPU}", f"-iterations={iterations}", "-noalias=1"]
    printed = _run("llvm-mca", [*flags, "-instruction-info=0", "-resource-pressure=0"], regions)
    found = {}
    for region in re.split(r"\[\d+\] Code Region - b", printed)[1:]:
        number, cycles = re.match(r"\d+", region), re.search(r"Total Cycles: +(\d+)", region)
        if number and cycles:
            found[int(number[0])] = int(cycles[1])
    return found


def _run(name: str, flags: Sequence[str], text: str) -> str:
    done = subprocess.run([str(_tool(name)), *flags], input=text, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise ExportError(f"{name} failed: {done.stderr[-500:]}")
    return done.stdout


def _tool(name: str) -> Path:
    """The system's, or that of the newest LLVM that is installed beside it."""
    candidates = [name, *(f"{name}-{release}" for release in range(25, 13, -1))]
    found = next((path for candidate in candidates if (path := shutil.which(candidate))), None)
    if found is None:
        raise MissingDependencyError(f"{name} is not installed", mend="Debian, Ubuntu: apt install llvm")
    return Path(found)
