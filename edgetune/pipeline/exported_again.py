"""What a bundle that is made again takes the place of, what it keeps of it, and what else speaks of it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter

from edgetune.errors import ExportError
from edgetune.export.bundle import CARD, Bundle, sign_off
from edgetune.export.card import Card
from edgetune.pipeline.run_folder import RunFolder
from edgetune.pipeline.summarise import write_summary
from edgetune.report.summary import Finalist, RunSummary
from edgetune.search import note_names
from edgetune.search.study import Study


def signed_off_as(before: Path, made: Bundle) -> Bundle:
    """`made` with the records and checks of `edgetune verify` that the bundle in the folder `before` has.

    They speak of hashes, so they hold of every bundle of the same ones: if anything differs, none is taken over.
    """
    card = _card_in(before)
    if card is None or card.digest != made.card.digest:
        return made
    for record in card.signed_off:
        if record.card == card.digest and all(_holds(made, name, sha256) for name, sha256 in record.files.items()):
            checks = {a.file: check for a in card.artefacts for check in a.checks if check.where == record.where}
            made = sign_off(made, checks, record)
    return made


def what_is_lost(before: Path, after: Card) -> list[str]:
    """Sentences on what the bundle in the folder `before` has and the new one has not."""
    card = _card_in(before)
    if card is None:
        return []
    kept = {artefact.file for artefact in after.artefacts}
    gone = [artefact.file for artefact in card.artefacts if artefact.file not in kept]
    signed = {record.where for record in after.signed_off}
    places = [record.where for record in card.signed_off if record.where not in signed]
    return [
        *([f"{after.name}: no longer in the bundle: {', '.join(gone)}"] if gone else []),
        *([f"{after.name}: was signed off on {', '.join(places)}; verify it again"] if places else []),
    ]


def _card_in(folder: Path) -> Card | None:
    """None where there is none, or nothing of it can be relied on."""
    with suppress(OSError, UnicodeDecodeError, ExportError):
        return Card.from_json((folder / CARD).read_text(encoding="utf-8"), where=folder / CARD)
    return None


def _holds(bundle: Bundle, name: str, sha256: str) -> bool:
    return name in bundle.card.files and bundle.card.files[name].sha256 == sha256


def tell_the_front(study: Study, folder: RunFolder, again: Finalist) -> None:
    """Has the study, `summary.json`, `front.json` and the report name the artefacts that a finalist has now."""
    note, adapter = note_names.finalist(again.trial), TypeAdapter(Finalist)
    stored = study.note(note)
    if stored is None:
        return
    study.set_note(note, adapter.dump_python(_with_artefacts(adapter.validate_python(stored), again), mode="json"))
    if not folder.summary.is_file():
        return
    summary = RunSummary.from_json(folder.summary.read_text(encoding="utf-8"), where=str(folder.summary))
    finalists = tuple(
        _with_artefacts(finalist, again) if finalist.trial == again.trial else finalist
        for finalist in summary.finalists
    )
    if finalists != summary.finalists:
        write_summary(replace(summary, finalists=finalists), folder)


def _with_artefacts(finalist: Finalist, again: Finalist) -> Finalist:
    return replace(finalist, artefacts=again.artefacts, omitted=again.omitted)
