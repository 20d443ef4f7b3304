"""Turns the published tables of network latencies on Arm boards into the profiles' measurements.

    python -m tools.importers.arm_boards arm_boards_networks.csv rpi4_mlperf_networks.csv device_profiles

Kept: rows of boards that have a profile, of their measured cluster, of networks that have a reference graph.
"""

from __future__ import annotations

import csv
import re
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median

from edgetune.device.profile import load_profile
from edgetune.errors import ConfigError
from edgetune.files import atomic_write
from edgetune.latency.measurements import COLUMNS
from edgetune.latency.reference import reference_graph

BOARDS = {  # how a table's device begins: (profile, clock in MHz if not the profile's)
    "Raspberry Pi 4 Model B Broadcom": ("rpi4", 1800),
    "Raspberry Pi 4B": ("rpi4", 1500),
    "Raspberry Pi 4": ("rpi4", 1500),
    "Raspberry Pi 3 Model B+": ("rpi3", 1400),
    "Raspberry Pi 3+": ("rpi3", 1400),
    "Raspberry Pi 3B": ("rpi3", 1200),
    "Raspberry Pi 5 Broadcom BCM2712, Cortex": ("rpi5", 2400),
    "Raspberry Pi Zero 2 W": ("rpi-zero-2w", 1000),
    "Firefly-RK3588S": ("rk3588", 2400),
    "Rockchip RK3588 (Cortex": ("rk3588", 2400),
    "Firefly-RK3399": ("rk3399", 1800),
    "Rockchip RK3399": ("rk3399", 1800),
    "EAIDK610": ("rk3399", 1800),
    "Rock3A": ("rk3568", 2000),
    "OrangePicm4": ("rk3566", 1800),
    "NanoPi R2S": ("rk3328", 1300),
    "Khadas VIM3": ("khadas-vim3", 2200),
    "Khadas VIM4": ("khadas-vim4", 2208),
    "NVIDIA Jetson Nano": ("jetson-nano", 1430),
}
LITTLE = "powersave=1"  # ncnn's word for the small cores
NAMES = {  # Tengine's and XNNPACK's names
    "MobileNet v1 1.0X": "mobilenet-v1-1.0-224",
    "MobileNet v2 1.0X": "mobilenet-v2-1.0-224",
    "MobileNet v3 Large": "mobilenet-v3-large_224_1.0",
    "MobileNet v3 Small": "mobilenet-v3-small_224_1.0",
    "mobilenetv1": "mobilenet",
    "mobilenetv2": "mobilenet_v2",
    "mobilenetv3": "mobilenet_v3",
    "shufflenetv2": "shufflenet_v2",
    "squeezenet_v1.1": "squeezenet",
}
SUFFIXES = re.compile(r"(_int8|-non-quantized|-quantized|_float|_uint8)$")


def main(boards: Path, rpi4: Path, profiles: Path) -> None:
    found: dict[str, dict[tuple[object, ...], list[tuple[float, str]]]] = defaultdict(lambda: defaultdict(list))
    with boards.open(newline="") as file:
        for row in csv.DictReader(file):
            add_board_row(row, found)
    with rpi4.open(newline="") as file:
        for row in csv.DictReader(file):
            if not row["precision"].endswith("?"):
                runtime, version = runtime_of(row["runtime"])
                key = (row["network"], runtime, version, row["precision"], 4, int(row["cpu_mhz"]))
                found["rpi4"][key] += [(float(row["mean_ms"]), f"MLPerf Inference {row['mlperf_rounds']}")]
    for profile, rows in sorted(found.items()):
        write(profiles / profile / "measurements.csv", rows)


def add_board_row(row: dict[str, str], found: dict[str, dict[tuple[object, ...], list[tuple[float, str]]]]) -> None:
    board = next((BOARDS[start] for start in BOARDS if row["device"].startswith(start)), None)
    network = SUFFIXES.sub("", row["model"])
    network = NAMES.get(network, network)
    if (
        board is None
        or LITTLE in row["runtime"]
        or not row["runtime"].startswith(("ncnn", "tengine", "XNN", "TFL", "Arm"))
    ):
        return
    try:
        reference_graph(network)
    except ConfigError:
        return
    profile, mhz = board
    runtime, version = runtime_of(row["runtime"])
    threads = int(float(row["threads"])) if row["threads"] else load_profile(profile).cluster.cores
    precision = "int8" if row["precision"].startswith("int8") else "fp32"
    found[profile][network, runtime, version, precision, threads, mhz] += [
        (float(row["latency_ms"]), row["source_repo"])
    ]


def runtime_of(text: str) -> tuple[str, str]:
    """Name and version; ncnn's tables give none.

    >>> runtime_of("TFLite v2.7.1 (ruy) MLPerf"), runtime_of("tengine-lite 1.0-dev"), runtime_of("ncnn powersave=2")
    (('tflite', '2.7.1'), ('tengine', '1.0'), ('ncnn', ''))
    """
    name = re.match(r"[A-Za-z]+", text)
    version = re.search(r"\bv?(\d+\.[\d.]*\d)|(\d{4})-\d\d-\d\d", text)
    return (name[0].lower() if name else ""), (version[1] or version[2] if version else "")


def write(path: Path, rows: dict[tuple[object, ...], list[tuple[float, str]]]) -> None:
    """A network that a table lists more than once in one setting gets the median."""
    with atomic_write(path) as aside, aside.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*COLUMNS, "source"))
        for key, values in sorted(rows.items(), key=lambda item: tuple(map(str, item[0][1:])) + (str(item[0][0]),)):
            writer.writerow((*key, round(median(value for value, _ in values), 4), values[0][1]))
    print(f"{len(rows)} measurements in {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
