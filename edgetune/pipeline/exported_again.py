"""What a bundle that is made again takes the place of, and what else speaks of it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter

from edgetune.errors import ExportError
from edgetune.export.bundle import CARD
from edgetune.export.card import Card
from edgetune.pipeline.run_folder import RunFolder
from edgetune.pipeline.summarise import write_summary
from edgetune.report.summary import Finalist, RunSummary
from edgetune.search import note_names
from edgetune.search.study import Study


def what_is_lost(before: Path, after: Card) -> list[str]:
    """Sentences on what the bundle in the folder `before` has and the new one has not.

    Records of `edgetune verify` are not carried over, so that the same options make the same bytes.
    """
    with suppress(OSError, UnicodeDecodeError, ExportError):  # then nothing of it can be relied on
        card = Card.from_json((before / CARD).read_text(encoding="utf-8"), where=before / CARD)
        kept = {artefact.file for artefact in after.artefacts}
        gone = [artefact.file for artefact in card.artefacts if artefact.file not in kept]
        places = [record.where for record in card.signed_off]
        return [
            *([f"{after.name}: no longer in the bundle: {', '.join(gone)}"] if gone else []),
            *([f"{after.name}: was signed off on {', '.join(places)}; verify it again"] if places else []),
        ]
    return []


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
