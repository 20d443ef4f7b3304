"""How the tests of the command line call it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgetune.cli import main

Refuses = Callable[..., str]


@pytest.fixture
def refuses(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Refuses:
    """Calls edgetune in an empty folder; it must end with exit code 2 and one error, nothing written."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.setenv("COLUMNS", "1000")

    def call(*arguments: str | Path) -> str:
        monkeypatch.setattr(sys, "argv", ["edgetune", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        said = capsys.readouterr()
        assert stop.value.code == 2
        assert said.out == ""
        *progress, error = said.err.splitlines()
        assert error.startswith("error: "), said.err
        assert all(" of " in line for line in progress), said.err
        assert list(home.iterdir()) == [], "something was written"
        return error

    return call
