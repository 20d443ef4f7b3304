"""Whether every artefact of random networks computes the network, on this machine and as the board's machine code.

    python -m tools.bench.agreement [--samples 10] [--first 0] [--formats onnx,int8,tvm,tflite]
                                    [--spaces mobile-small,mobile-large] [--board-pictures 32]

Networks are drawn from each space. Their weights are random but for the classifier, which is fitted to Fashion-MNIST by
least squares on the network's features, so that their answers mean something. Float artefacts: the largest difference
of logits over the largest logit. INT8: top-1 on 2,000 test pictures here, and on the emulated board the share of the
pictures there that are answered as here. An instruction that the Cortex-A72 lacks ends the run.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from edgetune.data.load import load_dataset
from edgetune.data.pictures import Dataset, Pictures
from edgetune.device.profile import load_profile
from edgetune.distill.evaluate import recalibrate
from edgetune.export import host
from edgetune.export.agreement import compare_logits, torch_logits_of
from edgetune.export.formats import formats_of, usual_formats
from edgetune.export.int8 import quantize_onnx
from edgetune.export.litert_environment import LiteRT
from edgetune.export.onnx_file import export_onnx
from edgetune.export.tflite_file import export_tflite, quantize_tflite
from edgetune.export.tvm_library import compile_tvm, host_target
from edgetune.export.verify import logits_on, python_here
from edgetune.nets.network import Network, build_network
from edgetune.pipeline.task import pixels_of
from edgetune.space.mobile import MOBILE_SPACES
from tools.pi_userland import PiUserland

ENLARGED = dict(zip(MOBILE_SPACES, (1, 3), strict=True))
"""How many times Fashion-MNIST's 28 pixels a side."""
FITTED_ON, CALIBRATED_ON, JUDGED_ON = 4_000, 256, 2_000


@dataclass(frozen=True)
class Row:
    """One artefact. Differences are relative; top-1 and the share of equal answers 0…1, None for float artefacts."""

    network: str
    artefact: str
    here: float
    board: float
    float_top1: float | None = None
    top1: float | None = None
    same_answers: float | None = None

    def __str__(self) -> str:
        rounded = ("", "", "") if self.top1 is None else (
            f"{self.top1:.2%}", f"{100 * (self.top1 - (self.float_top1 or 0)):+.2f}", f"{self.same_answers:.1%}"
        )  # fmt: skip
        return f"| {self.network} | {self.artefact} | {self.here:.1e} | {self.board:.1e} | {' | '.join(rounded)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="the number of the first sample, to run in parts")
    parser.add_argument("--formats", default=",".join(usual_formats()))
    parser.add_argument("--spaces", default=",".join(MOBILE_SPACES))
    parser.add_argument("--board-pictures", type=int, default=32)
    options = parser.parse_args()
    formats = formats_of(options.formats, where="--formats")
    print("| network | artefact | here | emulated board | INT8 top-1 | points | answers as here |")
    print("|---|---|---|---|---|---|---|")
    rows = []
    for space in options.spaces.split(","):
        dataset = few_of(load_dataset("fashion-mnist"), ENLARGED[space])
        for number in range(options.first, options.first + options.samples):
            for row in compare(space, number, dataset, formats, options.board_pictures):
                rows.append(row)
                print(row, flush=True)
    exact = [max(row.here, row.board) for row in rows if row.top1 is None]
    losses = [(row.float_top1 or 0) - row.top1 for row in rows if row.top1 is not None]
    print(f"{len(exact)} float artefacts: worst {max(exact):.1e}")
    if losses:
        within = sum(round(loss, 6) <= 0.005 for loss in losses)
        print(f"{len(losses)} INT8 artefacts: {within} lose at most 0.5 points")


def few_of(dataset: Dataset, times: int) -> Dataset:
    """As many pictures as are used, each enlarged."""

    def enlarged(pictures: Pictures, count: int) -> Pictures:
        return Pictures(pictures.images[:count].repeat(times, 1).repeat(times, 2), pictures.labels[:count])

    train, test = enlarged(dataset.train, FITTED_ON), enlarged(dataset.test, JUDGED_ON)
    return dataclasses.replace(dataset, train=train, test=test)


