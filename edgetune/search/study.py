"""The study: one SQLite file, one transaction a trial. What a search knows, and all it needs to go on."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from edgetune.errors import StorageError, StudyError
from edgetune.files import atomic_write
from edgetune.search.note_names import CREATED_AT, SETTINGS
from edgetune.search.trial import Trial
from edgetune.space.parameters import Sample

STUDY_FILE = "study.db"
"""Its name in a run folder."""
APPLICATION_ID = 0x45445455  # "EDTU", which `file study.db` and every reader can see
SCHEMA_VERSION = 2  # 2: learning curves, and trials that were stopped for them
DURABLE_EVERY = 1.0  # seconds: a power cut loses no more than this; a killed process loses nothing

TRIALS = """
CREATE TABLE trials (
    number INTEGER PRIMARY KEY,
    sample TEXT NOT NULL,
    sample_hash TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('done', 'failed', 'infeasible', 'stopped')),
    "values" TEXT,
    seed INTEGER NOT NULL,
    seconds REAL NOT NULL,
    error TEXT,
    finished_at REAL NOT NULL,
    curve TEXT
);
"""
SCHEMA = f"""
CREATE TABLE notes (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
{TRIALS}
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""
FROM_1 = f"""
BEGIN IMMEDIATE;
ALTER TABLE trials RENAME TO trials_1;
{TRIALS}
INSERT INTO trials SELECT *, NULL FROM trials_1;
DROP TABLE trials_1;
PRAGMA user_version = 2;
COMMIT;
"""


class Study:
    """A search's record. Readers may look while a run writes; `kill -9` loses only the trial in flight.

    Make one with :meth:`create` or :meth:`open`; use it as a context manager.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._durable_at = 0.0

    @classmethod
    def create(cls, path: Path, settings: Mapping[str, Any]) -> Study:
        """A new study; `settings` is whatever JSON the search needs to go on later.

        Raises
        ------
        StudyError
            `path` exists.
        StorageError
            No room, no permission.
        """
        if path.exists():
            raise StudyError("the study exists already", where=path, mend="resume it, or choose another path")
        with atomic_write(path) as aside, _storage_errors(path):
            connection = sqlite3.connect(aside, isolation_level=None)
            connection.executescript(SCHEMA)
            notes = [(SETTINGS, json.dumps(dict(settings))), (CREATED_AT, json.dumps(time.time()))]
            connection.executemany("INSERT INTO notes VALUES (?, ?)", notes)
            connection.close()
        return cls.open(path)

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> Study:
        """The study at `path`.

        Raises
        ------
        StudyError
            No such file, not a study, damaged, or made by a newer edgetune.
        """
        if not path.is_file():
            raise StudyError("there is no study here", where=path, mend="give the study.db of a run")
        with _storage_errors(path):
            mode = "rw" if not read_only else "ro&immutable=1" if _at_rest(path) else "ro"
            connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=30
            )
            try:
                version = _schema_version(path, connection)
                if not read_only:
                    connection.execute("PRAGMA journal_mode = WAL")
                    if version < SCHEMA_VERSION:
                        connection.executescript(FROM_1)
            except BaseException:
                connection.close()
                raise
        return cls(path, connection)

    def add(self, trial: Trial) -> None:
        """Writes one trial; when this returns it is safe.

        Raises
        ------
        StudyError
            A trial of this number is there already: another process writes to this study.
        StorageError
            No room, no permission.
        """
        now = time.monotonic()
        durable = now - self._durable_at >= DURABLE_EVERY
        row = (
            trial.number,
            json.dumps(dict(trial.sample.values)),  # in the space's order, which evolution walks along
            trial.sample.hash,
            trial.state,
            None if trial.values is None else json.dumps(dict(trial.values)),
            trial.seed,
            trial.seconds,
            trial.error,
            trial.finished_at,
            json.dumps(trial.curve) if trial.curve else None,
        )
        with _storage_errors(self.path):
            # In WAL mode NORMAL leaves the flush to a later checkpoint, FULL flushes at this commit.
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._connection.execute("INSERT INTO trials VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        self._durable_at = now if durable else self._durable_at

    def revise(self, trial: Trial) -> None:
        """Writes what is now known of a trial that is there: its values and its state.

        Raises
        ------
        StorageError
            No room, no permission.
        """
        row = (trial.state, None if trial.values is None else json.dumps(dict(trial.values)), trial.number)
        with _storage_errors(self.path):
            self._connection.execute('UPDATE trials SET state = ?, "values" = ? WHERE number = ?', row)

    def trials(self) -> list[Trial]:
        """All trials, by number."""
        with _storage_errors(self.path):
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            curve = "NULL" if version < 2 else "curve"  # a reader leaves an older study as it is
            columns = f'number, sample, "values", state, seed, seconds, error, finished_at, {curve}'
            rows = self._connection.execute(f"SELECT {columns} FROM trials ORDER BY number").fetchall()
        return [
            Trial(
                number=number,
                sample=Sample(json.loads(sample)),
                values=None if values is None else json.loads(values),
                state=state,
                seed=seed,
                seconds=seconds,
                error=error,
                finished_at=finished_at,
                curve=() if curve is None else tuple(json.loads(curve)),
            )
            for number, sample, values, state, seed, seconds, error, finished_at, curve in rows
        ]

    def __len__(self) -> int:
        """The number of trials."""
        with _storage_errors(self.path):
            return int(self._connection.execute("SELECT count(*) FROM trials").fetchone()[0])

    @property
    def settings(self) -> dict[str, Any]:
        """What :meth:`create` was given."""
        return dict(self.note(SETTINGS))

    @property
    def created_at(self) -> float:
        """Unix time, seconds."""
        return float(self.note(CREATED_AT))

    def note(self, key: str, default: Any = None) -> Any:
        """The JSON value kept under `key`."""
        with _storage_errors(self.path):
            row = self._connection.execute("SELECT value FROM notes WHERE key = ?", (key,)).fetchone()
        return default if row is None else json.loads(row[0])

    def set_note(self, key: str, value: Any) -> None:
        """Keeps a JSON value, such as how far a run has come."""
        with _storage_errors(self.path):
            self._connection.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (key, json.dumps(value)))

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def is_database(path: Path) -> bool:
    """Whether the file is one of SQLite's, or has the name of one that it keeps beside it while it writes."""
    database = path.with_name(path.name.removesuffix("-wal").removesuffix("-shm") or path.name)
    try:
        with database.open("rb") as file:
            return file.read(16) == b"SQLite format 3\0"
    except OSError:
        return False


def _at_rest(path: Path) -> bool:
    """A finished study in a folder where SQLite can make none of the files that readers of a WAL share."""
    own = os.access in os.supports_effective_ids
    return not os.access(path.parent, os.W_OK, effective_ids=own) and not path.with_name(f"{path.name}-wal").exists()


def _schema_version(path: Path, connection: sqlite3.Connection) -> int:
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise StudyError("this database is not an edgetune study", where=path, mend="give the study.db of a run")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise StudyError(
            f"the study has schema {version}, this edgetune knows {SCHEMA_VERSION}", where=path, mend="update edgetune"
        )
    return int(version)


@contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    """Turns SQLite's errors into those of edgetune."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise StudyError(
            "the trial is stored already", where=path, mend="is another run writing to this study?"
        ) from error
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # extended codes keep the primary one in the low byte
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            raise StorageError("no room left on the disk", where=path, mend="free some, then resume") from error
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
            raise StorageError("may not write here", where=path, mend="choose a folder of your own") from error
        if code == sqlite3.SQLITE_BUSY:
            raise StudyError("another process keeps the study locked", where=path, mend="wait until it ends") from error
        if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR):
            raise StudyError(
                "this file is not an edgetune study, or damaged", where=path, mend="give the study.db of a run"
            ) from error
        raise
