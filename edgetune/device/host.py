"""The machine at hand: what the kernel says of its processor, as a data sheet."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/")
USUAL_MHZ, USUAL_L1_KB, USUAL_L2_KB = 2000, 32, 512
"""Where the kernel doesn't say; rates are measured, so that only their split into clock and cycles hangs on these."""


@dataclass(frozen=True)
class Host:
    """A machine, its caches in KiB."""

    core: str
    cores: int
    mhz: int
    l1d_kb: int
    l2_kb: int
    l2_shared: bool
    l3_kb: int
    memory_gb: float
    machine: str
    cpu: str


def read_host(root: Path = ROOT) -> Host:
    """The machine that this runs on, of the cores that this process may use."""
    info = dict(_pairs((root / "proc/cpuinfo").read_text().splitlines()))
    memory = dict(_pairs((root / "proc/meminfo").read_text().splitlines()))
    caches = dict(_caches(root / "sys/devices/system/cpu/cpu0/cache"))
    flags = info.get("flags", "").split()
    level = 4 if "avx512f" in flags else 3 if "avx2" in flags else 2
    machine = platform.machine()
    shared = _text(root / "sys/devices/system/cpu/cpu0/cache/index2/shared_cpu_list")
    return Host(
        core=info.get("model name") or info.get("Model") or machine,
        cores=len(os.sched_getaffinity(0)),
        mhz=_mhz(root, info),
        l1d_kb=caches.get(1, USUAL_L1_KB),
        l2_kb=caches.get(2, USUAL_L2_KB),
        l2_shared="," in shared or "-" in shared,
        l3_kb=caches.get(3, 0),
        memory_gb=round(int(memory["MemTotal"].split()[0]) / 2**20, 1),
        machine=machine,
        cpu=f"x86-64-v{level}" if machine == "x86_64" else "generic",
    )


def host_sheet(host: Host, *, runtime: str, threads: int, gmacs_per_s: float, stream_gb_per_s: float) -> str:
    """A profile's TOML; arithmetic and bandwidth are what one thread reached when they were measured."""
    per_cycle = 1000 * gmacs_per_s / host.mhz / threads
    rows: Sequence[tuple[str, object]] = (
        ("title", f"this machine ({host.core})"),
        ("soc", host.core),
        ("default_runtime", runtime),
        ("default_threads", threads),
        ("l3_kb", host.l3_kb),
    )
    cluster = (
        ("core", host.core),
        ("cores", host.cores),
        ("mhz", host.mhz),
        ("l1d_kb", host.l1d_kb),
        ("l2_kb", host.l2_kb),
        ("l2_shared", host.l2_shared),
        ("fp32_macs_per_cycle", round(per_cycle, 3)),
        ("int8_macs_per_cycle", round(per_cycle, 3)),
    )
    memory = (
        ("kind", "not known"),
        ("gb", [host.memory_gb]),
        ("stream_gb_per_s", round(stream_gb_per_s, 3)),
    )
    target: Sequence[tuple[str, object]] = (
        ("triple", f"{host.machine}-linux-gnu"),
        ("cpu", host.cpu),
        ("features", []),
    )
    sources = (
        ("soc", "the kernel: /proc/cpuinfo, /sys/devices/system/cpu"),
        ("arithmetic", "measured: a large 1×1 convolution in the default runtime; int8 was not and repeats fp32"),
        ("memory", "measured: a sum with a constant on a tensor larger than the caches, bytes read and written"),
    )
    tables = (("[[clusters]]", cluster), ("[memory]", memory), ("[target]", target), ("[sources]", sources))
    return _toml(rows) + "".join(f"\n{head}\n{_toml(table)}" for head, table in tables)


def _toml(rows: Iterable[tuple[str, object]]) -> str:
    """JSON's numbers, strings and lists are TOML's too."""
    return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in rows)


def _pairs(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    for line in lines:
        key, _, value = line.partition(":")
        yield key.strip(), value.strip()


def _caches(folder: Path) -> Iterable[tuple[int, int]]:
    """Level and KiB of each cache that holds data."""
    for index in sorted(folder.glob("index*")):
        if _text(index / "type") != "Instruction":
            size = _text(index / "size")
            yield int(_text(index / "level") or 0), int(size.rstrip("KM") or 0) * (1024 if size.endswith("M") else 1)


def _mhz(root: Path, info: dict[str, str]) -> int:
    highest = _text(root / "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq")
    return int(highest) // 1000 if highest else round(float(info.get("cpu MHz") or USUAL_MHZ))


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
