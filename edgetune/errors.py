"""Everything edgetune raises on purpose.

    EdgetuneError
    ├── ConfigError        a flag, a TOML key, a unit
    ├── DataError          the labelled image set
    ├── TeacherError       the teacher or its checkpoint
    ├── SpaceError         a search space or a sample that does not belong to it
    ├── DeviceError        a board, its profile, its runtime
    ├── ModelFileError     an ONNX file from outside
    ├── InfeasibleError    limits that no network of the space can hold
    ├── StudyError         a study or a run folder
    ├── EngineError        workers that do not start, a cluster that is not there
    ├── ExportError        an artefact that could not be made or did not agree with its model
    ├── MeasurementError   a model that could not be clocked: crashed, out of time, out of memory
    ├── AgentError         an agent that cannot be reached, refuses, or is not who it was
    ├── WebhookError       a receiver of results that refuses or cannot be reached
    ├── StorageError       no room, no permission
    └── MissingDependencyError   an extra that is not installed

Each says what was wrong, where, and the mend; the command line prints just that and exits with code 2.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


class EdgetuneError(Exception):
    """Base of all errors that a user can mend.

    Parameters
    ----------
    what
        What was wrong, one sentence.
    where
        The file, flag or key it was found in.
    mend
        What to do about it, one sentence.
    """

    def __init__(self, what: str, *, where: str | Path | None = None, mend: str | None = None) -> None:
        self.what = what
        self.where = None if where is None else str(where)
        self.mend = mend
        super().__init__(str(self))

    def __str__(self) -> str:
        text = self.what if self.where is None else f"{self.where}: {self.what}"
        return text if self.mend is None else f"{text} ({self.mend})"


class ConfigError(EdgetuneError):
    """A flag, a configuration key or a unit."""


class DataError(EdgetuneError):
    """The labelled image set."""


class TeacherError(EdgetuneError):
    """The teacher or its checkpoint."""


class SpaceError(EdgetuneError):
    """A search space, or a sample that does not belong to it."""


class DeviceError(EdgetuneError):
    """A board, its profile or its runtime."""


class ModelFileError(EdgetuneError):
    """A model file from outside."""


class InfeasibleError(EdgetuneError):
    """Limits that no network of the space can hold."""


class StudyError(EdgetuneError):
    """A study or a run folder."""


class EngineError(EdgetuneError):
    """Workers that do not start, a cluster that is not there."""


class ExportError(EdgetuneError):
    """An artefact that could not be made, or that disagrees with its model."""


class MeasurementError(EdgetuneError):
    """A model that could not be clocked; `code` is `model_refused`, `out_of_memory`, `out_of_time`, `crashed` …"""

    def __init__(self, what: str, *, code: str, where: str | Path | None = None, mend: str | None = None) -> None:
        self.code = code
        super().__init__(what, where=where, mend=mend)


class AgentError(EdgetuneError):
    """An agent that cannot be reached, refuses, or is not who it was."""


class WebhookError(EdgetuneError):
    """A receiver of results that refuses or cannot be reached."""


class StorageError(EdgetuneError):
    """No room or no permission to write."""


class MissingDependencyError(EdgetuneError):
    """An optional part of edgetune that is not installed."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The mend for an unknown name: the closest known one, or all of them.

    >>> nearest("rpi44", ["rpi4", "pixel3"])
    'did you mean rpi4?'
    >>> nearest("zzz", ["rpi4", "pixel3"])
    'known: pixel3, rpi4'
    """
    options = sorted(known)
    close = get_close_matches(name, options, n=1)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(options)}"


def last_line(said: str) -> str:
    """What a program that failed said at the end: of a traceback, the error itself."""
    return next((line for line in reversed(said.splitlines()) if line.strip()), "it said nothing")


def in_one_line(error: Exception) -> str:
    """What a library's error says; of pydantic's the first problem, and where it is."""
    if not hasattr(error, "errors"):
        return " ".join(str(error).split())
    first = error.errors()[0]
    return ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"])))
