"""The artefacts of one network, each made from the network or its ONNX file, each compared with the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias

import numpy as np
from torch import nn

from edgetune.data.pictures import Pictures
from edgetune.errors import MissingDependencyError
from edgetune.export import card as cards
from edgetune.export import host
from edgetune.export.agreement import compare_logits
from edgetune.export.formats import KINDS, Format
from edgetune.export.int8 import Quantised, quantize_best, quantize_onnx, quantize_tuned, settle_ranges
from edgetune.export.litert_environment import LiteRT
from edgetune.export.onnx_file import OnnxForm, export_onnx
from edgetune.export.tflite_file import export_tflite, quantize_tflite
from edgetune.export.tvm_library import compile_tvm, host_target, tvm_logits_of
from edgetune.nets.network import Network
from edgetune.pipeline.int8_speed import Int8Speed, clocked_on_board, int8_speed
from edgetune.pipeline.int8_tuning import CALIBRATED_WITH, Int8Tuning
from edgetune.pipeline.task import Task, pixels_of
from edgetune.reporter import Reporter
from edgetune.search.trial import Trial

INT8_JUDGED_ON, INT8_TESTED_ON = 2_000, 10_000
"""Pictures of the validation split that decide on INT8, and at most as many of the test split for its figure."""
INT8_MAY_LOSE = 0.005
"""Top-1 that an INT8 artefact may lose; half a point."""

Made: TypeAlias = cards.Artefact | cards.Omission


@dataclass(frozen=True)
class Distilled:
    """A network trained in full, on the CPU, and its top-1 on the splits that were not trained on."""

    name: str
    trial: Trial
    network: Network
    validation_top1: float
    test_top1: float


@dataclass(frozen=True)
class Expected:
    """What an artefact must agree with: validation pictures, raw (N, C, H, W), and torch's logits, (N, classes)."""

    pixels: np.ndarray
    logits: np.ndarray

    def check(self, logits: np.ndarray, where: str) -> cards.CheckedOn:
        """An artefact's logits for the same pictures beside torch's."""
        return cards.CheckedOn(where=where, agreement=compare_logits(self.logits, logits))

    def check_here(self, path: Path) -> cards.CheckedOn:
        """A file's logits on this machine beside torch's."""
        return self.check(host.logits_of(path, self.pixels), f"this host, {host.runtime_of(path)}")


@dataclass(frozen=True)
class Workshop:
    """Where one network's artefacts are made.

    `quantised` holds what was measured of the INT8 artefacts when they were first made; it is filled where nothing is
    known yet, and decides where it is, so that a bundle that is made again comes out the same byte for byte although
    no two clockings agree.
    """

    task: Task
    distilled: Distilled
    expected: Expected
    folder: Path
    reporter: Reporter
    form: OnnxForm = field(default_factory=OnnxForm)
    quantised: dict[str, Quantised] = field(default_factory=dict)
    int8_tuning: Int8Tuning | None = None

    def path(self, name: str) -> Path:
        return self.folder / name

    def artefact(self, format: Format) -> Path:
        return self.folder / KINDS[format].file

    def litert(self) -> LiteRT:
        """The converter's environment, made if need be."""
        return LiteRT.here().make(say=self.reporter.say, progress=self.reporter.progress)


def make_artefacts(workshop: Workshop, formats: tuple[str, ...]) -> list[Made]:
    """The artefacts asked for and those that are left out, in a fixed order. The ONNX file is always made first.

    Raises
    ------
    ExportError
        An artefact computes something else than the network.
    MissingDependencyError
        TensorFlow Lite is asked for, and its converter cannot be had.
    """
    made: list[Made] = [_onnx(workshop)]
    for format, make in MAKERS.items():
        if set(KINDS[format].asked_by) <= set(formats):
            made.append(make(workshop))
    return made if "onnx" in formats else made[1:]


