from __future__ import annotations

from pathlib import Path

import pytest

from edgetune.export import health
from tools.pi_userland.build import recipe_digest


def test_a_userland_of_another_recipe_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGETUNE_CACHE", str(tmp_path))
    (tmp_path / "pi-userland-0123456789ab").mkdir()
    assert health._userland().state == "made on first use"
    (tmp_path / f"pi-userland-{recipe_digest()}").mkdir()
    assert health._userland().state == "ready"


def test_a_cache_that_cannot_be_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EDGETUNE_CACHE", str(tmp_path / "file" / "x"))
    found = health._room()
    assert found.state == "not there"
    assert "EDGETUNE_CACHE" in found.detail
    monkeypatch.setenv("EDGETUNE_CACHE", str(tmp_path / "new" / "x"))
    assert health._room().state == "ready"
