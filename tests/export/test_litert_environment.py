"""The converter's environment where it cannot be made; that it can be is shown by test_tflite_file."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edgetune.errors import ExportError, MissingDependencyError
from edgetune.export.litert_environment import REQUIREMENTS, LiteRT


@pytest.fixture
def litert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LiteRT:
    monkeypatch.setenv("EDGETUNE_CACHE", str(tmp_path / "cache"))
    return LiteRT.here()


def test_looking_makes_nothing(litert: LiteRT, tmp_path: Path) -> None:
    assert not litert.ready
    assert list(tmp_path.iterdir()) == []


def test_without_a_package_index_there_is_one_error_and_nothing_half_made(
    litert: LiteRT, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(MissingDependencyError, match="pip could not fetch") as error:
        litert.make()
    assert "package index" in str(error.value)
    assert "--formats" in str(error.value)
    assert not litert.ready
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lock"]


def test_every_package_is_pinned_and_torch_is_not_installed_twice() -> None:
    lines = [line for line in REQUIREMENTS.read_text().splitlines() if not line.startswith("#")]
    assert all(line.count("==") == 1 for line in lines)
    assert not [line for line in lines if line.startswith(("torch=", "nvidia"))]


def test_a_converter_that_fails_says_what_it_said(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    with pytest.raises(ExportError, match="ValueError: no such operator"):
        LiteRT(tmp_path).run(["-c", "import sys; print('log', file=sys.stderr); raise ValueError('no such operator')"])
