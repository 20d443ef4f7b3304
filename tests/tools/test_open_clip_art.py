from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from edgetune.data.folder import Folder
from edgetune.errors import StorageError
from tools import open_clip_art


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of three categories, laid out as the real one is: linked drawings, sub-folders."""

    def unpack(name: str, into: Path) -> None:
        assert name == "openclipart-png"
        root = into / "usr/share/openclipart/png"
        for category, count in (("animals", 12), ("food", 8), ("logos", 2)):
            folder = root / category / "sub"
            folder.mkdir(parents=True)
            for number in range(count):
                Image.new("RGBA", (90, 100), (number * 20, count, 0, 255)).save(folder / f"{number}.png")
        (root / "food" / "fish.png").symlink_to(root / "animals" / "sub" / "0.png")

    monkeypatch.setattr(open_clip_art, "unpack_package", unpack)


@pytest.mark.usefixtures("package")
def test_categories_are_capped_and_small_ones_left_out(tmp_path: Path) -> None:
    kept = open_clip_art.build(tmp_path / "art", most=10, least=5, seed=0)
    assert kept == {"animals": 10, "food": 9}
    art = Folder(tmp_path / "art")
    assert art.classes == ("animals", "food")
    assert len(art.files) == 19
    assert not any(file.path.is_symlink() for file in art.files)
    again = open_clip_art.build(tmp_path / "again", most=10, least=5, seed=0)
    assert again == kept
    assert Folder(tmp_path / "again").fingerprint == art.fingerprint
    with pytest.raises(StorageError, match="exists already"):
        open_clip_art.build(tmp_path / "art", most=None, least=0, seed=0)


def test_without_debian_packages_it_says_so(tmp_path: Path) -> None:
    command = [sys.executable, open_clip_art.__file__, str(tmp_path / "art")]
    done = subprocess.run(command, env={"PATH": ""}, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no apt-get" in done.stderr
    assert not (tmp_path / "art").exists()
