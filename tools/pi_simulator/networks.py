"""Counts the networks of ncnn's benchmark, whose latencies on a Raspberry Pi 4B are published, for the fit.

The figures are of ncnn's `benchmark/README.md` (BSD-3-Clause): Raspberry Pi 4 Model B at 1.8 GHz, one thread. The
networks are ncnn's own `benchmark/models/*.param`, run by ncnn itself, so that the simulated runtime is the measured
one; its release differs.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from edgetune.errors import MissingDependencyError
from edgetune.files import cache_folder
from tools.pi_simulator.constants import NETWORKS
from tools.pi_simulator.counts import count
from tools.pi_simulator.simulate import work_of
from tools.pi_userland import PiUserland

NCNN = "ncnn==1.0.20261020"
RUNNER = Path(__file__).with_name("run_ncnn.py")
RESOLUTIONS: Mapping[str, int] = {
    "blazeface": 128,
    "squeezenet": 227,
    "shufflenet_v2": 224,
    "shufflenet": 224,
    "FastestDet": 352,
    "yolo-fastestv2": 352,
    "yolo-fastest-1.1": 320,
    "mnasnet": 224,
    "mobilenet_v2": 224,
    "mobilenet": 224,
    "nanodet_m": 320,
    "regnety_400m": 224,
    "efficientnetv2_b0": 224,
    "alexnet": 227,
    "resnet18": 224,
    "googlenet": 224,
    "squeezenet_ssd": 300,
    "mobilenet_ssd": 300,
    "mobilenetv2_yolov3": 352,
    "yolov4-tiny": 416,
}
"""Networks with a published figure that can be counted in minutes, and the pixels a side of benchncnn's input."""


def count_networks(params: Path, measured: Mapping[str, float], out: Path = NETWORKS) -> None:
    """Writes a row a network as soon as it is counted; those that stand in the file already are left alone."""
    userland, packages = PiUserland.ready(), [_ncnn()]
    done = {row["network"] for row in csv.DictReader(out.open())} if out.exists() else set()
    for name, resolution in RESOLUTIONS.items():
        if name in done or name not in measured:
            continue
        picture = np.full((1, 3, resolution, resolution), 0.01, np.float32)
        counts = count(userland, RUNNER, params / f"{name}.param", picture, packages=packages, settling=0)
        row = {"network": name, "measured_ms": measured[name], "instructions": counts.instructions}
        row |= {key: round(value) for key, value in asdict(work_of(counts)).items()}
        with out.open("a", newline="") as stream:
            writer = csv.DictWriter(stream, list(row), lineterminator="\n")
            if stream.tell() == 0:
                writer.writeheader()
            writer.writerow(row)
        print(row, flush=True)


def published(path: Path) -> dict[str, float]:
    """Milliseconds of each network: the rows of a measurement table of ncnn on a Raspberry Pi 4B, one thread, fp32."""
    with path.open(newline="") as stream:
        return {
            row["model"]: float(row["latency_ms"])
            for row in csv.DictReader(stream)
            if row["device"].startswith("Raspberry Pi 4 Model B Broadcom")
            and row["runtime"].startswith("ncnn")
            and float(row["threads"]) == 1
            and row["precision"] != "int8"
        }


def _ncnn() -> Path:
    """ncnn's aarch64 wheel, unpacked in the cache."""
    folder = cache_folder() / f"pi-simulator-{NCNN}"
    if not folder.exists():
        folder.mkdir(parents=True)
        tags = ["--python-version=3.11", "--implementation=cp", "--abi=cp311", "--platform=manylinux_2_28_aarch64"]
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", *tags]
        if subprocess.run([*command, "-d", str(folder), NCNN], check=False).returncode != 0:
            folder.rmdir()
            raise MissingDependencyError(f"pip could not fetch {NCNN}", mend="connect to a package index")
        (wheel,) = folder.glob("*.whl")
        zipfile.ZipFile(wheel).extractall(folder)
    return folder
