from __future__ import annotations

from pathlib import Path
from threading import Thread

from edgetune.pipeline.noted import Noted
from edgetune.reporter import Reporter
from edgetune.search.note_names import PROGRESS
from edgetune.search.study import Study


class Recorder(Reporter):
    def __init__(self) -> None:
        self.heard: list[tuple[object, ...]] = []

    def progress(self, stage: str, done: int, total: int) -> None:
        self.heard.append((stage, done, total))

    def say(self, text: str) -> None:
        self.heard.append((text,))


def test_everything_is_passed_on_and_the_first_and_last_of_a_stage_are_noted(tmp_path: Path) -> None:
    recorder = Recorder()
    with Study.create(tmp_path / "study.db", {}) as study:
        noted = Noted(recorder, study)
        noted.progress("teacher", 1, 100)
        assert study.note(PROGRESS)["done"] == 1
        noted.progress("teacher", 2, 100)
        assert study.note(PROGRESS)["done"] == 1, "too soon to write again"
        noted.progress("teacher", 100, 100)
        assert study.note(PROGRESS)["done"] == 100
        noted.progress("supernet", 5, 50)
        noted.say("hello")
        assert {key: study.note(PROGRESS)[key] for key in ("stage", "done", "total")} == {
            "stage": "supernet",
            "done": 5,
            "total": 50,
        }
    assert recorder.heard[-2:] == [("supernet", 5, 50), ("hello",)] and len(recorder.heard) == 5


def test_another_thread_may_report_too(tmp_path: Path) -> None:
    """As trainings side by side do; each is written down now and then."""
    recorder = Recorder()
    with Study.create(tmp_path / "study.db", {}) as study:
        noted = Noted(recorder, study)
        written = []
        for stage, done in (("trial-1", 1), ("trial-2", 2), ("trial-1", 3), ("trial-2", 9)):
            thread = Thread(target=noted.progress, args=(stage, done, 9))
            thread.start()
            thread.join()
            written.append((study.note(PROGRESS)["stage"], study.note(PROGRESS)["done"]))
        assert written == [("trial-1", 1), ("trial-2", 2), ("trial-2", 2), ("trial-2", 9)]
        assert len(recorder.heard) == 4
