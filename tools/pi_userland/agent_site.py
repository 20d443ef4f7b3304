"""What `pip install "edgetune[agent]"` brings to a 64-bit Raspberry Pi, fetched as wheels and unpacked on this machine.

python -m tools.pi_userland.agent_site      # the wheels and their sizes
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

from edgetune.errors import MissingDependencyError
from edgetune.files import alone, cache_folder
from tools.pi_userland.build import PLATFORMS

ROOT = Path(__file__).parents[2]
PYTHON = "3.11"  # Raspberry Pi OS bookworm's


def requirements() -> list[str]:
    """What the package and its extra `agent` ask for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [*project["dependencies"], *project["optional-dependencies"]["agent"]]


def fetch_wheels(folder: Path) -> list[Path]:
    """Downloads the wheels that a Pi would install; a requirement without one is an error.

    Raises
    ------
    MissingDependencyError
        A requirement has no wheel for the board.
    """
    platforms = [f"--platform={platform}_aarch64" for platform in PLATFORMS]
    abis = [f"--abi={abi}" for abi in ("cp" + PYTHON.replace(".", ""), "abi3", "none")]
    tags = ["--only-binary=:all:", f"--python-version={PYTHON}", "--implementation=cp", *platforms, *abis]
    pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "-d", str(folder)]
    constraints = ["-c", str(ROOT / "constraints.txt")]
    done = subprocess.run([*pip, *tags, *constraints, *requirements()], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MissingDependencyError(f"no wheels for the board: {done.stderr[-1500:]}")
    return sorted(folder.glob("*.whl"))


def agent_site() -> Path:
    """A folder for the board's `PYTHONPATH` with everything that the agent imports but edgetune itself; cached."""
    recipe = "\n".join([*requirements(), (ROOT / "constraints.txt").read_text(), Path(__file__).read_text()])
    site = cache_folder() / f"pi-agent-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    with alone(site.with_suffix(".lock")):
        if not site.exists():
            aside = Path(tempfile.mkdtemp(prefix=f".{site.name}.", dir=site.parent))
            try:
                with tempfile.TemporaryDirectory() as scratch:
                    for wheel in fetch_wheels(Path(scratch)):
                        with zipfile.ZipFile(wheel) as archive:
                            archive.extractall(aside)
                aside.chmod(0o755)
                os.rename(aside, site)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
    return site


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        wheels = fetch_wheels(Path(folder))
        for wheel in sorted(wheels, key=lambda wheel: -wheel.stat().st_size):
            print(f"{wheel.stat().st_size / 1e6:7.2f} MB  {wheel.name}")
        print(f"{sum(wheel.stat().st_size for wheel in wheels) / 1e6:7.2f} MB  {len(wheels)} wheels")


if __name__ == "__main__":
    main()
