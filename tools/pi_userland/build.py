"""Builds the userland: arm64 packages of the machine's own Debian release, aarch64 wheels of the runtimes used here.

Needs apt, dpkg-deb and pip, not root, and installs nothing: apt works on a state of its own and only downloads.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from edgetune.errors import MissingDependencyError, StorageError

PACKAGES = ("python3", "libstdc++6", "libgomp1")
WHEELS = Path("opt/wheels")
RUNTIMES = (
    "numpy",
    "onnxruntime",
    "apache-tvm",
    "apache-tvm-ffi",
    "typing-extensions",
    "ai-edge-litert",
    "backports.strenum",
    "flatbuffers",
)
PLATFORMS = ("manylinux_2_34", "manylinux_2_31", "manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014")
COMPILER = "libtvm_compiler.so"  # 250 MB that a board does not need
CORES = 4

APT_CONFIGURATION = """
APT::Architecture "arm64";
APT::Architectures {{ "arm64"; }};
APT::Sandbox::User "";
Dir::State "{folder}/state";
Dir::State::lists "{folder}/lists";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
Dir::Log "{folder}/log";
Acquire::Languages "none";
Binary::apt-get::APT::Keep-Downloaded-Packages "true";
APT::Keep-Downloaded-Packages "true";
"""

PROCESSOR = """\
processor\t: {core}
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3

"""


def recipe_digest() -> str:
    """Names the userland by what it is made of, so that another version of a runtime gets another one."""
    parts = [Path(__file__).read_text(), *_requirements()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def build(root: Path) -> None:
    """Fills `root`, which must not exist; it appears whole or not at all.

    Raises
    ------
    MissingDependencyError
        No apt, or its sources hold no arm64 packages.
    """
    aside = Path(tempfile.mkdtemp(prefix=f".{root.name}.", dir=root.parent))
    try:
        with tempfile.TemporaryDirectory() as scratch:
            _unpack_system(aside, Path(scratch))
            _unpack_wheels(aside, Path(scratch))
        _describe_processor(aside)
        aside.chmod(0o755)
        os.rename(aside, root)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _unpack_system(root: Path, scratch: Path) -> None:
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise MissingDependencyError(f"{tool} is not here", mend="build the userland on Debian or Ubuntu")
    for folder in ("state", "lists/partial", "cache/archives/partial", "log"):
        (scratch / folder).mkdir(parents=True)
    (scratch / "status").touch()
    configuration = scratch / "apt.conf"
    configuration.write_text(APT_CONFIGURATION.format(folder=scratch))
    apt = ["apt-get", "-q", "-y"]
    environment = os.environ | {"APT_CONFIG": str(configuration)}
    _run([*apt, "update"], environment)
    _run([*apt, "install", "--download-only", "--no-install-recommends", *PACKAGES], environment)
    for package in sorted((scratch / "cache" / "archives").glob("*.deb")):
        _run(["dpkg-deb", "-x", str(package), str(root)], environment)


def _unpack_wheels(root: Path, scratch: Path) -> None:
    version = next((root / "usr" / "bin").glob("python3.[0-9]*")).name.removeprefix("python")
    platforms = [f"--platform={platform}_aarch64" for platform in PLATFORMS]
    tags = ["--only-binary=:all:", f"--python-version={version}", "--implementation=cp", *platforms]
    abis = [f"--abi={abi}" for abi in ("cp" + version.replace(".", ""), "abi3", "none")]
    pip = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--disable-pip-version-check",
        "-d",
        str(scratch),
    ]
    _run([*pip, *tags, *abis, *_requirements()], dict(os.environ))
    for wheel in sorted(scratch.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            wanted = [name for name in archive.namelist() if not name.endswith(COMPILER)]
            archive.extractall(root / WHEELS, wanted)


def _describe_processor(root: Path) -> None:
    """What onnxruntime reads about the processor; QEMU 7.2 would show it this machine's own files."""
    (root / "proc").mkdir()
    (root / "proc" / "cpuinfo").write_text("".join(PROCESSOR.format(core=core) for core in range(CORES)))
    cpus = root / "sys" / "devices" / "system" / "cpu"
    cpus.mkdir(parents=True)
    for name in ("possible", "present", "online"):
        (cpus / name).write_text(f"0-{CORES - 1}\n")


def _requirements() -> list[str]:
    """The runtimes in the versions installed here, so that the board's numbers are compared with the same code's."""
    return [f"{name}=={importlib.metadata.version(name)}" for name in RUNTIMES]


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        words = done.stdout + done.stderr
        if "No space left" in words:
            raise StorageError("no room left on the disk for the userland", mend="free 400 MB")
        raise MissingDependencyError(f"building the userland failed at {' '.join(command[:3])}: {words[-1500:]}")
