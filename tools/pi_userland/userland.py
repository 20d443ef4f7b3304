"""The emulated board: where its files are and how its Python is started."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edgetune.errors import ExportError, MissingDependencyError, last_line
from edgetune.export.verify import Target, logits_on
from edgetune.files import alone, cache_folder, storage_errors
from tools.pi_userland.build import WHEELS, build, recipe_digest

QEMU = "qemu-aarch64-static"
CPU = "cortex-a72"


@dataclass(frozen=True)
class PiUserland:
    """A built userland. `root` holds the arm64 system, `qemu` is the emulator."""

    root: Path
    qemu: Path

    @classmethod
    def ready(cls) -> PiUserland:
        """The cached userland, built first if need be; of several processes that ask at once, one builds.

        Raises
        ------
        MissingDependencyError
            No QEMU, and not root to install it; or no apt to build the userland with.
        StorageError
            No room, no permission, or something that is no folder in the cache's place.
        """
        qemu = _qemu()
        root = cache_folder() / f"pi-userland-{recipe_digest()}"
        with storage_errors(root), alone(root.with_suffix(".lock")):
            if not root.exists():
                build(root)
                # Python writes its .pyc files now, not in the first run of each test.
                cls(root, qemu).run(["-c", "import numpy, onnxruntime, tvm_ffi, ai_edge_litert.interpreter"])
        return cls(root, qemu)

    @property
    def python(self) -> Path:
        return next((self.root / "usr" / "bin").glob("python3.[0-9]*"))

    def command(self, arguments: Sequence[str | Path]) -> list[str]:
        """What starts the userland's Python with `arguments`."""
        return [str(part) for part in (self.qemu, "-cpu", CPU, "-L", self.root, self.python, *arguments)]

    def run(
        self, arguments: Sequence[str | Path], *, capture: bool = True, check: bool = True, timeout: float | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs the userland's Python; paths are those of this machine.

        Raises
        ------
        ExportError
            The program failed, which includes an instruction that the A72 lacks.
        """
        done = subprocess.run(
            self.command(arguments),
            capture_output=capture,
            text=True,
            timeout=timeout,
            check=False,
            env=self.environment,
        )
        if check and done.returncode != 0:
            reason = "an instruction that the board lacks" if done.returncode == -4 else f"exit code {done.returncode}"
            raise ExportError(
                f"failed on the emulated {CPU}: {reason}: {last_line(done.stderr or '')}",
                where=str(arguments[1]),
            )
        return done

    def __call__(self, arguments: Sequence[str | Path]) -> None:
        """As :data:`edgetune.export.verify.Python`."""
        self.run(arguments)

    @property
    def target(self) -> Target:
        return Target("emulated rpi4", "aarch64", partial(logits_on, self))

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of this machine's, whose settings (such as OpenBLAS's core type) are for another processor."""
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": "/nonexistent",
            "LANG": "C.UTF-8",
            "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
            "PYTHONPATH": str(self.root / WHEELS),
            "OMP_NUM_THREADS": "1",
        }


def _qemu() -> Path:
    """The emulator; root on a Debian-like machine gets it installed."""
    if shutil.which(QEMU) is None and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-q"], check=True, stdout=subprocess.DEVNULL)
        install = ["apt-get", "install", "-qy", "--no-install-recommends", "qemu-user-static"]
        subprocess.run(
            install, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        )
    found = shutil.which(QEMU)
    if found is None:
        raise MissingDependencyError(f"{QEMU} is not installed", mend="Debian, Ubuntu: apt install qemu-user-static")
    return Path(found)
