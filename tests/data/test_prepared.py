"""What is kept of a set beside its pixels: which picture is in which split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgetune.data.load import load_dataset
from edgetune.errors import DataError


@pytest.fixture
def shades(tmp_path: Path) -> Path:
    """A folder of one-coloured pictures; the file's name is the colour."""
    for number in range(60):
        folder = tmp_path / "shades" / ("dark" if number < 30 else "light")
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("L", (32, 32), 4 * number).save(folder / f"{4 * number}.png")
    return tmp_path / "shades"


def test_every_picture_keeps_its_name(shades: Path, tmp_path: Path) -> None:
    dataset = load_dataset(str(shades), cache=tmp_path / "cache")
    names = [name for part in dataset.splits.values() for name in part]
    assert sorted(names) == sorted(str(path.relative_to(shades)) for path in shades.rglob("*.png"))
    for part, pictures in zip(dataset.splits.values(), (dataset.train, dataset.validation, dataset.test), strict=True):
        assert [int(Path(name).stem) for name in part] == pictures.images[:, 0, 0, 0].tolist()
    assert [len(part) for part in dataset.splits.values()] == [46, 6, 8]


def test_pictures_of_a_published_set_are_numbered(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    dataset = load_dataset("digits", cache=tmp_path)
    rows = [int(name) for name in dataset.splits["test"]]
    assert np.array_equal(dataset.test.labels, load_digits().target[rows])


def test_a_folder_prepared_before_names_were_kept_is_prepared_again(shades: Path, tmp_path: Path) -> None:
    first = load_dataset(str(shades), cache=tmp_path / "cache")
    (file,) = (tmp_path / "cache").rglob("names.npy")
    file.unlink()
    again = load_dataset(str(shades), cache=tmp_path / "cache")
    assert again.splits == first.splits and again.content_hash == first.content_hash


def test_a_class_of_copies_is_left_out_with_a_note(shades: Path, tmp_path: Path) -> None:
    copies = shades / "borrowed"
    copies.mkdir()
    for path in sorted(shades.glob("light/*.png"))[:4]:
        (copies / path.name).write_bytes(path.read_bytes())
    dataset = load_dataset(str(shades), cache=tmp_path / "cache")
    assert dataset.classes == ("dark", "light")
    assert any("'borrowed'" in note for note in dataset.notes)
    parts = (dataset.train, dataset.validation, dataset.test)
    assert sum(len(part) for part in parts) == 60  # what the class held counts for the others again
    for part in parts:
        assert part.names is not None
        assert [name.split("/")[0] == "light" for name in part.names] == part.labels.astype(bool).tolist()


def test_a_class_that_never_had_enough_pictures_is_an_error(shades: Path, tmp_path: Path) -> None:
    (shades / "few").mkdir()
    Image.new("L", (32, 32), 255).save(shades / "few" / "255.png")
    with pytest.raises(DataError, match="class 'few' has 1 usable"):
        load_dataset(str(shades), cache=tmp_path / "cache")
