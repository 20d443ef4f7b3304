"""From a distilled network to a checked bundle, and to what the report says of it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from edgetune.data.pictures import Pictures
from edgetune.errors import MissingDependencyError
from edgetune.export import card as cards
from edgetune.export import host
from edgetune.export.agreement import compare_logits, torch_logits_of
from edgetune.export.bundle import Bundle, write_bundle
from edgetune.export.int8 import quantize_best
from edgetune.export.onnx_file import export_onnx
from edgetune.export.tvm_library import SCHEDULES, compile_tvm, host_target, tvm_logits_of
from edgetune.nets.network import Network
from edgetune.pipeline.task import Task
from edgetune.report import summary as report
from edgetune.search.trial import Trial

CHECKED_ON = 256
"""Validation pictures on which an artefact's logits are compared with the network's."""
CALIBRATED_WITH = 256
"""Training pictures that the ranges of INT8 activations are taken from."""
REFERENCES = 8
"""Validation pictures that travel in the bundle with their logits, for `edgetune verify`."""
INT8_JUDGED_ON, INT8_TESTED_ON = 2_000, 10_000
"""Pictures of the validation split that decide on INT8, and at most as many of the test split for its figure."""
INT8_MAY_LOSE = 0.005
"""Top-1 that an INT8 artefact may lose; half a point."""


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


def bundle_network(
    task: Task, distilled: Distilled, teacher: cards.Teacher, folder: Path, provenance: Mapping[str, object]
) -> Bundle:
    """Exports, quantises, compiles and checks; writes `folder`, whole or not at all.

    Raises
    ------
    ExportError
        An artefact computes something else than the network.
    """
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        pixels = _pixels(task.dataset.validation, CHECKED_ON)
        expected = Expected(pixels, torch_logits_of(distilled.network, pixels))
        made = [make(task, distilled, expected, work) for make in (_onnx, _int8, _tvm)]
        artefacts = [result for result in made if isinstance(result, cards.Artefact)]
        omitted = [result for result in made if isinstance(result, cards.Omission)]
        card = _card(task, distilled, teacher, artefacts, omitted, provenance)
        files = {artefact.file: work / artefact.file for artefact in artefacts}
        return write_bundle(folder, card, files, reference=(pixels[:REFERENCES], expected.logits[:REFERENCES]))


def _onnx(task: Task, distilled: Distilled, expected: Expected, work: Path) -> cards.Artefact | cards.Omission:
    data, path = task.dataset, work / "model.onnx"
    metadata = {"labels": "\n".join(data.classes), "input": "raw pixels, 0 to 255", "network": distilled.name}
    export_onnx(distilled.network, path, channels=data.channels, resolution=data.resolution, metadata=metadata)
    check = expected.check(host.logits_of(path, expected.pixels), f"this host, onnxruntime {version('onnxruntime')}")
    check.agreement.require(path.name)
    return cards.Artefact(format="onnx", file=path.name, test_top1=distilled.test_top1, checks=(check,))


def _int8(task: Task, distilled: Distilled, expected: Expected, work: Path) -> cards.Artefact | cards.Omission:
    """Kept where it is faster on this host and loses less than half a point on the validation split."""
    data, source, path = task.dataset, work / "model.onnx", work / "model.int8.onnx"
    validation, test = _first(data.validation, INT8_JUDGED_ON), _first(data.test, INT8_TESTED_ON)
    quantised = quantize_best(
        source,
        path,
        calibration=_pixels(data.train, CALIBRATED_WITH),
        pictures=_pixels(validation, len(validation)),
        labels=validation.labels,
    )
    loss = _top1_of(source, validation) - quantised.top1[quantised.method]
    speed = host.compare_speed(source, path)
    spoken = f"{speed.speedup:.2f} times the speed of float32 ({speed.kind}, {speed.runtime}, {speed.threads} thread)"
    if loss > INT8_MAY_LOSE:
        return cards.Omission(format="int8", reason=f"loses {100 * loss:.1f} points of validation top-1")
    if speed.speedup <= 1:
        return cards.Omission(format="int8", reason=spoken)
    check = expected.check(host.logits_of(path, expected.pixels), f"this host, onnxruntime {version('onnxruntime')}")
    return cards.Artefact(format="int8", file=path.name, test_top1=_top1_of(path, test), checks=(check,), note=spoken)


def _tvm(task: Task, distilled: Distilled, expected: Expected, work: Path) -> cards.Artefact | cards.Omission:
    """For the board; its numbers are checked on the same module compiled for this host."""
    source, path, twin = work / "model.onnx", work / "model.tvm.so", work / "host.tvm.so"
    try:
        compile_tvm(source, path, tvm_target=task.predictor.profile.tvm_target)
        compile_tvm(source, twin, tvm_target=host_target())
    except MissingDependencyError as error:
        return cards.Omission(format="tvm", reason=str(error))
    where = f"this host, the same module compiled for it, TVM {version('apache-tvm')}"
    check = expected.check(tvm_logits_of(twin, expected.pixels), where)
    check.agreement.require(path.name)
    return cards.Artefact(
        format="tvm",
        file=path.name,
        test_top1=distilled.test_top1,
        checks=(check,),
        note=SCHEDULES,
    )


def _card(
    task: Task,
    distilled: Distilled,
    teacher: cards.Teacher,
    artefacts: list[cards.Artefact],
    omitted: list[cards.Omission],
    provenance: Mapping[str, object],
) -> cards.Card:
    data, graph = task.dataset, task.graph(distilled.trial.sample)
    packages = ["torch", "onnx", "onnxruntime", *(["apache-tvm"] if any(a.format == "tvm" for a in artefacts) else [])]
    return cards.Card(
        name=distilled.name,
        labels=data.classes,
        preprocessing=cards.Preprocessing(
            channels=data.channels, resolution=data.resolution, mean=data.mean, std=data.std
        ),
        data=cards.Data(
            name=data.name,
            licence=data.licence,
            content_hash=data.content_hash,
            train=len(data.train),
            validation=len(data.validation),
            test=len(data.test),
        ),
        teacher=teacher,
        test_top1=distilled.test_top1,
        latencies=(task.predictor.predict(graph),),
        macs=graph.macs,
        parameters=graph.parameters,
        peak_memory_bytes=graph.peak_memory_bytes("fp32"),
        artefacts=tuple(artefacts),
        omitted=tuple(omitted),
        versions={package: version(package) for package in packages},
        provenance={**provenance, "sample": dict(distilled.trial.sample.values)},
    )


def finalist_of(task: Task, distilled: Distilled, bundle: Bundle, run_folder: Path) -> report.Finalist:
    """What the report says of a bundle; paths are relative to the run folder."""
    card = bundle.card
    where = bundle.folder.relative_to(run_folder).as_posix()
    return report.Finalist(
        name=card.name,
        trial=distilled.trial.number,
        sample=dict(distilled.trial.sample.values),
        architecture=task.architecture(distilled.trial.sample),
        validation_top1=distilled.validation_top1,
        test_top1=card.test_top1,
        latencies=card.latencies,
        macs=card.macs,
        parameters=card.parameters,
        peak_memory_bytes=card.peak_memory_bytes,
        artefacts=tuple(_artefact(artefact, card, where) for artefact in card.artefacts),
        omitted=tuple(report.Omission(omission.format, omission.reason) for omission in card.omitted),
    )


def _artefact(artefact: cards.Artefact, card: cards.Card, where: str) -> report.Artefact:
    record = card.files[artefact.file]
    return report.Artefact(
        format=artefact.format,
        path=f"{where}/{artefact.file}",
        size_bytes=record.size_bytes,
        sha256=record.sha256,
        test_top1=artefact.test_top1,
        agreements=tuple(
            report.Agreement(
                check.where, check.agreement.pictures, check.agreement.relative_difference, check.agreement.same_top1
            )
            for check in artefact.checks
        ),
        note=artefact.note,
    )


def _first(pictures: Pictures, count: int) -> Pictures:
    return Pictures(pictures.images[:count], pictures.labels[:count])


def _pixels(pictures: Pictures, count: int) -> np.ndarray:
    """The first pictures as artefacts take them: float32 (N, C, H, W), raw pixel values."""
    return np.ascontiguousarray(pictures.images[:count].transpose(0, 3, 1, 2), dtype=np.float32)


def _top1_of(model: Path, pictures: Pictures) -> float:
    return host.top1_of(model, _pixels(pictures, len(pictures)), pictures.labels)
