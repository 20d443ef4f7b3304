"""What a study's trials mean, written into the study: whoever reads it needs nothing else."""

from __future__ import annotations

from dataclasses import asdict, replace

from pydantic import TypeAdapter

from edgetune.errors import StudyError
from edgetune.search.note_names import OBJECTIVES, SPACE
from edgetune.search.objective import Objective
from edgetune.search.problem import Problem
from edgetune.search.study import Study
from edgetune.space.parameters import Space


def note_problem(study: Study, problem: Problem) -> None:
    """Writes down objectives and space, once."""
    if study.note(SPACE) is None:
        note_objectives(study, problem)
        study.set_note(SPACE, TypeAdapter(Space).dump_python(problem.space, mode="json"))


def note_objectives(study: Study, problem: Problem) -> None:
    """Writes down what the trials' figures mean; before the first trial, all that can be said."""
    study.set_note(OBJECTIVES, [asdict(objective) for objective in problem.objectives])


def noted_objectives(study: Study) -> tuple[Objective, ...]:
    """The objectives of a study; none where nobody wrote them down."""
    return tuple(Objective(**given) for given in study.note(OBJECTIVES, []))


def noted_problem(study: Study) -> Problem:
    """The problem of a study. What was cheap is known of its trials only: nothing can be computed any more.

    Raises
    ------
    StudyError
        No search has begun in it yet.
    """
    objectives, space = noted_objectives(study), study.note(SPACE)
    if not objectives or space is None:
        raise StudyError("no trial was ever begun in this study", where=study.path, mend="start its search first")
    known = tuple(replace(objective, cheap=False) for objective in objectives)
    return Problem(TypeAdapter(Space).validate_python(space), known)
