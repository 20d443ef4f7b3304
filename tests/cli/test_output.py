"""What a command tells of its progress where there is no terminal."""

from __future__ import annotations

import pytest

from edgetune.cli.output import ProgressLines


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the reporter sees."""
    now = [1000.0]
    monkeypatch.setattr("edgetune.cli.output.time.monotonic", lambda: now[0])
    return now


def test_a_log_says_the_rate_and_the_time_left(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    lines = ProgressLines()
    for step in range(1, 101):  # a picture in a hundredth of a second
        clock[0] += 1.28
        lines.progress("teacher", 128 * step, 12_800)
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "teacher: 128 of 12,800", "no rate of one figure"
    assert said[1] == "teacher: 1,152 of 12,800, 100/s, 1 min 56 s left"
    assert said[-1] == "teacher: 12,800 of 12,800, 100/s"
    assert len(said) == 14, "every eighth, which is when more than ten seconds have gone by, and the last"


def test_what_was_done_before_is_no_speed(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    """A resumed training, beside another one."""
    lines = ProgressLines()
    lines.progress("trial-001", 9_000, 10_000)
    for done in (9_100, 9_200):
        clock[0] += 20
        lines.progress("trial-001", done, 10_000)
        lines.progress("trial-002", done, 20_000)
    assert capsys.readouterr().err.splitlines() == [
        "trial-001: 9,000 of 10,000",
        "trial-001: 9,100 of 10,000, 5/s, 3 min 0 s left",
        "trial-001: 9,200 of 10,000, 5/s, 2 min 40 s left",
    ]


def test_what_takes_no_time_has_no_rate(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    ProgressLines().progress("linear probe", 70, 64)
    assert capsys.readouterr().err == "linear probe: 64 of 64\n"
