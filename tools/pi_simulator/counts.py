"""Executed instructions and modelled cache misses of one inference on the emulated board. They repeat exactly."""

from __future__ import annotations

import ctypes
import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from edgetune.errors import ExportError, MissingDependencyError
from edgetune.export.verify import RUNNERS
from edgetune.files import atomic_write, cache_folder
from tools.pi_userland import PiUserland

HERE = Path(__file__).parent
QEMU = "qemu-aarch64"  # the one with shared libraries: the static one loads no plugins
NO_ASLR = 0x0040000  # ADDR_NO_RANDOMIZE of <sys/personality.h>
RESERVED = "0x400000000"  # 16 GiB of addresses to itself, or the emulator's own memory moves the program's
LIMIT = 1800.0  # seconds


@dataclass(frozen=True)
class Block:
    """Instructions that are executed in a row: Armv8 machine words, and how often they ran."""

    runs: int
    code: tuple[int, ...]


@dataclass(frozen=True)
class Counts:
    """Of one inference. Misses are those of the model; without the model, zero.

    `streamed` are the misses of the second-level cache that a prefetcher which follows streams would have fetched.
    """

    loads: int
    stores: int
    l1i_misses: int
    l1d_misses: int
    l2_misses: int
    streamed: int
    tlb_misses: int
    blocks: tuple[Block, ...]

    @cached_property
    def instructions(self) -> int:
        return sum(block.runs * len(block.code) for block in self.blocks)

    @property
    def l2_hits(self) -> int:
        return self.l1i_misses + self.l1d_misses - self.l2_misses


def count_model(model: Path, picture: np.ndarray, *, caches: bool = True) -> Counts:
    """Counts one inference of an artefact (.onnx, .tflite, or a .so for the board) on one picture, (1, C, H, W).

    Raises
    ------
    ExportError
        No runtime for such a file, or it fails on the board.
    MissingDependencyError
        No QEMU with plugins, or no C compiler.
    """
    runner = RUNNERS.get(model.suffix)
    if runner is None:
        raise ExportError("no runtime for this kind of file", where=model, mend=f"known: {', '.join(RUNNERS)}")
    return count(PiUserland.ready(), runner, model, picture, caches=caches)


def count(
    userland: PiUserland,
    runner: Path,
    model: Path,
    picture: np.ndarray,
    *,
    caches: bool = True,
    packages: Iterable[Path] = (),
    settling: int = 1,
) -> Counts:
    """As :func:`count_model`, by a script of one's own that has a function `load`.

    `packages` join the Python path; `settling` inferences, in which a runtime lays out its memory, run before.
    """
    with tempfile.TemporaryDirectory() as scratch:
        pixels, out = Path(scratch) / "picture.npy", Path(scratch) / "counts.txt"
        np.save(pixels, picture)
        plugin = f"{_plugin()},out={out},caches={'on' if caches else 'off'}"
        # Relative, so that no name, hence no hash of one, differs from run to run.
        command = userland.command([HERE / "region.py", runner, model.resolve(), pixels.name, str(settling)])
        environment = userland.environment | {"PYTHONHASHSEED": "0"}
        environment["PYTHONPATH"] = ":".join([environment["PYTHONPATH"], *map(str, packages)])
        # The static emulator gives way to the one that loads plugins.
        done = subprocess.run(
            [str(_qemu()), "-R", RESERVED, "-plugin", plugin, *command[1:]],
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT,
            env=environment,
            cwd=scratch,
            preexec_fn=_fixed_addresses,
        )
        if done.returncode != 0 or not out.exists():
            raise ExportError(f"failed on the emulated board: {done.stderr[-1500:]}", where=model)
        return parse(out.read_text())


def parse(text: str) -> Counts:
    """What the plugin wrote."""
    header, *lines = text.splitlines()
    words = header.split()
    totals = dict(zip(words[::2], map(int, words[1::2]), strict=True))
    rows = (line.split() for line in lines)
    blocks = (Block(int(row[1]), tuple(int(word, 16) for word in row[2:])) for row in rows)
    return Counts(**totals, blocks=tuple(blocks))


def _fixed_addresses() -> None:
    """Where memory lies decides what shares a cache line, so it must be the same in each run."""
    ctypes.CDLL(None).personality(NO_ASLR)


def _qemu() -> Path:
    found = shutil.which(QEMU)
    if found is None:
        raise MissingDependencyError(f"{QEMU} is not installed", mend="Debian, Ubuntu: apt install qemu-user")
    return Path(found)


def _plugin() -> Path:
    """The plugin, built once for each of its versions."""
    source = HERE / "plugin.c"
    built = cache_folder() / f"pi-simulator-{hashlib.sha256(source.read_bytes()).hexdigest()[:12]}.so"
    if not built.exists():
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            raise MissingDependencyError("there is no C compiler", mend="Debian, Ubuntu: apt install gcc")
        with atomic_write(built) as aside:
            command = [compiler, "-O2", "-shared", "-fPIC", "-fvisibility=hidden", "-o", str(aside), str(source)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise ExportError(f"the plugin cannot be built: {done.stderr[-500:]}", where=source)
    return built
