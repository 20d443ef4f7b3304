from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgetune.errors import ExportError
from edgetune.export.board.classify import read_pixels
from edgetune.export.bundle import Bundle, read_bundle, write_bundle
from edgetune.export.card import SCHEMA, Artefact, Card
from edgetune.export.readme import readme_of
from tests.export.conftest import Digits


@pytest.fixture
def bundle(card: Card, hswish_onnx: Path, tmp_path: Path) -> Bundle:
    return write_bundle(tmp_path / "trial-007", card, {"model.onnx": hswish_onnx})


def test_what_was_written_is_read(bundle: Bundle, card: Card) -> None:
    read = read_bundle(bundle.folder)
    assert read == bundle
    assert read.card.model_copy(update={"files": {}}) == card
    assert read.path("onnx").is_file()


def test_the_card_lists_the_sha256_of_every_other_file(bundle: Bundle) -> None:
    files = json.loads((bundle.folder / "card.json").read_text())["files"]
    found = {
        file.name: {"size_bytes": file.stat().st_size, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
        for file in bundle.folder.iterdir()
    }
    del found["card.json"]
    assert files == found
    assert set(files) == {"model.onnx", "README.md", "classify.py", "run_onnx.py"}


def test_the_same_inputs_give_the_same_bytes(bundle: Bundle, card: Card, hswish_onnx: Path, tmp_path: Path) -> None:
    again = write_bundle(tmp_path / "again", card, {"model.onnx": hswish_onnx})
    for file in bundle.folder.iterdir():
        assert (again.folder / file.name).read_bytes() == file.read_bytes()


def test_the_page_gives_every_latency_its_kind_and_conditions(bundle: Bundle) -> None:
    page = (bundle.folder / "README.md").read_text()
    assert "1.25 ms (1 to 1.5 ms, 90 %), calibrated: rpi4, tflite 2.7, fp32, 4 threads, 1800 MHz" in page
    assert "smaller than measured" in page
    assert "No ONNX, INT8: 0.8 times as fast as float32" in page
    commands = page.split("```")[1].splitlines()[1:]
    assert len(commands) == 5
    assert commands[1] == "ssh pi@raspberrypi.local", "what stands behind it would run on this machine"
    assert commands[2].startswith("cd trial-007 && ")


@pytest.mark.parametrize("name", ["model.onnx", "README.md", "classify.py"])
def test_a_changed_or_missing_file_is_named(bundle: Bundle, name: str) -> None:
    file = bundle.folder / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(ExportError, match=name):
        read_bundle(bundle.folder)
    file.unlink()
    with pytest.raises(ExportError, match=name):
        read_bundle(bundle.folder)


@pytest.mark.parametrize(("schema", "mend"), [(99, "update edgetune"), (0, "export the bundle again")])
def test_another_schema_is_refused(bundle: Bundle, schema: int, mend: str) -> None:
    file = bundle.folder / "card.json"
    file.write_text(file.read_text().replace(f'"schema_version": {SCHEMA}', f'"schema_version": {schema}'))
    with pytest.raises(ExportError, match=mend):
        read_bundle(bundle.folder)


@pytest.mark.parametrize("name", ["numpy.py", "onnxruntime/__init__.py", "numpy.pyc", "PIL.so"])
def test_what_python_would_import_must_be_listed(bundle: Bundle, name: str) -> None:
    for left_alone in (".venv/lib/numpy.py", "__pycache__/run_onnx.pyc", "picture.jpg"):
        (bundle.folder / left_alone).parent.mkdir(parents=True, exist_ok=True)
        (bundle.folder / left_alone).touch()
    assert read_bundle(bundle.folder) == bundle
    (bundle.folder / name).parent.mkdir(exist_ok=True)
    (bundle.folder / name).touch()
    with pytest.raises(ExportError, match=rf"{name}.*does not list"):
        read_bundle(bundle.folder)


def test_an_artefact_that_the_card_does_not_list_is_named(bundle: Bundle) -> None:
    values = json.loads((bundle.folder / "card.json").read_text())
    values["artefacts"][0]["file"] = "nosuch.onnx"
    (bundle.folder / "card.json").write_text(json.dumps(values))
    with pytest.raises(ExportError, match=r"nosuch\.onnx.*not among its files"):
        read_bundle(bundle.folder)


def test_a_card_that_is_a_folder_or_a_loop_is_refused(bundle: Bundle) -> None:
    card = bundle.folder / "card.json"
    card.unlink()
    card.mkdir()
    with pytest.raises(ExportError, match="not a bundle"):
        read_bundle(bundle.folder)
    card.rmdir()
    card.symlink_to(card.name)
    with pytest.raises(ExportError, match="not a bundle"):
        read_bundle(bundle.folder)


@pytest.mark.parametrize("name", ["reference_pictures.npy", "reference_logits.npy"])
@pytest.mark.parametrize("values", [None, b"garbage", np.array([{}]), np.zeros(3), np.zeros((2, 3)), np.array("a")])
def test_references_that_are_no_arrays_of_numbers_are_refused(
    card: Card, dense_onnx: Path, tmp_path: Path, name: str, values: object
) -> None:
    reference = np.zeros((1, 1, 28, 28)), np.zeros((1, 10))
    folder = write_bundle(tmp_path / "bundle", card, {"model.onnx": dense_onnx}, reference=reference).folder
    file, found = folder / name, json.loads((folder / "card.json").read_text())
    if isinstance(values, np.ndarray):
        np.save(file, values, allow_pickle=True)
    elif values is not None:
        file.write_bytes(b"garbage")
    if values is None:
        file.unlink()
        del found["files"][name]
    else:
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        found["files"][name] = {"size_bytes": file.stat().st_size, "sha256": sha256}
    (folder / "card.json").write_text(json.dumps(found))
    with pytest.raises(ExportError, match="reference"):
        read_bundle(folder).reference()


@pytest.mark.parametrize("text", ["", "[" * 100_000, "[]", "{}", '{"schema_version": 1}', "\udcff"])
def test_what_is_no_card_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ExportError, match="not a bundle"):
        read_bundle(tmp_path)
    (tmp_path / "card.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ExportError):
        read_bundle(tmp_path)


def test_a_card_cannot_name_files_outside_its_folder(card: Card) -> None:
    for name in ("../model.onnx", "/etc/passwd", "", ".."):
        with pytest.raises(ValueError, match="file"):
            Artefact(format="onnx", file=name)
    text = card.to_json().replace('"files": {}', '"files": {"../x": {"size_bytes": 0, "sha256": "' + 64 * "0" + '"}}')
    with pytest.raises(ExportError, match="files"):
        Card.from_json(text, where=Path("card.json"))


def test_nothing_is_left_of_a_bundle_that_could_not_be_written(card: Card, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_bundle(tmp_path / "bundle", card, {"model.onnx": tmp_path / "absent"})
    with pytest.raises(ExportError, match="names"):
        write_bundle(tmp_path / "bundle", card, {})
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_left_alone(bundle: Bundle, card: Card, hswish_onnx: Path) -> None:
    with pytest.raises(ExportError, match="exists"):
        write_bundle(bundle.folder, card, {"model.onnx": hswish_onnx})
    assert read_bundle(bundle.folder) == bundle


def test_it_classifies_pictures_with_nothing_of_edgetune(bundle: Bundle, digits: Digits, tmp_path: Path) -> None:
    folder = shutil.copytree(bundle.folder, tmp_path / "board")
    for i in range(20):
        Image.fromarray(digits.test[i, 0].astype(np.uint8)).save(folder / f"{i}.png")
    command = [sys.executable, "classify.py", "model.onnx", *(f"{i}.png" for i in range(20))]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    answers = [line.split()[1] for line in done.stdout.splitlines()]
    right = [bundle.card.labels[label] for label in digits.test_labels[:20]]
    assert sum(a == b for a, b in zip(answers, right, strict=True)) >= 16


@pytest.mark.parametrize(
    ("mode", "name"), [("RGB", "a.jpg"), ("RGBA", "a.png"), ("L", "a.png"), ("P", "a.gif"), ("1", "a.png")]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_read_as_in_training(mode: str, name: str, channels: int, tmp_path: Path) -> None:
    from edgetune.data.decode import decode

    noise = np.random.default_rng(0).integers(0, 256, (50, 70, 4), np.uint8)
    Image.fromarray(noise, "RGBA").convert(mode).save(tmp_path / name)
    expected = decode((tmp_path / name).read_bytes(), 32, channels)
    given = read_pixels(str(tmp_path / name), 32, channels)
    np.testing.assert_array_equal(given[0].transpose(1, 2, 0), expected)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_of_16_bits_are_read_as_in_training(name: str, channels: int, tmp_path: Path) -> None:
    from edgetune.data.decode import decode

    noise = np.random.default_rng(0).integers(0, 65536, (50, 70), np.uint16)
    Image.fromarray(noise).save(tmp_path / name)
    expected = decode((tmp_path / name).read_bytes(), 32, channels)
    given = read_pixels(str(tmp_path / name), 32, channels)
    np.testing.assert_array_equal(given[0].transpose(1, 2, 0), expected)


@pytest.mark.parametrize("pixels", [np.full((9, 9), 0.5, np.float32), np.full((9, 9), 70_000, np.int32)])
def test_pictures_whose_scale_is_unknown_are_refused_as_in_training(pixels: np.ndarray, tmp_path: Path) -> None:
    from edgetune.data.decode import UnreadablePicture, decode

    Image.fromarray(pixels).save(tmp_path / "a.tif")
    with pytest.raises(UnreadablePicture, match="scale is unknown"):
        decode((tmp_path / "a.tif").read_bytes(), 8, 1)
    with pytest.raises(SystemExit, match="scale is unknown"):
        read_pixels(str(tmp_path / "a.tif"), 8, 1)


def test_the_scripts_read_the_reference_pictures_as_they_are_stored(
    card: Card, dense_onnx: Path, digits: Digits, tmp_path: Path
) -> None:
    reference = digits.test[:2], np.zeros((2, 10), np.float32)
    folder = write_bundle(tmp_path / "bundle", card, {"model.onnx": dense_onnx}, reference=reference).folder
    command = [sys.executable, "run_onnx.py", "model.onnx", "reference_pictures.npy", "logits.npy"]
    subprocess.run(command, cwd=folder, check=True)
    assert np.load(folder / "logits.npy").shape == (2, 10)


@pytest.mark.parametrize(("asked", "pin"), [("1.10", "onnxruntime~=1.10.0"), ("1.10.1", "onnxruntime==1.10.1")])
def test_the_page_installs_the_version_that_was_asked_for_on_the_board(card: Card, asked: str, pin: str) -> None:
    page = readme_of(card.model_copy(update={"board_versions": {"onnxruntime": asked}}))
    assert f" {pin}\n" in page
    assert "onnxruntime 1.32.0" in page, "what made it"
