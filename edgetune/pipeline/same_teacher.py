"""The teacher that a user names, which stays the same from a run's beginning to its end."""

from __future__ import annotations

from pathlib import Path

from edgetune.distill.teacher import Teacher
from edgetune.distill.teacher_checkpoint import load_checkpoint, load_teacher
from edgetune.errors import StudyError
from edgetune.pipeline.task import Task
from edgetune.search.note_names import TEACHER_HASH
from edgetune.search.study import Study


def given_teacher(study: Study, task: Task) -> Teacher | None:
    """What `teacher` names in the configuration, if anything.

    Raises
    ------
    TeacherError
        It cannot be had, or has other classes than the data set.
    StudyError
        It is another than when the run began.
    """
    if not task.config.teacher:
        return None
    teacher = load_teacher(Path(task.config.teacher))
    _check_unchanged(study, task.config.teacher, teacher)
    teacher.check_classes(task.dataset.classes)
    return teacher


def initial_teacher(study: Study, task: Task) -> Path | None:
    """The checkpoint that `init_teacher` names, if any, from which a teacher's training starts.

    Raises
    ------
    TeacherError
        It cannot be read.
    StudyError
        It is another than when the run began.
    """
    if not task.config.init_teacher:
        return None
    path = Path(task.config.init_teacher)
    _check_unchanged(study, path, load_checkpoint(path))
    return path


def _check_unchanged(study: Study, named: str | Path, teacher: Teacher) -> None:
    """Networks of one search do not learn from two teachers: what is first seen at a path must stay there."""
    known = study.note(TEACHER_HASH)
    if known is None:
        study.set_note(TEACHER_HASH, teacher.content_hash)
    elif known != teacher.content_hash:
        mend = "put the earlier one back, or start a new run"
        raise StudyError("the teacher has changed since the run began", where=named, mend=mend)
