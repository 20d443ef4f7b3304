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
    "command", [[sys.executable, "-c", "import edgetune"], [EDGETUNE, "--help"]], ids=["import", "help"]
)
def test_answers_within_0_3_s(command: list[str]) -> None:
    """The best of five, in seconds of processor time, which other work on the machine does not lengthen much."""
    assert min(processor_seconds(command) for _ in range(5)) < 0.3


def processor_seconds(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