def _onnx(shop: Workshop) -> cards.Artefact:
    path = shop.artefact("onnx")
    _export(shop, shop.distilled.network, path, shop.form)
    return _keep_exact(shop, "onnx", path, shop.expected.check_here(path), note=shop.form.spoken)


def _export(shop: Workshop, network: nn.Module, path: Path, form: OnnxForm) -> None:
    data = shop.task.dataset
    export_onnx(
        network,
        path,
        channels=data.channels,
        resolution=data.resolution,
        metadata={
            "network": shop.distilled.name,
            "labels": "\n".join(data.classes),
            "input": "raw pixels, 0 to 255, N × C × H × W",
            "preprocessing": "none: the first layer subtracts the mean and divides by the deviation",
            "mean": " ".join(f"{value:.6g}" for value in data.mean),
            "std": " ".join(f"{value:.6g}" for value in data.std),
        },
        form=form,
    )


def _int8(shop: Workshop) -> Made:
    source, path = shop.artefact("onnx"), shop.artefact("int8")
    calibration = pixels_of(shop.task.dataset.train, CALIBRATED_WITH)
    known = shop.quantised.get("int8")
    if known is None:
        known = quantize_best(source, path, calibration=calibration, may_lose=INT8_MAY_LOSE, **_judges(shop))
        known = shop.quantised["int8"] = clocked_on_board(shop.task, source, path, known, shop.reporter.say)
    else:
        quantize_onnx(source, path, calibration=calibration, method=known.method, float_ends=known.float_ends)
    if shop.int8_tuning and known.loss > INT8_MAY_LOSE and _speed(shop, "int8", known).times > 1:
        known = _fine_tune(shop, shop.int8_tuning, known, source, path)
    return _keep_rounded(shop, "int8", path, known)


def _fine_tune(shop: Workshop, tuning: Int8Tuning, before: Quantised, untuned: Path, path: Path) -> Quantised:
    """The INT8 file of weights that were trained on with its rounding, in the place of the one that loses too much."""
    rounded, source = tuning.tuned(shop.distilled.network, before.method), shop.path("tuned.onnx")
    _export(shop, rounded.network, source, shop.form)
    ranges, calibration = rounded.ranges(), pixels_of(shop.task.dataset.train, CALIBRATED_WITH)
    known = shop.quantised.get(tuning.key)
    if known is None:
        known = shop.quantised[tuning.key] = quantize_tuned(
            source,
            path,
            untuned=untuned,
            before=before,
            ranges=ranges,
            epochs=tuning.recipe.epochs,
            calibration=calibration,
            may_lose=INT8_MAY_LOSE,
            **_judges(shop),
        )
    else:
        method, ends, file = known.method, known.float_ends, shop.path("ranges.json")
        settle_ranges(file, ranges, source, calibration=calibration, method=method)
        quantize_onnx(source, path, calibration=calibration, method=method, float_ends=ends, ranges=file)
    return known


def _judges(shop: Workshop) -> dict[str, np.ndarray]:
    judges = shop.task.dataset.validation.first(INT8_JUDGED_ON)
    return {"pictures": pixels_of(judges, len(judges)), "labels": judges.labels}


def _tvm(shop: Workshop) -> Made:
    """For the board; its numbers are checked on the same module compiled for this host."""
    source, path, twin = shop.artefact("onnx"), shop.artefact("tvm"), shop.path("host.tvm.so")
    if shop.form.dynamic_batch:  # schedules are made for fixed sizes
        source = shop.path("static.onnx")
        _export(shop, shop.distilled.network, source, replace(shop.form, dynamic_batch=False))
    try:
        schedules = compile_tvm(source, path, tvm_target=shop.task.predictor.profile.tvm_target)
        compile_tvm(source, twin, tvm_target=host_target())
    except MissingDependencyError as error:
        return cards.Omission(format="tvm", reason=str(error))
    where = f"this host, the same module compiled for it, TVM {version('apache-tvm')}"
    check = shop.expected.check(tvm_logits_of(twin, shop.expected.pixels), where)
    return _keep_exact(shop, "tvm", path, check, note=schedules)


