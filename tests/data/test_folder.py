from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgetune.data.folder import Folder, list_files
from edgetune.data.load import load_dataset
from edgetune.data.source import Split
from edgetune.errors import DataError


def save_pictures(
    folder: Path, count: int, *, mode: str = "RGB", size: tuple[int, int] = (40, 36), suffix: str = "png"
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(list(os.fsencode(folder.name)))
    for number in range(count):
        pixels = rng.integers(0, 256, (size[1], size[0], 3), np.uint8)
        Image.fromarray(pixels).convert(mode).save(folder / f"{number}.{suffix}")


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    root = tmp_path / "animals"
    save_pictures(root / "cat", 8)
    save_pictures(root / "dog" / "puppies", 4)
    save_pictures(root / "dog", 5, size=(30, 50), suffix="jpg")
    return root


def test_folder_a_class(animals: Path, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    dataset = load_dataset(str(animals), cache=tmp_path / "cache", progress=lambda *step: seen.append(step))
    assert dataset.name == "animals"
    assert dataset.classes == ("cat", "dog")
    assert (dataset.channels, dataset.resolution) == (3, 32)
    assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [13, 2, 2]
    assert dataset.notes == ()
    assert seen[-1] == ("decoding pictures", 17, 17)
    assert seen[0] == ("looking through pictures", 17, 17)


def test_untidy_folders_lose_only_what_is_broken(animals: Path, tmp_path: Path) -> None:
    (animals / "cat" / "empty.png").touch()
    (animals / "cat" / "notes.txt").write_text("not a picture")
    (animals / "cat" / ".hidden.png").write_text("ignored")
    (animals / "readme.md").write_text("ignored")
    whole = (animals / "dog" / "0.jpg").read_bytes()
    (animals / "dog" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (animals / "dog" / "circle").symlink_to(animals / "dog")
    (animals / "dog" / "gone.png").symlink_to(tmp_path / "nowhere")
    os.mkfifo(animals / "dog" / "pipe.png")
    dataset = load_dataset(str(animals), cache=tmp_path / "cache")
    assert sum(len(part) for part in (dataset.train, dataset.validation, dataset.test)) == 17
    (note,) = dataset.notes
    assert note.startswith(
        "4 of 21 files could not be read as pictures and were skipped: cat/empty.png (an empty file), "
    )
    assert "cat/notes.txt (not a picture)" in note
    assert note.endswith(", …")


def test_names_that_are_not_utf8_can_be_printed(animals: Path, tmp_path: Path) -> None:
    (animals / "cat" / os.fsdecode(b"caf\xe9.png")).write_text("not a picture")
    (note,) = load_dataset(str(animals), cache=tmp_path / "cache").notes
    assert "cat/caf\ufffd.png (not a picture)" in note
    assert note.encode()


def test_links_to_other_places_are_followed(animals: Path, tmp_path: Path) -> None:
    save_pictures(tmp_path / "elsewhere", 5)
    (animals / "bird").symlink_to(tmp_path / "elsewhere")
    classes, files = list_files(animals)
    assert classes == ("bird", "cat", "dog")
    assert sum(file.label == 0 for file in files) == 5


def test_given_splits_are_kept(tmp_path: Path) -> None:
    root = tmp_path / "set"
    for part, count in (("train", 10), ("val", 3), ("test", 4)):
        for name in ("a", "b"):
            save_pictures(root / part / f"{name}", count, mode="L")
            for file in (root / part / name).iterdir():  # other pixels in every split and class
                Image.open(file).point(
                    [(v + len(part + name) * (7 if name == "a" else 11)) % 256 for v in range(256)]
                ).save(file)
    dataset = load_dataset(str(root), cache=tmp_path / "cache")
    assert dataset.classes == ("a", "b")
    assert dataset.channels == 1
    assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [20, 6, 8]


def test_a_class_called_train_is_a_class(tmp_path: Path) -> None:
    for name in ("car", "train"):
        save_pictures(tmp_path / "vehicles" / name, 3)
    classes, files = list_files(tmp_path / "vehicles")
    assert classes == ("car", "train")
    assert {file.given for file in files} == {Split.TRAIN}


@pytest.mark.parametrize("names", [("Train", "Test"), ("training", "testing"), ("TRAIN", "Valid", "__MACOSX")])
def test_splits_under_other_names(names: tuple[str, ...], tmp_path: Path) -> None:
    for name in names:
        for label in ("a", "b"):
            save_pictures(tmp_path / name / label, 2)
    classes, files = list_files(tmp_path)
    assert classes == ("a", "b")
    assert {file.given for file in files} == {Split.TRAIN, Split.VALIDATION if "Valid" in names else Split.TEST}


def test_litter_of_archives_is_no_class(tmp_path: Path) -> None:
    for name in ("a", "b", "__MACOSX"):
        save_pictures(tmp_path / name, 2)
    assert list_files(tmp_path)[0] == ("a", "b")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("train", "test", "labels"), "'labels' stands beside the split 'train' and is none.*rename 'train'"),
        (("train", "test", "Train"), "'train' stands beside the split 'Train' and is none, or the same again"),
        (("val", "validation", "train"), "'validation' stands beside the split 'val'.*rename 'val'"),
        (("test", "val"), "a split 'val' and no training pictures.*train on train"),
    ],
)
def test_splits_beside_something_else_are_refused(names: tuple[str, ...], message: str, tmp_path: Path) -> None:
    for name in names:
        for label in ("a", "b"):
            save_pictures(tmp_path / name / label, 1)
    with pytest.raises(DataError, match=message):
        list_files(tmp_path)


