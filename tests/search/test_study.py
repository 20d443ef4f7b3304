import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgetune.errors import StorageError, StudyError
from edgetune.search.study import SCHEMA_VERSION, Study, is_database
from edgetune.search.trial import Trial
from edgetune.space.parameters import Sample

TRIALS = [
    Trial(
        0,
        Sample({"depth": 2, "kind": "mbconv", "se": True, "lr": 0.1 + 0.2}),
        {"error": 1 / 3},
        "done",
        7,
        0.5,
        None,
        1e9,
    ),
    Trial(1, Sample({"depth": 1}), None, "failed", 2**32 - 1, 0.5, "ValueError: no", 1e9),
    Trial(2, Sample({"depth": 3}), {"error": 0.1, "size": 3.0}, "infeasible", 9, 0.5, None, 1e9),
]


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    with Study.create(tmp_path / "study.db", {"seed": 3, "limits": {"latency": 5.0}}) as study:
        yield study


def test_everything_comes_back_as_it_went_in(study: Study) -> None:
    for trial in TRIALS:
        study.add(trial)
    study.set_note("stage", {"name": "search", "done": 3})
    with Study.open(study.path) as again:
        assert again.trials() == TRIALS and len(again) == 3
        assert [list(t.sample.values) for t in again.trials()] == [list(t.sample.values) for t in TRIALS]
        assert [t.finished_at for t in again.trials()] == [1e9] * 3
        assert again.settings == {"seed": 3, "limits": {"latency": 5.0}}
        assert again.note("stage") == {"name": "search", "done": 3}
        assert again.note("absent", 4) == 4


def test_a_reader_sees_trials_while_the_run_writes(study: Study) -> None:
    with Study.open(study.path, read_only=True) as reader:
        study.add(TRIALS[0])
        assert reader.trials() == TRIALS[:1]
        study.add(TRIALS[1])
        assert reader.trials() == TRIALS[:2]
        with pytest.raises(StorageError, match="may not write"):
            reader.add(TRIALS[2])


@pytest.fixture
def foreign_folder() -> Iterator[Path]:
    """Whoever runs the tests may not write to it; root gives up being root for as long."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
        if os.getuid() == 0:
            os.seteuid(0)
        os.chmod(folder, 0o755)


def test_a_finished_study_is_read_where_nothing_can_be_written(foreign_folder: Path) -> None:
    with Study.create(foreign_folder / "study.db", {"seed": 3}) as study:
        study.add(TRIALS[0])
    study.path.chmod(0o444)
    foreign_folder.chmod(0o555)
    if os.getuid() == 0:
        os.seteuid(65534)
    with Study.open(study.path, read_only=True) as reader:
        assert reader.trials() == TRIALS[:1] and reader.settings == {"seed": 3}


def test_databases_are_told_from_other_files(study: Study, tmp_path: Path) -> None:
    assert all(is_database(study.path.with_name(f"study.db{end}")) for end in ("", "-wal", "-shm"))
    (tmp_path / "table.csv").write_text("number")
    assert not any(map(is_database, (tmp_path / "table.csv", tmp_path / "none.db", tmp_path, tmp_path / "-wal")))


def test_an_existing_study_is_not_overwritten(study: Study) -> None:
    study.add(TRIALS[0])
    with pytest.raises(StudyError, match="exists already"):
        Study.create(study.path, {})
    assert study.trials() == TRIALS[:1]


def test_a_trial_is_stored_once(study: Study) -> None:
    study.add(TRIALS[0])
    with pytest.raises(StudyError, match="stored already"):
        study.add(TRIALS[0])


def test_a_newer_schema_is_refused(study: Study) -> None:
    connection = sqlite3.connect(study.path)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(StudyError, match=f"schema {SCHEMA_VERSION + 1}"):
        Study.open(study.path)


@pytest.fixture
def first_schema(tmp_path: Path) -> Path:
    """A study as edgetune wrote it before there were learning curves."""
    path = tmp_path / "old.db"
    connection = sqlite3.connect(path)
    connection.executescript(
        """
        CREATE TABLE notes (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
        CREATE TABLE trials (
            number INTEGER PRIMARY KEY,
            sample TEXT NOT NULL,
            sample_hash TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('done', 'failed', 'infeasible')),
            "values" TEXT,
            seed INTEGER NOT NULL,
            seconds REAL NOT NULL,
            error TEXT,
            finished_at REAL NOT NULL
        );
        INSERT INTO notes VALUES ('settings', '{"seed": 3}'), ('created_at', '1.5');
        INSERT INTO trials VALUES (0, '{"depth": 2}', 'x', 'done', '{"error": 0.25}', 7, 0.5, NULL, 2.5);
        PRAGMA application_id = 0x45445455;
        PRAGMA user_version = 1;
        """
    )
    connection.close()
    return path


def test_an_older_study_is_read_as_it_is_and_goes_on_as_a_new_one(first_schema: Path) -> None:
    old = Trial(0, Sample({"depth": 2}), {"error": 0.25}, "done", 7, 0.5, None, 2.5)
    before = first_schema.read_bytes()
    with Study.open(first_schema, read_only=True) as reader:
        assert reader.trials() == [old]
    assert first_schema.read_bytes() == before
    stopped = Trial(1, Sample({"depth": 1}), None, "stopped", 8, 0.5, "stopped after step 2", 1e9, (0.1, 0.2))
    with Study.open(first_schema) as study:
        study.add(stopped)
    with Study.open(first_schema) as study:
        assert study.trials() == [old, stopped] and study.settings == {"seed": 3}


@pytest.mark.parametrize("content", [b"", b"not a database" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "study.db"
    path.write_bytes(content)
    with pytest.raises(StudyError):
        Study.open(path)
    assert path.read_bytes() == content


def test_another_database_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "other.db")
    connection.execute("CREATE TABLE trials (a)")
    connection.close()
    with pytest.raises(StudyError, match="not an edgetune study"):
        Study.open(tmp_path / "other.db")


def test_a_missing_file_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no study"):
        Study.open(tmp_path / "study.db")
    assert not list(tmp_path.iterdir())


def add_many(study: Study, count: int) -> None:
    for number in range(1, count):
        study.add(Trial(number, Sample({"depth": 1}), {"error": 0.5}, "done", 0))


def test_a_full_disk_is_said_and_keeps_what_was_written(study: Study) -> None:
    study.add(TRIALS[0])
    pages = study._connection.execute("PRAGMA page_count").fetchone()[0]
    study._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageError, match="no room"):
        add_many(study, 1000)
    assert study.trials()[0] == TRIALS[0]
