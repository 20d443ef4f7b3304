"""How fast the artefacts of networks run on this machine, and what making them costs.

    python -m tools.bench.export [BUNDLE …] [--threads 1,2] [--runs 60] [--tune 30min] [--small]
                                 [--folder FOLDER] [--prepare] [--parts]

MobileNetV2 and MobileNetV3-Large at 224 px, and the network of each bundle (built anew with random weights: only the
speed is looked at), as it is and with ReLU for every activation and no squeeze-excite. Clocks onnxruntime float32 and
INT8 (with the first and last layer as is faster), TVM by rule and tuned, torch and, where its converter's environment
stands, LiteRT, in turns, so that a busy spell hits all, and prints medians. The figures are of this host, never of a
board. `--tune` gives the tuner that much time for all networks together first; without it "tuned" is what the database
holds already. `--small` leaves out the two large ones. `--folder` keeps what was made, and with `--prepare` nothing is
clocked yet, so that the clocking alone can be run on a quiet machine. `--parts` lists instead what each step takes from
a bundle's network to checked artefacts.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import tvm

from edgetune import units
from edgetune.device.profile import load_profile
from edgetune.export.agreement import compare_logits, torch_logits_of
from edgetune.export.board import run_onnx, run_tflite, run_tvm
from edgetune.export.bundle import read_bundle
from edgetune.export.host import compare_speed, logits_of
from edgetune.export.int8 import quantize_best, quantize_onnx
from edgetune.export.litert_environment import LiteRT
from edgetune.export.onnx_file import export_onnx
from edgetune.export.tflite_file import export_tflite
from edgetune.export.tvm_library import compile_tvm, host_target, tvm_logits_of
from edgetune.nets.network import build_network
from edgetune.pipeline.tuning import tune_model
from edgetune.space.mobile import space_for
from edgetune.space.parameters import Sample
from tools.bench.mobilenets import mobilenet_v2, mobilenet_v3_large

Run = Callable[[np.ndarray], np.ndarray]
BIG_CORES = 1
COLUMNS = ("onnxruntime", "INT8", "TVM by rule", "TVM tuned", "torch", "LiteRT")
NO_DATABASE = Path("/nonexistent/tuned.jsonl")


class Subject:
    """A network under the clock: a module, its input, and its artefacts in a folder."""

    def __init__(self, name: str, module: torch.nn.Module, channels: int, resolution: int, folder: Path) -> None:
        self.name, self.module, self.channels, self.resolution = name, as_if_trained(module), channels, resolution
        self.folder = folder / name
        self.folder.mkdir(exist_ok=True)
        rng = np.random.default_rng(0)
        self.pixels = rng.integers(0, 256, (8, channels, resolution, resolution)).astype(np.float32)

    @property
    def onnx(self) -> Path:
        return self.folder / "model.onnx"

    @property
    def done(self) -> Path:
        """Stands once everything is made."""
        return self.folder / "done"

    def export(self) -> None:
        export_onnx(self.module, self.onnx, channels=self.channels, resolution=self.resolution, metadata={})

    def make(self) -> None:
        self.quantise()
        compile_tvm(self.onnx, self.folder / "rule.so", tvm_target=host_target(), database=NO_DATABASE)
        print(f"{self.name}: {compile_tvm(self.onnx, self.folder / 'tuned.so', tvm_target=host_target())}", flush=True)
        if LiteRT.here().ready:
            path = self.folder / "model.tflite"
            export_tflite(self.module, path, channels=self.channels, resolution=self.resolution, litert=LiteRT.here())
        self.done.touch()

    def quantise(self) -> None:
        """As for a bundle, the faster of two."""
        both = [self.folder / "int8.onnx", self.folder / "float_ends.onnx"]
        for path, float_ends in zip(both, (False, True), strict=True):
            quantize_onnx(self.onnx, path, calibration=self.pixels, float_ends=float_ends)
        if compare_speed(both[0], both[1], self.pixels[:1], runs=40).speedup > 1:
            both[1].replace(both[0])

    def contenders(self, threads: int) -> dict[str, Run]:
        torch.set_num_threads(threads)

        def eager(picture: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                return self.module(torch.from_numpy(picture)).numpy()

        runs = {
            "onnxruntime": run_onnx.load(self.onnx, threads),
            "INT8": run_onnx.load(self.folder / "int8.onnx", threads),
            "TVM by rule": run_tvm.load(self.folder / "rule.so"),
            "TVM tuned": run_tvm.load(self.folder / "tuned.so"),
            "torch": eager,
        }
        if (self.folder / "model.tflite").exists():
            runs["LiteRT"] = run_tflite.load(self.folder / "model.tflite", threads)
        return runs


def as_if_trained(module: torch.nn.Module) -> torch.nn.Module:
    """With shifts that differ: torch writes equal ones once, and onnxruntime does not quantise what is shared."""
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(layer.bias, std=0.1)
    return module.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", nargs="*", type=Path)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--tune")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--prepare", action="store_true")
    parser.add_argument("--parts", action="store_true")
    options = parser.parse_args()
    os.environ["TVM_BIND_THREADS"] = "0"  # TVM's threads stay on the cores that the process was given
    with tempfile.TemporaryDirectory() as scratch:
        if options.parts:
            for bundle in options.bundles:
                print_parts(finalist(bundle, Path(scratch)))
            return
        folder = options.folder or Path(scratch)
        folder.mkdir(exist_ok=True)
        large = [("MobileNetV2", mobilenet_v2), ("MobileNetV3-Large", mobilenet_v3_large)]
        subjects = [
            *(Subject(name, make(), 3, 224, folder) for name, make in large if not options.small),
            *(finalist(bundle, folder) for bundle in options.bundles),
            *(finalist(bundle, folder, relu=True) for bundle in options.bundles),
        ]
        new = [subject for subject in subjects if not subject.done.exists()]
        for subject in new:
            subject.export()
        if options.tune:
            tune(new, units.seconds(options.tune, where="--tune"))
        for subject in new:
            subject.make()
        if options.prepare:
            return
        for threads in map(int, options.threads.split(",")):
            print_speeds(subjects, threads, options.runs)


def tune(subjects: list[Subject], seconds: float) -> None:
    """Tunes all networks in so many seconds, the smallest first: what one leaves over goes to those that follow."""
    end = time.monotonic() + seconds
    waiting = sorted(subjects, key=lambda subject: subject.pixels.size)
    for i, subject in enumerate(waiting):
        share = max(0.0, end - time.monotonic()) / (len(waiting) - i)
        report = tune_model(subject.onnx, "host", budget_seconds=share)
        print(f"{subject.name}: its kernels are {report.gain:.2f} times as fast as by rule", flush=True)


def finalist(bundle: Path, folder: Path, *, relu: bool = False) -> Subject:
    """The network of a bundle; `relu`: in a form that quantises well."""
    card = read_bundle(bundle).card
    space, shape = space_for(card.preprocessing.resolution), card.preprocessing
    values = dict(card.provenance["sample"])
    if relu:
        values |= {label: "relu" for label in values if label.endswith(".activation")}
        values |= {label: False for label in values if label.endswith(".squeeze_excite")}
    architecture = space.architecture(
        Sample(values),  # not checked: the space may have changed since
        channels=shape.channels,
        resolution=shape.resolution,
        classes=len(card.labels),
    )
    torch.manual_seed(0)
    name = f"{card.name}, ReLU" if relu else card.name
    return Subject(name, build_network(architecture), shape.channels, shape.resolution, folder)


def print_speeds(subjects: list[Subject], threads: int, runs: int) -> None:
    """A table of medians in milliseconds, in brackets how many times as fast as onnxruntime float32."""
    tvm.get_global_func("runtime.config_threadpool")(BIG_CORES, threads)
    print(f"\n{threads} thread{'s' if threads > 1 else ''}, medians of {runs}, measured on this host\n")
    print(f"| network | {' | '.join(COLUMNS)} |\n|{'---|' * (1 + len(COLUMNS))}")
    for subject in subjects:
        contenders = subject.contenders(threads)
        medians = dict(zip(contenders, medians_ms(list(contenders.values()), subject.pixels[:1], runs), strict=True))
        first = medians["onnxruntime"]
        cells = [f"{medians[c]:.3f} ({first / medians[c]:.2f})" if c in medians else "–" for c in COLUMNS]
        print(f"| {subject.name} | {' | '.join(cells)} |", flush=True)


def medians_ms(contenders: list[Run], picture: np.ndarray, runs: int) -> np.ndarray:
    picture = run_tvm.aligned(picture)
    seconds = np.empty((runs + runs // 10, len(contenders)))
    rng = np.random.default_rng(0)
    for turn in seconds:
        for i in rng.permutation(
            len(contenders)
        ):  # in a fixed order each would find the caches as one other leaves them
            began = time.perf_counter()
            contenders[i](picture)
            turn[i] = time.perf_counter() - began
    return 1e3 * np.median(seconds[runs // 10 :], axis=0)


def print_parts(subject: Subject) -> None:
    """Seconds of each step from a network to checked artefacts, with pictures that are noise."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (2_000, *subject.pixels.shape[1:])).astype(np.float32)
    labels = rng.integers(0, 10, len(pictures))
    board, twin = subject.folder / "board.so", subject.folder / "host.so"

    def check() -> None:
        expected = torch_logits_of(subject.module, pictures[:256])
        for logits in (logits_of(subject.onnx, pictures[:256]), tvm_logits_of(twin, pictures[:256])):
            compare_logits(expected, logits).require(subject.name)

    steps: dict[str, Callable[[], object]] = {
        "export": subject.export,
        "quantise and judge INT8": lambda: quantize_best(
            subject.onnx,
            subject.folder / "int8.onnx",
            calibration=pictures[:256],
            pictures=pictures,
            labels=labels,
            may_lose=1.0,
        ),
        "compile for the board": lambda: compile_tvm(
            subject.onnx, board, tvm_target=load_profile("rpi4").tvm_target, database=NO_DATABASE
        ),
        "compile for this host": lambda: compile_tvm(
            subject.onnx, twin, tvm_target=host_target(), database=NO_DATABASE
        ),
        "check against torch": check,
    }
    seconds = {}
    for name, step in steps.items():
        began = time.perf_counter()
        step()
        seconds[name] = time.perf_counter() - began
    print(f"{subject.name}: {sum(seconds.values()):.1f} s", *(f"{n} {s:.1f}" for n, s in seconds.items()), sep=", ")


if __name__ == "__main__":
    main()
