"""From a distilled network to a checked bundle, and to what the report says of it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from edgetune.errors import ExportError
from edgetune.export import card as cards
from edgetune.export.agreement import torch_logits_of
from edgetune.export.arena import onnxruntime_arena_bytes
from edgetune.export.bundle import Bundle, write_bundle
from edgetune.export.formats import KINDS, ONNXRUNTIME
from edgetune.export.int8 import Quantised
from edgetune.export.onnx_file import PLAIN, OnnxForm
from edgetune.files import scratch_folder
from edgetune.pipeline.artefacts import Distilled, Expected, Workshop, make_artefacts
from edgetune.pipeline.int8_tuning import Int8Tuning
from edgetune.pipeline.task import Task, pixels_of
from edgetune.report import summary as report
from edgetune.reporter import Reporter

CHECKED_ON = 256
"""Validation pictures on which an artefact's logits are compared with the network's."""
ROOM = 100_000_000
"""Bytes that the artefacts and what compiles them take in the temporary folder, with some to spare."""
REFERENCES = 8
"""Validation pictures that travel in the bundle with their logits, for `edgetune verify`."""


def bundle_network(
    task: Task,
    distilled: Distilled,
    teacher: cards.Teacher,
    folder: Path,
    provenance: Mapping[str, object],
    *,
    formats: tuple[str, ...],
    form: OnnxForm = PLAIN,
    quantised: dict[str, Quantised],
    int8_tuning: Int8Tuning | None = None,
    reporter: Reporter,
) -> Bundle:
    """Exports, quantises, compiles and checks; writes `folder`, whole or not at all.

    Parameters
    ----------
    quantised
        What was measured of the INT8 artefacts when they were first made; filled with what is measured now.
    int8_tuning
        What an INT8 artefact that loses too much is fine-tuned with.

    Raises
    ------
    ExportError
        An artefact computes something else than the network, or all that were asked for are left out.
    StorageError
        No room in the temporary folder.
    """
    with scratch_folder(room=ROOM) as work:
        pixels = pixels_of(task.dataset.validation, CHECKED_ON)
        expected = Expected(pixels, torch_logits_of(distilled.network, pixels))
        shop = Workshop(task, distilled, expected, work, reporter, form, quantised, int8_tuning)
        made = make_artefacts(shop, formats)
        artefacts = [result for result in made if isinstance(result, cards.Artefact)]
        omitted = [result for result in made if isinstance(result, cards.Omission)]
        if not artefacts:
            reasons = "; ".join(f"{omission.format}: {omission.reason}" for omission in omitted)
            raise ExportError(
                f"nothing is left for a bundle: {reasons}", where=distilled.name, mend="add onnx to --formats"
            )
        card = _card(task, distilled, teacher, artefacts, omitted, provenance, form)
        files = {artefact.file: work / artefact.file for artefact in artefacts}
        return write_bundle(folder, card, files, reference=(pixels[:REFERENCES], expected.logits[:REFERENCES]))


def _card(
    task: Task,
    distilled: Distilled,
    teacher: cards.Teacher,
    artefacts: list[cards.Artefact],
    omitted: list[cards.Omission],
    provenance: Mapping[str, object],
    form: OnnxForm,
) -> cards.Card:
    data, graph = task.dataset, task.graph(distilled.trial.sample)
    made = [package for artefact in artefacts for package in KINDS[artefact.format].runtime.packages]
    packages = dict.fromkeys(["torch", "onnx", *ONNXRUNTIME.packages, *made])
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
        arena_bytes=onnxruntime_arena_bytes(graph),
        artefacts=tuple(artefacts),
        omitted=tuple(omitted),
        versions={package: version(package) for package in packages},
        board_versions={"onnxruntime": form.onnxruntime} if form.onnxruntime else {},
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
