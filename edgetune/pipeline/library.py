"""Finished studies, kept as small JSON files, from which later searches start."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import Field, FiniteFloat, TypeAdapter, ValidationError

from edgetune.errors import StudyError, in_one_line
from edgetune.files import atomic_write
from edgetune.pipeline.meta_features import distance
from edgetune.pipeline.run_folder import RunFolder, settings_of
from edgetune.reporter import Say
from edgetune.search.memory import Past, is_related
from edgetune.search.problem import Problem
from edgetune.search.problem_note import noted_objectives
from edgetune.search.study import Study

FOLDER = "EDGETUNE_LIBRARY"
"""The environment variable that moves the library."""
LONGEST_NAME = 150  # bytes of a run's name in a file's name, which may have 255
LISTENED_TO = 3  # earlier studies, the most alike first
DATA, TRAINING, BEGUN = "data set", "supernet training", "supernet begun with"
"""The study's notes with its data set's meta-features, with what decided its supernet's weights, and with the content
hashes of other pictures that those it began with were learnt from."""


def library_folder(named: str | None = None) -> Path:
    """Where finished studies are kept: as named, by `EDGETUNE_LIBRARY`, or in the user's data folder."""
    from platformdirs import user_data_path

    chosen = named or os.environ.get(FOLDER)
    return Path(chosen) if chosen else user_data_path("edgetune") / "studies"


Plain: TypeAlias = bool | Annotated[int, Field(gt=-(2**63), lt=2**63)] | FiniteFloat | str
"""A value of a sample that any parameter can compare with its own."""


@dataclass(frozen=True)
class Entry:
    """One finished study. `data` are its data set's meta-features; `training` tells supernets' trainings apart.

    `run` is where it was kept; a later run may stand there, of another `created_at`. Older entries do not know it: 0.
    `content` is the content hash of its pictures, empty in older entries; `learnt_from` has those of all pictures that
    its supernet knows, its own or not, and is empty where that is not known.
    """

    source: str
    space: str
    device: str
    directions: Mapping[str, str]
    samples: list[dict[str, Plain]]
    figures: list[dict[str, FiniteFloat]]
    data: Mapping[str, FiniteFloat] = field(default_factory=dict)
    run: str = ""
    training: str = ""
    created_at: FiniteFloat = 0.0
    content: str = ""
    learnt_from: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if len(self.samples) != len(self.figures):
            raise ValueError(f"{len(self.samples)} samples, figures of {len(self.figures)}")

    @property
    def past(self) -> Past:
        return Past(self.source, tuple(self.samples), tuple(self.figures), self.directions)


def entry_of(run: Path) -> Entry:
    """What a run folder's study has to tell, finished or not.

    Raises
    ------
    StudyError
        There is no study, it is older than warm starts, or it is not of `edgetune search`.
    """
    with Study.open(RunFolder(run).study, read_only=True) as study:
        return _entry(run, study)


def _entry(run: Path, study: Study) -> Entry:
    objectives, settings = noted_objectives(study), settings_of(study)
    if not objectives:
        raise StudyError("its study does not say what it searched for", where=run, mend="name a newer run")
    begun = study.note(BEGUN)
    usable = [trial for trial in study.trials() if trial.values is not None]
    return Entry(
        source=run.resolve().name,
        space=settings["space"],
        device=settings["config"]["device"],
        directions={objective.name: objective.direction for objective in objectives},
        samples=[dict(trial.sample.values) for trial in usable],
        figures=[dict(trial.values or {}) for trial in usable],
        data=study.note(DATA, {}),
        run=str(run.resolve()),
        training=study.note(TRAINING, ""),
        created_at=study.created_at,
        content=settings["data"],
        learnt_from=[] if begun is None else sorted({settings["data"], *begun}),
    )


def remember(run: Path, library: Path) -> None:
    """Adds a finished run to the library; the same run again takes its old place."""
    entry = entry_of(run)
    name = os.fsencode(entry.source)[:LONGEST_NAME].decode(errors="ignore")
    with atomic_write(library / f"{name}-{entry.created_at:.3f}.json") as aside:
        aside.write_text(json.dumps(asdict(entry)), encoding="utf-8")


def entries_in(library: Path, say: Say) -> list[Entry]:
    """All that the library has, but for damaged ones, which are named."""
    return [entry for path in sorted(library.glob("*.json")) if (entry := _read(path, say)) is not None]


def related(problem: Problem, library: Path, data: Mapping[str, float], say: Say) -> list[Entry]:
    """The entries that know this problem's space and objectives, the most alike data set first; no damaged ones."""
    fitting = [entry for entry in entries_in(library, say) if is_related(entry.past, problem)]
    return sorted(fitting, key=lambda entry: distance(data, entry.data))[:LISTENED_TO]


def _read(path: Path, say: Say) -> Entry | None:
    """Whatever is in the file, which others may have written, it is no reason to fail."""
    try:
        return TypeAdapter(Entry).validate_json(path.read_bytes())
    except ValidationError as error:
        reason = in_one_line(error)
    except OSError as error:
        reason = error.strerror or type(error).__name__
    say(f"warning: {path}: not the record of a study, so not listened to: {reason}")
    return None
