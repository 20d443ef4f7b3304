"""Teachers of `transformers`: tiny models, saved as the library saves them, against its own pipeline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file

from edgetune.distill.teacher import TorchTeacher
from edgetune.distill.teacher_checkpoint import load_teacher
from edgetune.errors import TeacherError

LABELS = {0: "ant", 1: "bee", 2: "cat"}
SIZE = 32
PROCESSOR: dict[str, Any] = {
    "do_resize": True,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.5, 0.4, 0.3],
    "image_std": [0.2, 0.3, 0.25],
}


def tiny_vit() -> Any:
    return transformers.ViTForImageClassification(
        transformers.ViTConfig(
            hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=SIZE,
            patch_size=8, id2label=LABELS,
        )
    )  # fmt: skip


def tiny_resnet() -> Any:
    return transformers.ResNetForImageClassification(
        transformers.ResNetConfig(
            embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", id2label=LABELS
        )
    )


WHOLE = PROCESSOR | {"image_processor_type": "ViTImageProcessor", "size": {"height": SIZE, "width": SIZE}}
PROCESSORS = {"vit": WHOLE, "resnet": WHOLE}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    torch.manual_seed(0)
    folders = {}
    for name, model in {"vit": tiny_vit(), "resnet": tiny_resnet()}.items():
        folders[name] = tmp_path_factory.mktemp(name)
        model.save_pretrained(folders[name])
        (folders[name] / "preprocessor_config.json").write_text(json.dumps(PROCESSORS[name]))
    return folders


@pytest.fixture
def vit(saved: dict[str, Path], tmp_path: Path) -> Path:
    """A copy to spoil."""
    for file in saved["vit"].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def change(file: Path, **changes: object) -> None:
    settings = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({key: value for key, value in settings.items() if value is not None}))


@pytest.mark.parametrize("name", ["vit", "resnet"])
def test_logits_are_those_of_the_librarys_pipeline(name: str, saved: dict[str, Path]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    pipeline = transformers.pipeline("image-classification", model=str(saved[name]), top_k=3)
    expected = {answer["label"]: answer["score"] for answer in pipeline(Image.fromarray(picture))}
    teacher = load_teacher(saved[name])
    assert teacher.classes == ("ant", "bee", "cat")
    pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
    scores = teacher.logits(pixels).softmax(1)[0]
    assert dict(zip(teacher.classes, scores.tolist(), strict=True)) == pytest.approx(expected, abs=1e-5)
    assert teacher.parameters == pipeline.model.num_parameters()


def test_grey_pictures_of_another_size_are_made_to_fit(saved: dict[str, Path]) -> None:
    teacher = load_teacher(saved["vit"])
    grey = torch.rand(2, 1, 28, 28) * 255
    large = torch.nn.functional.interpolate(grey, size=(SIZE, SIZE), mode="bilinear", antialias=True)
    torch.testing.assert_close(teacher.logits(grey), teacher.logits(large.expand(-1, 3, -1, -1)))


def test_the_hash_follows_what_decides_the_logits(vit: Path) -> None:
    hashes = [load_teacher(vit).content_hash]
    tensors = load_file(vit / "model.safetensors")
    tensors["classifier.bias"] += 1
    save_file(tensors, vit / "model.safetensors", {"format": "pt"})
    hashes.append(load_teacher(vit).content_hash)
    change(vit / "preprocessor_config.json", image_mean=[0.1, 0.1, 0.1])
    hashes.append(load_teacher(vit).content_hash)
    assert len(set(hashes)) == 3


@pytest.mark.parametrize("changes", [{"do_normalize": False}, {"rescale_factor": 1 / 127.5}, {"do_rescale": False}])
def test_normalisation_is_the_processors(changes: dict[str, object], vit: Path) -> None:
    change(vit / "preprocessor_config.json", **changes)
    picture = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    processor = transformers.AutoImageProcessor.from_pretrained(vit)
    model = transformers.AutoModelForImageClassification.from_pretrained(vit)
    expected = model(**processor(Image.fromarray(picture), return_tensors="pt")).logits
    logits = load_teacher(vit).logits(torch.from_numpy(picture).permute(2, 0, 1)[None].float())
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


def test_a_processor_of_oblong_pictures_is_refused(vit: Path) -> None:
    change(vit / "preprocessor_config.json", size={"height": SIZE, "width": 2 * SIZE})
    with pytest.raises(TeacherError, match=r"preprocessor_config\.json: its image processor makes pictures of 64×32"):
        load_teacher(vit)


@pytest.mark.parametrize("numbers", ["012", "123"])
def test_classes_are_numbered_in_a_row(numbers: str, vit: Path) -> None:
    change(vit / "config.json", id2label=dict(zip(numbers, LABELS.values(), strict=True)))
    if numbers == "012":
        assert load_teacher(vit).classes == tuple(LABELS.values())
        return
    with pytest.raises(TeacherError, match=r"config\.json: its classes are not numbered in a row"):
        load_teacher(vit)


def test_a_processor_that_swaps_colours_is_refused(vit: Path) -> None:
    mobilevit = {"image_processor_type": "MobileViTImageProcessor", "size": {"shortest_edge": SIZE}}
    cropped = {"do_center_crop": True, "crop_size": {"height": SIZE, "width": SIZE}, "do_flip_channel_order": True}
    (vit / "preprocessor_config.json").write_text(json.dumps(mobilevit | cropped))
    with pytest.raises(TeacherError, match="processor"):
        load_teacher(vit)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"image_processor_type": "NoSuchProcessor"}'])
def test_a_processor_that_cannot_be_read_is_refused(content: str, vit: Path) -> None:
    (vit / "preprocessor_config.json").write_text(content)
    with pytest.raises(TeacherError, match="processor"):
        load_teacher(vit)


def test_no_processor_is_refused(vit: Path) -> None:
    (vit / "preprocessor_config.json").unlink()
    with pytest.raises(TeacherError, match=r"no preprocessor_config\.json"):
        load_teacher(vit)


def test_pickled_weights_are_not_opened(vit: Path) -> None:
    tensors = load_file(vit / "model.safetensors")
    (vit / "model.safetensors").unlink()
    torch.save(tensors, vit / "pytorch_model.bin")
    with pytest.raises(TeacherError, match=r"no \.safetensors file"):
        load_teacher(vit)


def test_weights_in_several_files_are_read(vit: Path) -> None:
    whole = load_teacher(vit)
    (vit / "model.safetensors").unlink()
    assert isinstance(whole, TorchTeacher)
    model: Any = whole.module.model
    model.save_pretrained(vit, max_shard_size="5KB")
    assert len(list(vit.glob("*.safetensors"))) > 1
    pixels = torch.rand(1, 3, SIZE, SIZE) * 255
    assert torch.equal(load_teacher(vit).logits(pixels), whole.logits(pixels))


@pytest.mark.parametrize("damage", ["cut", "garbage"])
def test_damaged_weights_are_refused(damage: str, vit: Path) -> None:
    file = vit / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-50] if damage == "cut" else b"\xff" * 300)
    with pytest.raises(TeacherError, match="not a usable image classifier"):
        load_teacher(vit)


def test_a_model_of_greys_is_refused(tmp_path: Path) -> None:
    config = transformers.ResNetConfig(num_channels=1, embedding_size=8, hidden_sizes=[8], depths=[1])
    transformers.ResNetForImageClassification(config).save_pretrained(tmp_path)
    with pytest.raises(TeacherError, match="no pictures in colour"):
        load_teacher(tmp_path)


def test_a_model_without_a_trained_classifier_is_refused(vit: Path) -> None:
    """The library would make one up."""
    tensors = load_file(vit / "model.safetensors")
    save_file({k: v for k, v in tensors.items() if "classifier" not in k}, vit / "model.safetensors", {"format": "pt"})
    with pytest.raises(TeacherError, match=r"classifier\.bias"):
        load_teacher(vit)


@pytest.mark.parametrize("config", ["", "{", "{}", '{"model_type": "bert"}', '{"model_type": "no-such-model"}'])
def test_a_folder_of_something_else_is_refused(config: str, vit: Path) -> None:
    (vit / "config.json").write_text(config)
    with pytest.raises(TeacherError, match="not a usable image classifier"):
        load_teacher(vit)


def test_code_that_comes_with_a_model_is_not_run(vit: Path) -> None:
    mark = vit / "was-run"
    (vit / "own.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
    classes = {"AutoConfig": "own.Config", "AutoModelForImageClassification": "own.Model"}
    change(vit / "config.json", model_type="own", auto_map=classes)
    with pytest.raises(TeacherError, match="not a usable image classifier"):
        load_teacher(vit)
    assert not mark.exists()
