"""Image classifiers of `transformers`, from a local folder."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from torch import Tensor, nn

from edgetune.distill.teacher import TorchTeacher
from edgetune.errors import MissingDependencyError, TeacherError
from edgetune.nets.layers import Normalize


class _Logits(nn.Module):
    """The model with its processor's normalisation in front."""

    def __init__(self, model: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.normalize = Normalize(mean, std)
        self.model = model

    def forward(self, pixels: Tensor) -> Tensor:
        return self.model(pixel_values=self.normalize(pixels)).logits


def load_transformers(path: Path) -> TorchTeacher:
    """Loads weights from safetensors only; code that comes with a model is never run.

    Raises
    ------
    TeacherError
        Not an image classifier, or no safetensors in the folder.
    """
    try:
        from transformers import AutoModelForImageClassification
    except ImportError as error:
        raise MissingDependencyError("transformers is not installed", mend="pip install 'edgetune[search]'") from error
    files = sorted(path.glob("*.safetensors"))
    if not files:
        raise TeacherError("no .safetensors file in it", where=path, mend="save the model with safe_serialization")
    try:
        model = AutoModelForImageClassification.from_pretrained(
            path, local_files_only=True, use_safetensors=True, trust_remote_code=False, dtype=torch.float32
        )
    except Exception as error:  # the library raises whatever its parts raise
        reason = str(error).splitlines()[0]
        raise TeacherError(f"not a usable image classifier: {reason}", where=path, mend="check the folder") from error
    mean, std, resolution = _preprocessing(path, model.config)
    names = model.config.id2label
    return TorchTeacher(
        _Logits(model, mean, std),
        name=f"{model.config.model_type} ({path.name})",
        classes=[names[index] for index in range(len(names))],
        channels=3,
        resolution=resolution,
        content_hash=_digest([path / "config.json", *files]),
        licence="see the model's card",
    )


def _preprocessing(path: Path, config: object) -> tuple[tuple[float, ...], tuple[float, ...], int]:
    """Mean and deviation on the 0…1 scale and the resolution, as the model's image processor has them."""
    file = path / "preprocessor_config.json"
    if not file.is_file():
        mend = "copy it beside config.json: the normalisation is part of a teacher"
        raise TeacherError("no preprocessor_config.json in it", where=path, mend=mend)
    processor = json.loads(file.read_text(encoding="utf-8"))
    normalised = processor.get("do_normalize", True)
    mean = tuple(processor["image_mean"]) if normalised else (0.0, 0.0, 0.0)
    std = tuple(processor["image_std"]) if normalised else (1.0, 1.0, 1.0)
    size = processor.get("crop_size") or processor.get("size") or getattr(config, "image_size", 224)
    if isinstance(size, dict):
        size = size.get("height") or size.get("shortest_edge")
    return mean, std, int(size)


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
