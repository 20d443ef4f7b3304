"""Data sets that Debian carries, unpacked without root and without being installed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

SECONDS = 600


def unpack_package(name: str, into: Path) -> None:
    """Downloads a Debian package by name with the machine's own sources and unpacks its files under `into`.

    Raises
    ------
    OSError
        No apt here, no network, no such package; the message says which.
    """
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise OSError("this machine has no apt-get and dpkg-deb")
    with TemporaryDirectory() as folder:
        try:
            _run(["apt-get", "download", name], folder)
        except OSError:  # lists of packages that were never fetched, or are old: fetch them aside, which needs no root
            (Path(folder) / "lists" / "partial").mkdir(parents=True)
            aside = ["-o", f"Dir::State::lists={folder}/lists", "-o", f"Dir::Cache={folder}"]
            _run(["apt-get", *aside, "update"], folder)
            _run(["apt-get", *aside, "download", name], folder)
        _run(["dpkg-deb", "-x", str(next(Path(folder).glob("*.deb"))), str(into)], folder)


def _run(command: Sequence[str], folder: str) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=SECONDS)
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{command[0]} did not finish within {SECONDS} s") from error
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("E:")]
        raise OSError(errors[0] if errors else f"{command[0]} ended with code {done.returncode}")
