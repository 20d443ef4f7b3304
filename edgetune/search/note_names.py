"""What a study's notes are called. Runs that are under way have theirs by these names: they do not change."""

from __future__ import annotations

SETTINGS, CREATED_AT = "settings", "created_at"
"""Of every study, from its beginning."""

OBJECTIVES, SPACE, CHANGES = "objectives", "space", "changes of the space"
"""What its trials mean, and how its space was narrowed."""

PROGRESS, IMPORTANCE, EVENTS = "progress", "importance", "events"
"""For whoever watches: how far the stage under way is, which choices matter, what was decided."""

PLAN, WORKERS, SECONDS, SPLITS = "plan", "workers", "seconds", "splits"
"""Of `edgetune search`: what holds for a resumed run too, the seconds of each stage, how the data were split."""

COSTS, FINALIST_EPOCHS, FINALIST_LONGER = "costs", "finalists' epochs", "times as many for the largest finalist"
"""Of a run with a budget: what was clocked at its beginning, and what was left for the finalists."""

PAST, BOARD_LOOKS = "past", "looks at the boards"
"""The earlier studies that it listens to, and what boards said of its trials."""

TEACHER_HASH, TEACHER_TEST_TOP1 = "teacher's hash", "teacher's test top-1"


def finalist(trial: int) -> str:
    """The note with a finalist, once it is exported."""
    return f"finalist {trial}"


def quantised(trial: int, rounding: str) -> str:
    """The note with the clockings that decided on a trial's INT8 artefacts, rounded in this way."""
    return f"quantised {trial}, {rounding}"
