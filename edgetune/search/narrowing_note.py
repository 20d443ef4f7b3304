"""The changes of an adapting space, written into the study: whoever reads it can say what was left of the space."""

from __future__ import annotations

from dataclasses import asdict

from pydantic import TypeAdapter

from edgetune.search.narrowing import Change
from edgetune.search.note_names import CHANGES
from edgetune.search.study import Study


def note_change(study: Study, change: Change) -> None:
    """Adds a change, unless it stands there already: a resumed search makes it again."""
    changes = noted_changes(study)
    if change not in changes:
        study.set_note(CHANGES, [asdict(known) for known in (*changes, change)])


def noted_changes(study: Study) -> tuple[Change, ...]:
    """In their order, for :func:`edgetune.search.narrowing.replay`; none where the space was left as it is."""
    return TypeAdapter(tuple[Change, ...]).validate_python(study.note(CHANGES, []))
