"""The package and its command answer at once: nothing heavy is imported before it is needed."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "nni", "tvm", "transformers", "sklearn", "scipy", "plotly", "onnx", "onnxruntime", "pymoo", "pandas")
EDGETUNE = str(Path(sys.executable).with_name("edgetune"))
EMPTY_HELP = [
    sys.executable,
    "-c",
    "import typer\napp = typer.Typer()\n@app.command()\ndef main(): ...\napp(['--help'])",
]
"""The help of a command without options, by the library that edgetune's is made with."""
LIGHT_ROOMS = (
    "edgetune",
    "edgetune.space.mobile",
    "edgetune.latency.predictor",
    "edgetune.device.profile",
    "edgetune.data.load",
)


def modules_after(code: str) -> set[str]:
    """Top-level names in `sys.modules` once `code` has run in a fresh interpreter."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("room", LIGHT_ROOMS)
def test_light_rooms_import_nothing_heavy(room: str) -> None:
    heavy = {"torch", "nni", "tvm", "transformers"} if room != "edgetune" else set(HEAVY)
    assert not heavy & modules_after(f"import {room}")


def test_help_imports_nothing_heavy() -> None:
    code = "import contextlib, sys\nsys.argv = ['edgetune', '--help']\nfrom edgetune.cli import main"
    code += "\nwith contextlib.suppress(SystemExit):\n    main()"
    assert not set(HEAVY) & modules_after(code)


@pytest.mark.parametrize(
    ("command", "least"),
    [([sys.executable, "-c", "import edgetune"], [sys.executable, "-c", ""]), ([EDGETUNE, "--help"], EMPTY_HELP)],
    ids=["import", "help"],
)
def test_answers_at_once(command: list[str], least: list[str]) -> None:
    """In processor time, at most three times what Python, or a command that does nothing, takes: tenths of a second,
    where torch alone takes seconds."""
    assert quickest(command) < 3 * quickest(least)


def quickest(command: list[str]) -> float:
    return min(processor_seconds(command) for _ in range(5))


def processor_seconds(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
