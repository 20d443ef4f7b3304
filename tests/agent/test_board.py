"""The board's state, from trees of files as boards have them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from edgetune.agent.board import (
    BoardState,
    ProcessorTimes,
    is_emulated,
    is_throttled,
    read_info,
    read_state,
)


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


PI = {
    "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
    "proc/loadavg": "0.52 0.40 0.30 1/200 1234\n",
    "proc/meminfo": "MemTotal:        3884024 kB\nMemFree: 1 kB\nMemAvailable:    3000000 kB\n",
    "sys/class/thermal/thermal_zone0/temp": "61342\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1800000\n",
    "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "600000\n",
    "sys/class/hwmon/hwmon2/power1_input": "3450000\n",
    "etc/os-release": 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
}


@pytest.mark.parametrize(
    ("answer", "now", "before"),
    [
        ("0", (), ()),
        ("50005", ("under-voltage", "throttled"), ("under-voltage", "throttled")),
        ("80000", (), ("soft temperature limit",)),
        ("2", ("frequency capped",), ()),
        ("nonsense", (), ()),
    ],
)
def test_a_raspberry_pi_tells_all(tmp_path: Path, answer: str, now: tuple[str, ...], before: tuple[str, ...]) -> None:
    """The bits as Raspberry Pi's documentation of vcgencmd get_throttled gives them."""
    root = tree(tmp_path, PI | {"sys/devices/platform/soc/soc:firmware/get_throttled": answer})
    state = read_state(root)
    assert state == BoardState(
        temperature_c=61.342,
        throttled=now,
        throttled_before=before,
        governor="ondemand",
        cpu_mhz=(1800, 600),
        load=0.52,
        memory_available_bytes=3_000_000 * 1024,
        power_w=3.45,
    )
    info = read_info(root)
    assert info.model == "Raspberry Pi 4 Model B Rev 1.4"
    assert info.system == "Debian GNU/Linux 12 (bookworm)"
    assert info.memory_bytes == 3884024 * 1024


def test_a_board_that_tells_nothing_is_no_error(tmp_path: Path) -> None:
    assert read_state(tmp_path) == BoardState()


def test_x86_counts_its_throttling(tmp_path: Path) -> None:
    counter = "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count"
    before = read_state(
        tree(tmp_path, {counter: "7\n", "proc/cpuinfo": "model name\t: Some CPU\ncpu MHz\t\t: 2999.9\n"})
    )
    after = read_state(tree(tmp_path, {counter: "8\n"}))
    assert before.cpu_mhz == (3000,)
    assert is_throttled([before, after])
    assert not is_throttled([before, before])
    assert is_throttled([BoardState(), BoardState(throttled=("throttled",)), BoardState()])


def test_this_machine_is_not_emulated() -> None:
    assert not is_emulated()
    assert read_info().cores == os.cpu_count()


def test_the_load_of_others_does_not_count_ones_own() -> None:
    before, began = ProcessorTimes.read(time.process_time), time.monotonic()
    while time.monotonic() - began < 0.3:
        sum(range(1000))
    after = ProcessorTimes.read(time.process_time)
    wall = time.monotonic() - began
    assert after.own - before.own > 0
    assert 0 <= after.others_since(before, wall) <= (os.cpu_count() or 1) + 0.5
    assert ProcessorTimes(10.0, 4.0).others_since(ProcessorTimes(5.0, 1.0), 4.0) == 0.5
