"""Which linker makes a shared library for a target, without root."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence

from edgetune.errors import ExportError, MissingDependencyError

OLDEST_GLIBC = "2.28"  # Debian 10; Raspberry Pi OS of 2019 and later


def host_triple() -> str:
    return f"{platform.machine()}-linux-gnu"


def link_command(triple: str) -> list[str]:
    """The command, without files, that links objects for `triple`, such as "aarch64-linux-gnu".

    The system's compiler is taken where there is one, else the one that PyPI's `ziglang` carries.

    Raises
    ------
    MissingDependencyError
        Neither is there.
    """
    names = [f"{triple}-g++", f"{triple}-gcc"] + (["c++", "cc"] if triple == host_triple() else [])
    for name in names:
        if path := shutil.which(name):
            return [path]
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "cc", "-target", f"{triple}.{OLDEST_GLIBC}"]
    raise MissingDependencyError(f"no linker for {triple}", mend="pip install ziglang, or install g++ for it")


def shared_library_linker(triple: str) -> Callable[[str, Sequence[str]], None]:
    """A function `link(target, objects)` in the form that TVM's `export_library(fcompile=…)` takes."""
    command = link_command(triple)

    def link(target: str, objects: Sequence[str], **_: object) -> None:
        done = subprocess.run(
            [*command, "-shared", "-fPIC", "-s", "-o", target, *objects], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise ExportError(f"linking failed: {done.stderr.strip()[-500:]}", where=" ".join(command))

    link.get_target_triple = lambda: triple  # type: ignore[attr-defined]
    return link
