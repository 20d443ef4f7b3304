"""Bad input: one clear error on standard error, exit code 2, nothing written."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgetune.distill.teacher_checkpoint import Header, build, save_checkpoint
from edgetune.errors import StudyError
from edgetune.search.study import Study

from .conftest import Refuses


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two classes of twelve small pictures."""
    rng = np.random.default_rng(0)
    for name in ("cats", "dogs"):
        folder = tmp_path / "pictures" / name
        folder.mkdir(parents=True)
        for number in range(12):
            Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    return tmp_path / "pictures"


def teacher_of(folder: Path, classes: tuple[str, ...]) -> Path:
    header = Header(
        architecture="residual",
        width=4,
        resolution=16,
        classes=classes,
        mean=(0.5, 0.5, 0.5),
        std=(0.2, 0.2, 0.2),
        licence="none",
    )
    save_checkpoint(folder, build(header), header)
    return folder


def test_unknown_device(refuses: Refuses) -> None:
    assert "did you mean rpi4?" in refuses("search", "--device", "rpi44", "--data", "digits")
    assert "did you mean rpi4?" in refuses("predict", "mobilenet-v2-1.0-224", "--device", "rpi44")
    assert "did you mean rpi4?" in refuses("devices", "show", "rpi44")


def test_unknown_data(refuses: Refuses) -> None:
    assert "fashion-mnist" in refuses("search", "--data", "fashion-mnits")


