"""Executed instructions and modelled cache misses of one inference on the emulated board.

On one machine instructions repeat exactly, misses to about one in ten thousand.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from edgetune.errors import ExportError, MissingDependencyError, StorageError, last_line
from edgetune.export.formats import runtime_for
from edgetune.files import alone, atomic_write, cache_folder, storage_errors
from edgetune.latency.onnx_file import external_files
from tools.pi_userland import PiUserland
from tools.pi_userland.build import WHEELS
from tools.pi_userland.userland import CPU

HERE = Path(__file__).parent
QEMU = "qemu-aarch64"  # the one with shared libraries: the static one loads no plugins
NO_ASLR = 0x0040000  # ADDR_NO_RANDOMIZE of <sys/personality.h>
RESERVED = "0x400000000"  # 16 GiB of addresses to itself, or the emulator's own memory moves the program's
LIMIT = 1800.0  # seconds
REGION, RUNNER, PICTURE, ROOT = "region.py", "runner.py", "picture.npy", "userland"
FOLDER = 77  # a number that no other open file has
SCRATCH = f"/proc/self/fd/{FOLDER}"
"""The scratch folder's name for the program: its own depends on where the cache is."""
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/nonexistent",
    "LANG": "C.UTF-8",
    "OMP_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONPYCACHEPREFIX": "/nonexistent",  # read none either: those that are there depend on what ran before
    "PYTHONSAFEPATH": "1",  # the scratch folder's name stays out of sys.path
}
"""The same everywhere, as are all names that the program sees, since their lengths and hashes move what is counted."""


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
        No runtime for such a file, or it fails on the board or takes too long.
    MissingDependencyError
        No QEMU with plugins, or no C compiler.
    StorageError
        No room for the model's copy or for the counts.
    """
    runner = runtime_for(model).script_here
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
    with _scratch() as scratch, _opened(scratch) as folder:
        _lay_out(scratch, userland, runner, model, picture)
        out = scratch / "counts.txt"
        plugin = f"{_plugin()},out={out},caches={'on' if caches else 'off'}"
        try:
            done = subprocess.run(
                [
                    *_emulator(userland, plugin),
                    *(f"{SCRATCH}/{name}" for name in (REGION, RUNNER, _fixed_name(model), PICTURE)),
                    str(settling),
                ],
                capture_output=True,
                text=True,
                check=False,
                timeout=LIMIT,
                env=ENVIRONMENT | {"PYTHONPATH": ":".join([f"/{WHEELS}", *map(str, packages)])},
                cwd="/",
                close_fds=False,
                preexec_fn=partial(_before_it_starts, folder),
            )
        except subprocess.TimeoutExpired as error:
            raise ExportError(f"one inference took more than {LIMIT:g} s on the emulated board", where=model) from error
        if done.returncode != 0:
            raise ExportError(f"failed on the emulated board: {last_line(done.stderr)}", where=model)
        return parse(out)


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder whose name is always the same: onnxruntime looks it up, and hashes it. One process has it at a time."""
    folder = cache_folder() / "pi-simulator-scratch"
    with storage_errors(folder), alone(folder.with_suffix(".lock")):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _lay_out(scratch: Path, userland: PiUserland, runner: Path, model: Path, picture: np.ndarray) -> None:
    """What is needed, under names that are always the same."""
    (scratch / ROOT).symlink_to(userland.root)
    shutil.copyfile(HERE / REGION, scratch / REGION)
    shutil.copyfile(runner, scratch / RUNNER)
    shutil.copyfile(model, scratch / _fixed_name(model))
    for name in external_files(model) if model.suffix == ".onnx" else ():
        (scratch / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(model.parent / name, scratch / name)
    np.save(scratch / PICTURE, picture)


def _fixed_name(model: Path) -> str:
    return f"model{model.suffix}"


def _emulator(userland: PiUserland, plugin: str) -> list[str]:
    """What starts the board's Python in the scratch folder; here the static emulator gives way to the other one."""
    python = userland.python.relative_to(userland.root)
    named = ["-0", f"/{python}"]  # as what Python sees itself started, and looks for its library by
    settings = ["-R", RESERVED, "-seed", "0", "-plugin", plugin, "-cpu", CPU, "-L", f"{SCRATCH}/{ROOT}"]
    return [str(_qemu()), *settings, *named, f"{SCRATCH}/{ROOT}/{python}"]


def parse(file: Path) -> Counts:
    """What the plugin wrote.

    Raises
    ------
    StorageError
        There is no file, or it ends before its end.
    """
    lines = file.read_text().splitlines() if file.exists() else []
    words = lines[0].split() if lines else []
    if lines[-1:] != ["end"] or words[:2] != ["blocks", str(len(lines) - 2)]:
        raise StorageError("the counts were cut short: no room left on the disk", where=file.parent, mend="free some")
    totals = dict(zip(words[2::2], map(int, words[3::2]), strict=True))
    rows = (line.split() for line in lines[1:-1])
    blocks = (Block(int(row[1]), tuple(int(word, 16) for word in row[2:])) for row in rows)
    return Counts(**totals, blocks=tuple(blocks))


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield handle
    finally:
        os.close(handle)


def _before_it_starts(folder: int) -> None:
    """Where memory lies decides what shares a cache line, so it must be the same in each run, and so must names."""
    os.dup2(folder, FOLDER)
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
