"""The Python environment that LiteRT's converter has to itself, because its packages and NNI's cannot share one.

It is made on first use, once a user: a folder of the cache, named by what it is made of. torch is not installed a
second time: the environment borrows edgetune's own, so that a program is read by the torch that wrote it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
import venv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeAlias

from edgetune.errors import ExportError, MissingDependencyError, StorageError
from edgetune.files import alone, cache_folder, storage_errors

REQUIREMENTS = Path(__file__).with_name("litert_requirements.txt")
STAGE = "LiteRT's packages"
NOTICE = "LiteRT's converter gets an environment of its own; this happens once and takes about 1 GB"
INSTALL_LIMIT, CONVERT_LIMIT = 1800.0, 600.0  # seconds
LEAVE_OUT = "or leave tflite out of --formats"
RAISED = re.compile(r"[\w.]+(Error|Exception): ")
"""The line of a traceback that says what was raised; the converter logs much after it."""
SMOKE_TEST = "import litert_torch, ai_edge_quantizer"


Say: TypeAlias = Callable[[str], object]
Progress: TypeAlias = Callable[[str, int, int], object]


def _nothing(*_: object) -> None:
    """Listens to nobody."""


@dataclass(frozen=True)
class LiteRT:
    """The environment, ready or not. `folder` is where it is or will be."""

    folder: Path

    @classmethod
    def here(cls) -> LiteRT:
        """The one for this Python, this torch and these requirements."""
        return cls(cache_folder() / f"litert-{_digest()}")

    @property
    def ready(self) -> bool:
        return self.python.exists()

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def make(self, *, say: Say = _nothing, progress: Progress = _nothing) -> LiteRT:
        """Itself, made first if need be; of several processes that ask at once, one makes it.

        Parameters
        ----------
        say, progress
            Are told, if it is made now, that it is, and how many of how many packages of the stage have been fetched.

        Raises
        ------
        MissingDependencyError
            pip reaches no package index, or torch is not installed.
        StorageError
            No room, no permission.
        """
        with storage_errors(self.folder), alone(self.folder.with_suffix(".lock")):
            if not self.ready:
                say(NOTICE)
                self._make(progress)
        return self

    def _make(self, progress: Progress) -> None:
        aside = Path(tempfile.mkdtemp(prefix=f".{self.folder.name}.", dir=self.folder.parent))
        try:
            venv.create(aside, with_pip=True, symlinks=True)
            (packages,) = aside.glob("lib/python*/site-packages")
            (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
            python = aside / "bin" / "python"
            _install(python, progress)
            _call([python, "-c", SMOKE_TEST], limit=INSTALL_LIMIT)  # Python writes its .pyc files now
            aside.chmod(0o755)
            os.rename(aside, self.folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def run(self, arguments: Sequence[str | Path]) -> None:
        """Runs its Python.

        Raises
        ------
        ExportError
            The program failed, or took longer than ten minutes.
        """
        _call([self.python, *arguments], limit=CONVERT_LIMIT)


def _digest() -> str:
    try:
        torch = version("torch")
    except PackageNotFoundError:
        raise MissingDependencyError("torch is not installed", mend="pip install 'edgetune[search]'") from None
    parts = [REQUIREMENTS.read_text(), torch, sys.version, sysconfig.get_path("purelib")]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _install(python: Path, progress: Progress) -> None:
    """pip, with its lines as progress. The list is complete, so that pip need not resolve anything."""
    wanted = [line for line in REQUIREMENTS.read_text().splitlines() if line and not line.startswith("#")]
    command = [python, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--progress-bar=off"]
    command += ["--no-deps", "--ignore-installed", "--only-binary=:all:", "-r", REQUIREMENTS]
    collected, said = 0, []
    for line in _lines([*map(str, command)], limit=INSTALL_LIMIT):
        said.append(line)
        collected += line.startswith("Collecting ")
        progress(STAGE, collected, len(wanted) + 1)
    if not any(line.startswith("Successfully installed") for line in said):
        if any("No space left" in line for line in said):
            raise StorageError("no room left for LiteRT's converter", where=cache_folder(), mend="free 1.5 GB")
        errors = [line.removeprefix("ERROR: ") for line in said if line.startswith("ERROR: ")]
        raise MissingDependencyError(
            f"pip could not fetch LiteRT's converter: {(errors or said or ['no output'])[0]}",
            mend=f"connect to a package index once, {LEAVE_OUT}",
        )
    progress(STAGE, len(wanted) + 1, len(wanted) + 1)


def _lines(command: list[str], *, limit: float) -> Iterator[str]:
    """A command's output and errors, line by line; past its limit, in seconds, it is ended."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        alarm = threading.Timer(limit, process.kill)
        alarm.start()
        assert process.stdout is not None
        yield from (line.rstrip("\n") for line in process.stdout)
        alarm.cancel()


def _call(command: Sequence[str | Path], *, limit: float) -> None:
    named = str(command[-1])
    try:
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, timeout=limit)
    except subprocess.TimeoutExpired:
        raise ExportError(f"LiteRT's converter took longer than {limit:.0f} s", where=named, mend=LEAVE_OUT) from None
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        reason = next((line for line in reversed(said) if RAISED.match(line)), said[-1])
        raise ExportError(f"LiteRT's converter failed: {reason}", where=named, mend=f"use other operators, {LEAVE_OUT}")
