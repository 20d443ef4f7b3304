"""What a board is, and the state it is in: temperature, throttling, clocks, load, memory, power.

Everything is read from files below /proc and /sys, and from the Raspberry Pi's firmware; what a board does not tell is
None. Only the standard library is needed.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

FIRMWARE = ("under-voltage", "frequency capped", "throttled", "soft temperature limit")
"""Bits 0 to 3 of the Raspberry Pi firmware's answer: now. Bits 16 to 19 say the same of the time since it started."""
ROOT = Path("/")


@dataclass(frozen=True)
class BoardInfo:
    """What does not change while a board runs."""

    model: str
    machine: str
    cores: int
    memory_bytes: int
    system: str
    kernel: str
    python: str
    emulated: bool


@dataclass(frozen=True)
class BoardState:
    """One moment.

    Attributes
    ----------
    throttled
        What the firmware says that it holds back now, in the words of `FIRMWARE`.
    throttled_before
        The same since the board was started.
    throttle_count
        How often the processor has throttled, on x86.
    cpu_mhz
        The clock of each core that tells it.
    load
        Processes that want to run, mean of the last minute.
    power_w
        What a sensor of the board measures.
    """

    temperature_c: float | None = None
    throttled: tuple[str, ...] = ()
    throttled_before: tuple[str, ...] = ()
    throttle_count: int | None = None
    governor: str | None = None
    cpu_mhz: tuple[int, ...] = ()
    load: float = 0.0
    memory_available_bytes: int | None = None
    power_w: float | None = None


def read_info(root: Path = ROOT) -> BoardInfo:
    """The board that this runs on."""
    return BoardInfo(
        model=_model(root),
        machine=platform.machine(),
        cores=os.cpu_count() or 1,
        memory_bytes=_memory(root, "MemTotal") or 0,
        system=_system(root),
        kernel=platform.release(),
        python=platform.python_version(),
        emulated=is_emulated(),
    )


def read_state(root: Path = ROOT) -> BoardState:
    """The board's state now; takes about a millisecond, ten where the firmware has to be asked by a program."""
    now, before = _firmware(root)
    return BoardState(
        temperature_c=_hottest(root),
        throttled=now,
        throttled_before=before,
        throttle_count=_throttle_count(root),
        governor=_text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        cpu_mhz=_clocks(root),
        load=float((_text(root / "proc/loadavg") or "0").split()[0]),
        memory_available_bytes=_memory(root, "MemAvailable"),
        power_w=_power(root),
    )


def is_emulated() -> bool:
    """Whether an emulator of another processor runs this: the kernel's own view of the program is of another machine.

    qemu-user shows a program its own `/proc/self/exe`, but not by way of the thread's entry.
    """
    try:
        with (
            open(f"/proc/self/task/{threading.get_native_id()}/exe", "rb") as kernels,
            open("/proc/self/exe", "rb") as own,
        ):
            return kernels.read(20)[18:] != own.read(20)[18:]
    except OSError:
        return False


def is_throttled(states: Sequence[BoardState]) -> bool:
    """Whether anything was held back in these states, or between the first and the last of them."""
    counts = [state.throttle_count for state in states if state.throttle_count is not None]
    return any(state.throttled for state in states) or (bool(counts) and counts[-1] > counts[0])


@dataclass(frozen=True)
class ProcessorTimes:
    """Seconds of processor time that all processes, and this one, have used so far.

    `stolen`, a part of `all`, went to other guests of a virtual machine's host.
    """

    all: float
    own: float
    stolen: float = 0.0

    @classmethod
    def read(cls, own: Callable[[], float], root: Path = ROOT) -> ProcessorTimes:
        fields = (_text(root / "proc/stat") or "cpu 0").splitlines()[0].split()[1:9]
        ticks = [int(field) for field in fields]
        busy = sum(ticks) - sum(ticks[3:5])  # user nice system *idle iowait* irq softirq steal
        stolen = ticks[7] if len(ticks) > 7 else 0
        second = os.sysconf("SC_CLK_TCK")
        return cls(busy / second, own(), stolen / second)

    def others_since(self, before: ProcessorTimes, seconds: float) -> float:
        """How many cores all other processes kept busy, on average over `seconds`."""
        return max(0.0, (self.all - before.all - (self.own - before.own)) / seconds)


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip("\0\n ")
    except OSError:
        return None


def _numbers(paths: Sequence[Path]) -> list[int]:
    texts = (_text(path) for path in paths)
    return [int(text) for text in texts if text and text.lstrip("-").isdigit()]


def _model(root: Path) -> str:
    tree = _text(root / "proc/device-tree/model") or _text(root / "sys/firmware/devicetree/base/model")
    if tree:
        return tree
    for line in (_text(root / "proc/cpuinfo") or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model"):
            return value.strip()
    return platform.machine()


def _system(root: Path) -> str:
    for line in (_text(root / "etc/os-release") or "").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return platform.system()


def _memory(root: Path, key: str) -> int | None:
    for line in (_text(root / "proc/meminfo") or "").splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    return None


def _hottest(root: Path) -> float | None:
    zones = sorted((root / "sys/class/thermal").glob("thermal_zone*/temp"))
    sensors = sorted((root / "sys/class/hwmon").glob("hwmon*/temp*_input"))
    temperatures = _numbers(zones) or _numbers(sensors)
    return max(temperatures) / 1000 if temperatures else None


def _clocks(root: Path) -> tuple[int, ...]:
    scaled = _numbers(sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_cur_freq")))
    if scaled:
        return tuple(khz // 1000 for khz in scaled)
    lines = (_text(root / "proc/cpuinfo") or "").splitlines()
    return tuple(round(float(line.partition(":")[2])) for line in lines if line.startswith("cpu MHz"))


def _throttle_count(root: Path) -> int | None:
    counts = _numbers(sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/core_throttle_count")))
    return sum(counts) if counts else None


def _power(root: Path) -> float | None:
    microwatts = _numbers(sorted((root / "sys/class/hwmon").glob("hwmon*/power*_input")))
    return sum(microwatts) / 1e6 if microwatts else None


def _firmware(root: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the Raspberry Pi's firmware holds back now, and has held back since it was started."""
    answer = _text(root / "sys/devices/platform/soc/soc:firmware/get_throttled")
    if answer is None and root == ROOT and (program := shutil.which("vcgencmd")):
        try:
            done = subprocess.run([program, "get_throttled"], capture_output=True, text=True, timeout=2, check=False)
            answer = done.stdout.strip().partition("throttled=")[2]
        except (OSError, subprocess.TimeoutExpired):
            answer = None
    try:
        bits = int(answer or "0", 16)
    except ValueError:
        bits = 0
    return tuple(_named(bits)), tuple(_named(bits >> 16))


def _named(bits: int) -> list[str]:
    return [name for place, name in enumerate(FIRMWARE) if bits >> place & 1]