def test_a_test_split_that_lacks_a_class_is_said(tmp_path: Path) -> None:
    root = tmp_path / "set"
    for number, place in enumerate(("train/a", "train/b", "train/c", "test/b")):
        save_pictures(root / place, 9, size=(40 + number, 36))
    dataset = load_dataset(str(root), cache=tmp_path / "cache")
    assert "the test split has no pictures of 'a', 'c'" in dataset.notes


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (os.fsdecode(b"caf\xe9"), "caf\ufffd: a class name that is not UTF-8.*rename it"),
        ("two\nlines", r"two\\nlines'?: a class name with a line break.*rename it"),
        ("next\u2028line", "a line break"),
        ("bell\a", "control character"),
    ],
)
def test_class_names_that_cannot_be_kept_are_refused(name: str, message: str, animals: Path, tmp_path: Path) -> None:
    save_pictures(animals / name, 3)
    with pytest.raises(DataError, match=message):
        load_dataset(str(animals), cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_class_names_in_any_script_are_kept(animals: Path) -> None:
    for name in ("日本 ü", "no\u00a0break", "👩\u200d🌾"):
        save_pictures(animals / name, 3)
    assert list_files(animals)[0] == ("cat", "dog", "no\u00a0break", "日本 ü", "👩\u200d🌾")


@pytest.mark.parametrize(("side", "resolution"), [(28, 32), (64, 32), (65, 224)])
def test_default_resolution_follows_the_median_side(tmp_path: Path, side: int, resolution: int) -> None:
    save_pictures(tmp_path / "x" / "a", 3, size=(side, 100))
    save_pictures(tmp_path / "x" / "b", 3, size=(100, side))
    assert Folder(tmp_path / "x").native_resolution == resolution


def test_grey_pictures_stay_grey_unless_one_has_colour(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_pictures(tmp_path / "x" / name, 3, mode="L")
    assert Folder(tmp_path / "x").channels == 1
    save_pictures(tmp_path / "x" / "c", 1, mode="RGB")
    assert Folder(tmp_path / "x").channels == 3


def test_fingerprint_follows_contents_and_names(animals: Path) -> None:
    before = Folder(animals).fingerprint
    assert Folder(animals).fingerprint == before
    (animals / "cat" / "0.png").rename(animals / "cat" / "00.png")
    renamed = Folder(animals).fingerprint
    save_pictures(animals / "cat", 1, size=(9, 9))
    assert len({before, renamed, Folder(animals).fingerprint}) == 3


def test_copies_of_a_picture_are_left_out(animals: Path, tmp_path: Path) -> None:
    (animals / "cat" / "copy.png").write_bytes((animals / "cat" / "0.png").read_bytes())
    (animals / "dog" / "cat.png").write_bytes((animals / "cat" / "1.png").read_bytes())
    dataset = load_dataset(str(animals), cache=tmp_path / "cache")
    assert sum(len(part) for part in (dataset.train, dataset.validation, dataset.test)) == 16
    assert dataset.notes == (
        "2 picture(s) that are found under more than one class left out",
        "1 exact copies of other pictures left out",
    )


def test_bad_folders(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    empty, one, broken = tmp_path / "empty", tmp_path / "one", tmp_path / "broken"
    empty.mkdir()
    save_pictures(one / "cat", 5)
    for name in ("a", "b"):
        (broken / name).mkdir(parents=True)
        (broken / name / "x.png").write_text("no picture")
    for folder, what in (
        (tmp_path / "missing", "no such folder"),
        (empty, "it holds 0 class folder"),
        (one, r"it holds 1 class folder"),
        (broken, "none of its 2 file"),
    ):
        with pytest.raises(DataError, match=what):
            load_dataset(str(folder), cache=cache)
    for name in ("a", "b"):  # headers that are whole
        save_pictures(broken / name, 1)
        data = (broken / name / "0.png").read_bytes()
        (broken / name / "0.png").write_bytes(data[:200])
    with pytest.raises(DataError, match="none of its pictures can be decoded"):
        load_dataset(str(broken), cache=cache)
    save_pictures(one / "dog", 1)
    with pytest.raises(DataError, match="class 'dog' has 1 usable"):
        load_dataset(str(one), cache=cache)
    assert not list(cache.rglob("*.npy"))
