"""The house's floors hold, and the contract that says so can fail."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BREACHES = {
    "a neighbour": ("search", "import edgetune.distill"),
    "a floor above": ("space", "import edgetune.latency"),
    "torch on the board": ("agent", "def later():\n    import torch"),
    "torch in the predictor": ("latency", "import torch"),
    "nni outside its adapters": ("distill", "def later():\n    from nni.nas import strategy"),
    "a room without a floor": (".", ""),
}


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_floors_hold() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_is_found(breach: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "edgetune", tmp_path / "edgetune", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    room, code = BREACHES[breach]
    (tmp_path / "edgetune" / room / "breach.py").write_text(code)
    done = lint_imports(tmp_path)
    assert done.returncode != 0
    assert "breach" in done.stdout
