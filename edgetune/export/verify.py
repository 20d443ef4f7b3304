"""Runs artefacts where they are meant to run, and compares what they compute."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np

from edgetune.errors import ExportError, last_line
from edgetune.export.agreement import Agreement, compare_logits
from edgetune.export.bundle import Bundle, read_bundle, sign_off
from edgetune.export.card import Artefact, CheckedOn, SignOff
from edgetune.export.formats import KINDS, runtime_for
from edgetune.files import scratch_folder

Python = Callable[[Sequence[str | Path]], object]
"""Runs a target's Python with these arguments and raises ExportError if the program fails."""
Logits = Callable[[Path, np.ndarray], np.ndarray]
"""The logits (N, classes) that an artefact gives on a target, of raw pictures, float32 (N, C, H, W)."""

INT8_SAME_ANSWERS = 0.9
"""Share of the reference pictures on which an INT8 artefact must answer as the network does: rounding flips few."""
ELF_MACHINES = {62: "x86_64", 183: "aarch64", 40: "armv7l"}


@dataclass(frozen=True)
class Target:
    """Where artefacts can be run. `machine` is its `platform.machine()`; `lacks` says by suffix why not what."""

    name: str
    machine: str
    logits: Logits
    lacks: Mapping[str, str] = field(default_factory=dict)

    def refusal(self, artefact: Path) -> str | None:
        """Why it cannot be run there."""
        if not _fits(artefact, self.machine):
            return f"made for another processor than {self.machine}"
        return self.lacks.get(artefact.suffix)


def this_host() -> Target:
    return Target("this host", platform.machine(), partial(logits_on, python_here))


def verify_bundle(folder: Path, target: Target) -> Bundle:
    """Runs every artefact that can be run on the target there, on the bundle's reference pictures.

    The results become checks and a signed-off record in the card; the bundle that is returned holds them.

    Raises
    ------
    ExportError
        A file was changed, no reference pictures, nothing that can be run there, or an artefact that fails or
        computes something else than the network; the card is then left as it was.
    AgentError, MeasurementError
        The target is an agent that cannot be reached, or whose board cannot run an artefact.
    """
    bundle = read_bundle(folder)
    pictures, expected = bundle.reference()
    artefacts = bundle.card.artefacts
    refusals = {artefact.file: target.refusal(folder / artefact.file) for artefact in artefacts}
    fitting = [artefact for artefact in artefacts if refusals[artefact.file] is None]
    if not fitting:
        reasons = "; ".join(f"{file}: {reason}" for file, reason in refusals.items())
        raise ExportError(f"none of its artefacts can be run there: {reasons}", where=folder)
    checks = {}
    for artefact in fitting:
        agreement = compare_logits(expected, target.logits(folder / artefact.file, pictures))
        checks[artefact.file] = CheckedOn(where=target.name, agreement=_accept(artefact, agreement, folder))
    record = SignOff(
        where=target.name,
        machine=target.machine,
        at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        edgetune=version("edgetune"),
        files={file: bundle.card.files[file].sha256 for file in checks},
        card=bundle.card.digest,
        left_out={file: reason for file, reason in refusals.items() if reason is not None},
    )
    return sign_off(bundle, checks, record)


def _accept(artefact: Artefact, agreement: Agreement, folder: Path) -> Agreement:
    if KINDS[artefact.format].precision == "fp32":
        return agreement.require(str(folder / artefact.file))
    if agreement.same_top1 < INT8_SAME_ANSWERS:
        raise ExportError(
            f"answers as the network does on {agreement.same_top1:.0%} of the pictures only",
            where=folder / artefact.file,
            mend="leave it out",
        )
    return agreement


def _fits(file: Path, machine: str) -> bool:
    """Whether a library is for this kind of processor; other files run anywhere."""
    with file.open("rb") as stream:
        header = stream.read(20)
    return header[:4] != b"\x7fELF" or ELF_MACHINES.get(int.from_bytes(header[18:20], "little")) == machine


def python_here(arguments: Sequence[str | Path]) -> None:
    """This machine's Python, in a process of its own: a library for another processor ends that one, not this."""
    done = subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ExportError(f"exit code {done.returncode}: {last_line(done.stderr)}", where=str(arguments[1]))


def logits_on(python: Python, artefact: Path, pictures: np.ndarray) -> np.ndarray:
    """Logits (N, classes) of raw pictures, float32 (N, C, H, W), that `artefact` gives on the target of `python`.

    Raises
    ------
    ExportError
        An artefact of unknown kind, or one that fails there.
    StorageError
        No room in the temporary folder.
    """
    runner = runtime_for(artefact).script_here
    with scratch_folder() as folder:
        given, answer = folder / "pictures.npy", folder / "logits.npy"
        np.save(given, pictures)
        python([runner, artefact, given, answer])
        return np.load(answer, allow_pickle=False)
