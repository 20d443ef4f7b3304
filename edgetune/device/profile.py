"""A board's data sheet, read from `device_profiles/<name>/profile.toml`."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from edgetune.errors import DeviceError, in_one_line, nearest

PACKAGE = Path(__file__).resolve().parent.parent


class Strict(BaseModel):
    """Refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Cluster(Strict):
    """Cores of one kind."""

    core: str
    cores: int = Field(gt=0)
    mhz: int = Field(gt=0)
    l1d_kb: int = Field(gt=0)
    l2_kb: int = Field(gt=0)
    l2_shared: bool = True
    fp32_macs_per_cycle: float = Field(gt=0)
    int8_macs_per_cycle: float = Field(gt=0)


class Memory(Strict):
    """Main memory: type, size and what a copy reaches."""

    kind: str
    gb: tuple[float, ...]
    stream_gb_per_s: float = Field(gt=0)


class Target(Strict):
    """What compilers need to know."""

    triple: str
    cpu: str
    features: tuple[str, ...]


class Profile(Strict):
    """One board, read from `folder`; the measured cluster comes first, `sources` says where each figure is from."""

    name: str
    folder: Path
    title: str
    soc: str
    clusters: tuple[Cluster, ...] = Field(min_length=1)
    l3_kb: int = 0
    memory: Memory
    target: Target
    default_runtime: str
    default_threads: int = Field(gt=0)
    sources: dict[str, str]
    unmeasured: dict[str, str] = {}
    """What is known of runtimes that run on the board and of which no latency was published."""

    @property
    def cluster(self) -> Cluster:
        """The cluster that the measurements ran on."""
        return self.clusters[0]

    @property
    def cpu_mhz(self) -> int:
        return self.cluster.mhz

    @property
    def has_half_precision(self) -> bool:
        """Whether the cores compute in fp16 (Armv8.2-A's FEAT_FP16)."""
        return "+fullfp16" in self.target.features

    @property
    def tvm_target(self) -> dict[str, Any]:
        """The target in the words of TVM and LLVM."""
        return {
            "kind": "llvm",
            "mtriple": self.target.triple,
            "mcpu": self.target.cpu,
            "mattr": list(self.target.features),
        }

    def peak_gmacs(self, precision: str, threads: int, mhz: int) -> float:
        """The arithmetic peak in 10⁹ multiply-accumulates a second of what is computed in `precision`."""
        single = self.cluster.fp32_macs_per_cycle
        rate = {"fp32": single, "fp16": 2 * single, "int8": self.cluster.int8_macs_per_cycle}[precision]
        return rate * min(threads, self.cluster.cores) * mhz / 1000


def profile_folder() -> Path:
    """Where the shipped profiles lie: inside an installed package, or at the root of a checkout."""
    inside, checkout = PACKAGE / "_device_profiles", PACKAGE.parent / "device_profiles"
    return inside if inside.is_dir() else checkout


def user_folder() -> Path:
    """Where calibrations go: `EDGETUNE_DEVICES`, by default `~/.local/share/edgetune/devices`."""
    return Path(os.environ.get("EDGETUNE_DEVICES", "~/.local/share/edgetune/devices")).expanduser()


def find_profile(name: str) -> Path | None:
    """The folder of a board: a path given as such, the user's own before the shipped one."""
    folders = (Path(name), user_folder() / name, profile_folder() / name)
    given = folders if os.sep in name else folders[1:]
    return next((folder for folder in given if (folder / "profile.toml").is_file()), None)


def list_profiles() -> list[str]:
    """The names of all boards, shipped or the user's own, in alphabetical order."""
    roots = (profile_folder(), user_folder())
    return sorted({path.parent.name for root in roots for path in root.glob("*/profile.toml")})


def shipped_profiles() -> list[Profile]:
    """The boards that come with edgetune, the user's calibrations aside."""
    return [load_profile(str(path.parent)) for path in sorted(profile_folder().glob("*/profile.toml"))]


def load_profile(name: str) -> Profile:
    """The profile of a board, by name or as the path of its folder.

    Raises
    ------
    DeviceError
        No board goes by this name, or its profile is broken.
    """
    folder = find_profile(name)
    if folder is None:
        mend = "edgetune profile --device host clocks it" if name == "host" else nearest(name, list_profiles())
        raise DeviceError(f"there is no device {name!r}", mend=mend)
    path = folder / "profile.toml"
    try:
        return Profile(name=folder.name, folder=folder, **tomllib.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        what = f"the profile cannot be read: {in_one_line(error)}"
        raise DeviceError(what, where=path, mend="correct the file") from error
