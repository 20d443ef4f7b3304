"""What people install: the wheel carries the boards' profiles and runs from a fresh environment."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import edgetune

ROOT = Path(__file__).parents[1]


def run(*command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


def test_wheel_holds_the_package_its_profiles_and_its_licence(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for profile in (ROOT / "device_profiles").rglob("*.*"):
        assert f"edgetune/_device_profiles/{profile.relative_to(ROOT / 'device_profiles')}" in names
    for module in (ROOT / "edgetune").rglob("*.py"):
        assert str(module.relative_to(ROOT)) in names
    assert not [name for name in names if name.startswith(("tests/", "tools/"))]
    text = zipfile.ZipFile(wheel).read(next(name for name in names if name.endswith("METADATA"))).decode()
    metadata = Parser().parsestr(text)
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Version"] == edgetune.__version__
    assert set(metadata.get_all("Provides-Extra", [])) == {"search", "tvm", "ray", "agent", "bench", "dev"}


def test_wheel_runs_from_a_fresh_environment(wheel: Path, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    venv.create(fresh, with_pip=False)
    run(sys.executable, "-m", "pip", "--python", fresh / "bin" / "python", "install", "-q", "--no-deps", wheel)
    # What it depends on is lent by this environment; the package itself comes from the wheel.
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": sysconfig.get_path("purelib")}
    code = "import edgetune.device.profile as p; print(p.__file__); print(p.load_profile('rpi4').name)"
    where, name = run(fresh / "bin" / "python", "-c", code, cwd=tmp_path, env=environment).split()
    assert name == "rpi4"
    assert where.startswith(str(fresh)), "the checkout was imported, not the wheel"
    assert "rpi4" in run(fresh / "bin" / "edgetune", "devices", "list", cwd=tmp_path, env=environment)