def test_empty_folder(refuses: Refuses, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    assert "nothing" in refuses("search", "--data", tmp_path / "nothing")


def test_one_class_only(refuses: Refuses, pictures: Path) -> None:
    (pictures / "dogs").rename(pictures.parent / "dogs")
    assert "class" in refuses("search", "--data", pictures)


def test_only_broken_pictures(refuses: Refuses, pictures: Path) -> None:
    for file in (pictures / "dogs").iterdir():
        file.write_bytes(b"not a picture")
    assert "dogs" in refuses("search", "--data", pictures)


def test_teacher_of_other_classes(refuses: Refuses, pictures: Path, tmp_path: Path) -> None:
    three = teacher_of(tmp_path / "three", ("a", "b", "c"))
    error = refuses("search", "--data", pictures, "--teacher", three)
    assert "3 classes" in error
    assert "has 2" in error
    swapped = teacher_of(tmp_path / "swapped", ("dogs", "cats"))
    assert "class 0 is 'dogs' to the teacher" in refuses("search", "--data", pictures, "--teacher", swapped)


def test_corrupt_checkpoint(refuses: Refuses, pictures: Path, tmp_path: Path) -> None:
    teacher = teacher_of(tmp_path / "teacher", ("cats", "dogs"))
    weights = teacher / "teacher.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert str(weights) in refuses("search", "--data", pictures, "--teacher", teacher)


def test_no_teacher_there(refuses: Refuses, tmp_path: Path) -> None:
    assert "nowhere" in refuses("search", "--data", "digits", "--teacher", tmp_path / "nowhere")


def test_unknown_key(refuses: Refuses, tmp_path: Path) -> None:
    file = tmp_path / "search.toml"
    file.write_text("trails = 10\n")
    error = refuses("search", "--config", file)
    assert "trails" in error
    assert "did you mean trials?" in error
    file.write_text('[limits]\nlatncy = "5ms"\n')
    assert "did you mean latency?" in refuses("search", "--config", file)


def test_not_toml(refuses: Refuses, tmp_path: Path) -> None:
    file = tmp_path / "search.toml"
    file.write_text("trials 10\n")
    assert str(file) in refuses("search", "--config", file)
    assert "no such file" in refuses("search", "--config", tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("flag", "value", "mend"),
    [
        ("--max-latency", "5", "no unit"),
        ("--max-latency", "5 parsecs", "unknown unit"),
        ("--max-latency", "fast", "not a quantity"),
        ("--max-latency", "-5ms", "not a quantity"),
        ("--max-size", "500", "no unit"),
        ("--max-memory", "8 ms", "unknown unit"),
        ("--max-macs", "10", "no unit"),
        ("--max-macs", "10MB", "unknown unit"),
        ("--min-accuracy", "93", "not an accuracy"),
        ("--budget", "10", "no unit"),
    ],
)
def test_limits_need_units(refuses: Refuses, flag: str, value: str, mend: str) -> None:
    assert mend in refuses("search", "--data", "digits", flag, value)


def test_limit_that_nothing_holds(refuses: Refuses) -> None:
    error = refuses("search", "--data", "digits", "--max-latency", "1us")
    assert "latency_ms" in error
    assert "nearest" in error


def test_run_folder_that_exists(refuses: Refuses, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "precious.txt").write_text("mine")
    assert "exists" in refuses("search", "--data", "digits", "--out", run)
    assert (run / "precious.txt").read_text() == "mine"


def test_resume_on_something_else(refuses: Refuses, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    assert "not a run folder" in refuses("search", "--resume", folder)
    (folder / "study.db").write_text("something else")
    assert "study.db" in refuses("search", "--resume", folder)
    assert (folder / "study.db").read_text() == "something else"


def test_study_of_a_newer_version(refuses: Refuses, tmp_path: Path) -> None:

    Study.create(tmp_path / "study.db", {}).close()
    connection = sqlite3.connect(tmp_path / "study.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert "update edgetune" in refuses("search", "--resume", tmp_path)


def test_resume_takes_no_other_flags(refuses: Refuses, tmp_path: Path) -> None:
    assert "--resume" in refuses("search", "--resume", tmp_path, "--trials", "10")
    assert "not a run folder" in refuses("search", "--resume", tmp_path, "--address", "other:6379")


def test_a_webhook_without_an_address(refuses: Refuses, tmp_path: Path) -> None:
    """As of a variable that is not set."""
    assert "https://HOST/PATH" in refuses("search", "--data", "digits", "--webhook", "")
    assert "https://HOST/PATH" in refuses("report", tmp_path, "--webhook", "")


def test_the_command_is_kept_without_the_webhooks_secret(refuses: Refuses, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*arguments: object, command: str) -> None:
        raise StudyError(f"kept: {command}")

    monkeypatch.setattr("edgetune.pipeline.search.start", start)
    kept = refuses("search", "--data", "digits", "--webhook", "https://example.org/services/T0?token=x")
    assert "--webhook https://example.org/" in kept.replace("'", "") and "T0" not in kept and "token" not in kept


def test_a_study_that_no_search_made(refuses: Refuses, tmp_path: Path) -> None:
    Study.create(tmp_path / "study.db", {}).close()
    assert "not a study of `edgetune search`" in refuses("search", "--resume", tmp_path)
    assert "not a study of `edgetune search`" in refuses("search", "--data", "digits", "--warm-start", tmp_path)


@pytest.mark.parametrize("named", ["Auto", "library", "backup.db"])
def test_a_warm_start_from_no_run(refuses: Refuses, named: str) -> None:
    assert "auto, off, or a run's folder" in refuses("search", "--data", "digits", "--warm-start", named)


def test_report_of_an_unfinished_run(refuses: Refuses, tmp_path: Path) -> None:

    Study.create(tmp_path / "study.db", {}).close()
    assert "not finished" in refuses("report", tmp_path)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (MemoryError("teacher: not even a few pictures at a time fit"), "out of memory: teacher: not even a few"),
        (MemoryError(), "error: out of memory ("),
    ],
)
def test_no_memory(refuses: Refuses, said: Exception, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*arguments: object, command: str) -> None:
        raise said

    monkeypatch.setattr("edgetune.pipeline.search.start", start)
    assert told in refuses("search", "--data", "digits")


def test_no_room(refuses: Refuses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, as the kernel reports it when a study is flushed."""
    import errno

    from edgetune import files

    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "flush", full)
    run = tmp_path / "run"
    assert "no room" in refuses("search", "--data", "digits", "--out", run)
    assert not list(run.rglob("*")), "nothing is left half-written"