def compare(space: str, number: int, dataset: Dataset, formats: tuple[str, ...], board_pictures: int) -> Iterator[Row]:
    """Makes the artefacts of one random network and runs them at both places."""
    network, name = fitted_network(space, number, dataset), f"{space}-{number}"
    judges = dataset.test
    pixels = pixels_of(judges, len(judges))
    few = pixels[:board_pictures]
    expected, board = torch_logits_of(network, few), PiUserland.ready()
    with tempfile.TemporaryDirectory() as scratch:
        for path, here in artefacts(network, dataset, formats, Path(scratch)):
            answers = logits_on(python_here, here, few)
            there = logits_on(board, path, few)
            row = Row(
                name,
                path.name,
                compare_logits(expected, answers).relative_difference,
                compare_logits(expected, there).relative_difference,
            )
            if ".int8" in path.suffixes:
                exact = path.with_name(path.name.replace(".int8", ""))
                row = Row(
                    *(row.network, row.artefact, row.here, row.board),
                    float_top1=host.top1_of(exact, pixels, judges.labels),
                    top1=host.top1_of(path, pixels, judges.labels),
                    same_answers=compare_logits(answers, there).same_top1,
                )
            yield row


def artefacts(
    network: Network, dataset: Dataset, formats: tuple[str, ...], folder: Path
) -> Iterator[tuple[Path, Path]]:
    """Each artefact for the board, and what to run in its place here."""
    calibration = pixels_of(dataset.train, CALIBRATED_ON)
    model = folder / "model.onnx"
    export_onnx(network, model, channels=dataset.channels, resolution=dataset.resolution, metadata={})
    if "onnx" in formats:
        yield model, model
    if "int8" in formats:
        rounded = folder / "model.int8.onnx"
        quantize_onnx(model, rounded, calibration=calibration, method="percentile")
        yield rounded, rounded
    if "tvm" in formats:
        library, twin = folder / "model.tvm.so", folder / "host.so"
        compile_tvm(model, library, tvm_target=load_profile("rpi4").tvm_target)
        compile_tvm(model, twin, tvm_target=host_target())
        yield library, twin
    if "tflite" in formats:
        lite, litert = folder / "model.tflite", LiteRT.here().make()
        export_tflite(network, lite, channels=dataset.channels, resolution=dataset.resolution, litert=litert)
        yield lite, lite
        if "int8" in formats:
            rounded = folder / "model.int8.tflite"
            quantize_tflite(lite, rounded, calibration=calibration, litert=litert)
            yield rounded, rounded


def fitted_network(space: str, number: int, dataset: Dataset) -> Network:
    """A random network whose classifier is a ridge regression from its features to the labels."""
    rng, drawn = np.random.default_rng(number), MOBILE_SPACES[space]
    architecture = drawn.architecture(
        drawn.space.draw(rng),
        channels=dataset.channels,
        resolution=dataset.resolution,
        classes=len(dataset.classes),
    )
    torch.manual_seed(number)
    network = build_network(architecture, mean=dataset.mean, std=dataset.std)
    recalibrate(network, dataset.train.images[:1_000])  # BatchNorm's statistics, so that nothing vanishes or explodes
    pictures = dataset.train
    with torch.inference_mode():
        pixels = torch.from_numpy(pixels_of(pictures, len(pictures)))
        features = torch.cat([network.eval().features(part) for part in pixels.split(256)]).double()
        mean = features.mean(0)
        targets = torch.nn.functional.one_hot(torch.from_numpy(pictures.labels).long(), len(dataset.classes)).double()
        centred = features - mean
        gram = centred.T @ centred
        ridge = 1e-3 * gram.diagonal().mean() * torch.eye(len(gram), dtype=torch.float64)
        weights = torch.linalg.solve(gram + ridge, centred.T @ (targets - targets.mean(0)))
        network.classifier.weight.copy_(weights.T.float())
        network.classifier.bias.copy_((targets.mean(0) - mean @ weights).float())
    return network


if __name__ == "__main__":
    main()