def _tflite(shop: Workshop) -> Made:
    data, path = shop.task.dataset, shop.artefact("tflite")
    litert = shop.litert()
    export_tflite(shop.distilled.network, path, channels=data.channels, resolution=data.resolution, litert=litert)
    return _keep_exact(shop, "tflite", path, shop.expected.check_here(path))


def _tflite_int8(shop: Workshop) -> Made:
    source, path = shop.artefact("tflite"), shop.artefact("tflite-int8")
    calibration = pixels_of(shop.task.dataset.train, CALIBRATED_WITH)
    quantize_tflite(source, path, calibration=calibration, litert=shop.litert())
    known = shop.quantised.get("tflite-int8")
    if known is None:
        judges = shop.task.dataset.validation.first(INT8_JUDGED_ON)
        speed = host.compare_speed(source, path, calibration[:1])
        known = shop.quantised["tflite-int8"] = Quantised(
            "minmax", False, top1_of(path, judges), top1_of(source, judges), speed.speedup, str(speed)
        )
    return _keep_rounded(shop, "tflite-int8", path, known)


def _keep_exact(
    shop: Workshop, format: Format, path: Path, check: cards.CheckedOn, *, note: str = ""
) -> cards.Artefact:
    """A float artefact must compute what the network does; its top-1 is then the network's."""
    check.agreement.require(path.name)
    return cards.Artefact(format=format, file=path.name, test_top1=shop.distilled.test_top1, checks=(check,), note=note)


def _keep_rounded(shop: Workshop, format: Format, path: Path, quantised: Quantised) -> Made:
    """An INT8 artefact is kept where it is faster and loses less than half a point on the validation split."""
    if quantised.loss > INT8_MAY_LOSE:
        reason = f"loses {100 * quantised.loss:.1f} points of validation top-1, more than {100 * INT8_MAY_LOSE:.1f}"
        if quantised.untuned_top1 is not None:
            earlier = 100 * (quantised.float_top1 - quantised.untuned_top1)
            reason += f", after {quantised.epochs:g} epochs with its rounding; {earlier:.1f} before them"
        return cards.Omission(format=format, reason=reason)
    speed = _speed(shop, format, quantised)
    if speed.times <= 1:
        return cards.Omission(format=format, reason=speed.words + _hard_swishes(shop))
    test = shop.task.dataset.test.first(INT8_TESTED_ON)
    check = shop.expected.check_here(path)
    before = quantised.untuned_top1
    return cards.Artefact(
        format=format,
        file=path.name,
        test_top1=top1_of(path, test),
        checks=(check,),
        note=speed.words,
        fine_tuning=None
        if before is None
        else cards.FineTuning(epochs=quantised.epochs, top1_before=before, top1_after=quantised.top1),
    )


def _speed(shop: Workshop, format: Format, quantised: Quantised) -> Int8Speed:
    return int8_speed(shop.task, shop.distilled.trial.sample, KINDS[format].runtime.name, quantised)


def _hard_swishes(shop: Workshop) -> str:
    """What the graph alone explains of a slow INT8 network: runtimes compute this activation in float32."""
    acts = [kernel.activation for kernel in shop.task.graph(shop.distilled.trial.sample).kernels if kernel.activation]
    count = sum("swish" in act for act in acts)
    return f"; {count} of its {len(acts)} activations are hard-swish, which quantises badly" if count else ""


MAKERS: Mapping[Format, Callable[[Workshop], Made]] = {
    "int8": _int8,
    "tvm": _tvm,
    "tflite": _tflite,
    "tflite-int8": _tflite_int8,
}


def top1_of(model: Path, pictures: Pictures) -> float:
    return host.top1_of(model, pixels_of(pictures, len(pictures)), pictures.labels)
