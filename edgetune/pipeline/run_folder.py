"""Where a search keeps what it makes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from edgetune.errors import StudyError
from edgetune.export.int8 import ROUNDING
from edgetune.search.study import STUDY_FILE, Study


@dataclass(frozen=True)
class RunFolder:
    """One search's folder: the study, the supernet, a bundle a finalist, the front, the report."""

    path: Path

    @property
    def study(self) -> Path:
        return self.path / STUDY_FILE

    @property
    def supernet(self) -> Path:
        """The supernet's training state; finished when its last step is done."""
        return self.path / "supernet.pt"

    @property
    def supernet_start(self) -> Path:
        """The weights that its training began with, where they are those of an earlier study."""
        return self.path / "supernet-start.safetensors"

    @property
    def supernet_weights(self) -> Path:
        """For workers that judge trials elsewhere."""
        return self.path / "supernet.safetensors"

    @property
    def teacher_outputs(self) -> Path:
        """For workers that train trials elsewhere."""
        return self.path / "teacher_outputs.npy"

    @property
    def trials(self) -> Path:
        """The weights of trials that were trained apart."""
        return self.path / "trials"

    @property
    def front(self) -> Path:
        return self.path / "front.json"

    @property
    def summary(self) -> Path:
        return self.path / "summary.json"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    def training(self, trial: int) -> Path:
        """The training state of a finalist."""
        return self.path / "finalists" / f"{self.name_of(trial)}.pt"

    def weights(self, trial: int) -> Path:
        """A finalist's weights once it is trained, of which its bundle can be made again."""
        return self.path / "finalists" / f"{self.name_of(trial)}.safetensors"

    def int8_training(self, trial: int, epochs: float) -> Path:
        """The training state of a finalist that is fine-tuned with its rounding."""
        return self._int8(trial, epochs, "pt")

    def int8_weights(self, trial: int, epochs: float) -> Path:
        """The weights and ranges that it ended with."""
        return self._int8(trial, epochs, "safetensors")

    def _int8(self, trial: int, epochs: float, suffix: str) -> Path:
        return self.path / "finalists" / f"{self.name_of(trial)}.{ROUNDING}-{epochs:g}.{suffix}"

    def bundle(self, trial: int) -> Path:
        return self.path / "bundles" / self.name_of(trial)

    @staticmethod
    def name_of(trial: int) -> str:
        return f"trial-{trial:03d}"

    @classmethod
    def create(cls, path: Path) -> RunFolder:
        """A folder for a new search.

        Raises
        ------
        StudyError
            It exists and is not empty.
        """
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise StudyError("the run folder exists", where=path, mend="choose another --out, or go on with --resume")
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """The folder of a search that was started.

        Raises
        ------
        StudyError
            No study in it.
        """
        folder = cls(path)
        if not folder.study.is_file():
            raise StudyError("no study.db in it, so this is not a run folder", where=path, mend="name a run's folder")
        return folder

    @classmethod
    def fresh(cls, name: str, parent: Path = Path("runs")) -> RunFolder:
        """The first of runs/NAME-1, runs/NAME-2, … that is not there."""
        return next(cls(path) for number in count(1) if not (path := parent / f"{name}-{number}").exists())


def settings_of(study: Study) -> dict[str, Any]:
    """What `edgetune search` wrote into the study when it began: `config`, `data` (its hash), `space`, `command`.

    Raises
    ------
    StudyError
        Something else made the study.
    """
    settings = study.settings
    config = settings.get("config")
    if (
        not settings.keys() >= {"data", "space"}
        or not isinstance(config, dict)
        or not config.keys() >= {"data", "device"}
    ):
        raise StudyError("not a study of `edgetune search`", where=study.path, mend="name the folder of a run")
    return settings
