"""The data sheet of this machine, from files as Linux shows them."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from edgetune.device.host import host_sheet, read_host
from edgetune.device.profile import Profile


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


CACHE = "sys/devices/system/cpu/cpu0/cache"
PI = {
    "proc/cpuinfo": "processor\t: 0\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd\n\nModel\t\t: Raspberry Pi 4 Model B\n",
    "proc/meminfo": "MemTotal:        3884352 kB\nMemFree: 1 kB\n",
    "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "1800000\n",
    f"{CACHE}/index0/level": "1", f"{CACHE}/index0/type": "Data", f"{CACHE}/index0/size": "32K",
    f"{CACHE}/index1/level": "1", f"{CACHE}/index1/type": "Instruction", f"{CACHE}/index1/size": "48K",
    f"{CACHE}/index2/level": "2", f"{CACHE}/index2/type": "Unified", f"{CACHE}/index2/size": "1024K",
    f"{CACHE}/index2/shared_cpu_list": "0-3",
}  # fmt: skip


def test_a_raspberry_pi(tmp_path: Path) -> None:
    host = read_host(write(tmp_path, PI))
    assert (host.core, host.mhz, host.l1d_kb, host.l2_kb, host.l2_shared, host.l3_kb) == (
        "Raspberry Pi 4 Model B", 1800, 32, 1024, True, 0,
    )  # fmt: skip
    assert host.memory_gb == 3.7


def test_a_machine_that_tells_little_is_still_a_profile(tmp_path: Path) -> None:
    root = write(tmp_path, {"proc/cpuinfo": "processor : 0\n", "proc/meminfo": "MemTotal: 1048576 kB\n"})
    sheet = host_sheet(read_host(root), runtime="onnxruntime-1.0", threads=1, gmacs_per_s=8.0, stream_gb_per_s=4.5)
    profile = Profile(name="host", folder=root, **tomllib.loads(sheet))
    assert profile.peak_gmacs("fp32", 1, profile.cpu_mhz) == pytest.approx(8.0)
    assert profile.memory.stream_gb_per_s == 4.5 and "measured" in profile.sources["arithmetic"]


def test_this_machine() -> None:
    host = read_host()
    assert host.cores >= 1 and host.mhz > 100 and host.l2_kb > 0 and host.memory_gb > 0
