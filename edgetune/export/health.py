"""What of the machine edgetune can use: runtimes, compilers, emulators, the converter's environment, boards."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Literal

from edgetune.agent.registry import list_agents
from edgetune.device.profile import list_profiles
from edgetune.errors import MissingDependencyError
from edgetune.export.linker import host_triple, link_command
from edgetune.export.litert_environment import LiteRT
from edgetune.files import cache_folder

RUNTIMES = {"onnxruntime": "search", "ai-edge-litert": "search", "apache-tvm": "tvm", "torch": "search"}
"""Packages, and the extra of edgetune that brings them."""
TRIPLES = ("aarch64-linux-gnu",)
PROGRAMS = {
    "cc": ("builds the simulator's plugin", "apt install gcc"),
    "qemu-aarch64-static": ("runs artefacts as the board's machine code", "apt install qemu-user-static"),
    "qemu-aarch64": ("counts instructions for predict --simulate", "apt install qemu-user"),
    "llvm-mca": ("knows the board's pipelines for predict --simulate", "apt install llvm"),
}


@dataclass(frozen=True)
class Finding:
    """One thing looked for. `detail` says which one was found, or what it is for and how to get it."""

    part: str
    state: Literal["ready", "not there", "made on first use"]
    detail: str


def examine() -> list[Finding]:
    """Looks, installs nothing, takes well under a second."""
    return [*_runtimes(), _litert(), *_linkers(), *_programs(), _userland(), _room(), *_boards()]


def _runtimes() -> Iterator[Finding]:
    for package, extra in RUNTIMES.items():
        try:
            yield Finding(package, "ready", version(package))
        except PackageNotFoundError:
            yield Finding(package, "not there", f"pip install 'edgetune[{extra}]'")


def _litert() -> Finding:
    part = "LiteRT's converter"
    try:
        litert = LiteRT.here()
    except MissingDependencyError as error:
        return Finding(part, "not there", str(error))
    if litert.ready:
        return Finding(part, "ready", str(litert.folder))
    return Finding(part, "made on first use", f"by --formats tflite, about 1 GB, in {litert.folder}")


def _linkers() -> Iterator[Finding]:
    for triple in dict.fromkeys((host_triple(), *TRIPLES)):
        part = f"linker for {triple}"
        try:
            yield Finding(part, "ready", " ".join(link_command(triple)))
        except MissingDependencyError as error:
            yield Finding(part, "not there", f"for TVM libraries; {error.mend}")


def _programs() -> Iterator[Finding]:
    for program, (purpose, mend) in PROGRAMS.items():
        path = shutil.which(program)
        if path is None:
            yield Finding(program, "not there", f"{purpose}; Debian, Ubuntu: {mend}")
        else:
            yield Finding(program, "ready", _version_line(path))


def _version_line(path: str) -> str:
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    line = next((line.strip() for line in said.splitlines() if "version" in line or line.startswith("cc ")), "")
    return f"{path}, {line}" if line else path


def _userland() -> Finding:
    part = "emulated rpi4"
    if find_spec("tools") is None or find_spec("tools.pi_userland") is None:
        return Finding(part, "not there", "comes with edgetune's checkout, not with its wheel")
    try:
        recipe = import_module("tools.pi_userland.build").recipe_digest()
    except PackageNotFoundError as error:
        return Finding(part, "not there", f"is made of the runtimes of this machine, of which {error.name} is missing")
    root = cache_folder() / f"pi-userland-{recipe}"
    if root.is_dir():
        return Finding(part, "ready", str(root))
    return Finding(part, "made on first use", "by verify --on emulated-rpi4, about 300 MB; needs apt and QEMU")


def _room() -> Finding:
    folder = cache_folder()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return Finding("cache", "not there", f"{folder} cannot be written to; name another in EDGETUNE_CACHE")
    return Finding("cache", "ready", f"{folder}, {shutil.disk_usage(there).free / 1e9:.1f} GB free")


def _boards() -> Iterator[Finding]:
    names = list_profiles()
    yield Finding("boards", "ready", f"profiles of {len(names)}: {', '.join(names)}")
    agents = list_agents()
    if agents:
        yield Finding("agents", "ready", ", ".join(f"{agent.name} {agent.url}" for agent in agents))
    else:
        yield Finding("agents", "not there", "boards to measure on; edgetune agents add NAME https://ADDRESS:8765")
