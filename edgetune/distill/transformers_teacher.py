"""Image classifiers of `transformers`, from a local folder."""

from __future__ import annotations

import hashlib
from pathlib import Path
from textwrap import shorten

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from edgetune.distill.teacher import TorchTeacher
from edgetune.errors import MissingDependencyError, TeacherError
from edgetune.nets.layers import Normalize

CHANNELS = 3


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

    The teacher sees the whole picture at the processor's resolution, also where the processor would cut its rim off.

    Raises
    ------
    TeacherError
        Not an image classifier, no safetensors in the folder, or a processor of other pictures than square ones.
    """
    try:
        from transformers import AutoModelForImageClassification
    except ImportError as error:
        raise MissingDependencyError("transformers is not installed", mend="pip install 'edgetune[search]'") from error
    files = sorted(path.glob("*.safetensors"))
    if not files:
        raise TeacherError("no .safetensors file in it", where=path, mend="save the model with safe_serialization")
    try:
        model, loading = AutoModelForImageClassification.from_pretrained(
            path,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=torch.float32,
            output_loading_info=True,
        )
    except Exception as error:  # the library raises whatever its parts raise
        reason = shorten(str(error), 300, placeholder=" …")
        raise TeacherError(f"not a usable image classifier: {reason}", where=path, mend="check the folder") from error
    untrained = sorted(name for name, _ in model.named_parameters() if name in loading["missing_keys"])
    if untrained:  # the library makes them up
        raise TeacherError(
            f"no weights for {untrained[0]}", where=path, mend="give a model that was trained to classify"
        )
    if getattr(model.config, "num_channels", CHANNELS) != CHANNELS:
        raise TeacherError("takes no pictures in colour", where=path, mend="give a model for red, green and blue")
    mean, std, resolution = _preprocessing(path, int(np.max(getattr(model.config, "image_size", 224))))
    names = model.config.id2label
    if sorted(names) != list(range(len(names))):
        mend = "number id2label from 0, without gaps"
        raise TeacherError("its classes are not numbered in a row", where=path / "config.json", mend=mend)
    return TorchTeacher(
        _Logits(model, mean, std),
        name=f"{model.config.model_type} ({path.name})",
        classes=[names[index] for index in range(len(names))],
        channels=CHANNELS,
        resolution=resolution,
        content_hash=_digest([path / "config.json", path / "preprocessor_config.json", *files]),
        licence="see the model's card",
    )


def _preprocessing(path: Path, side: int) -> tuple[tuple[float, ...], tuple[float, ...], int]:
    """Mean and deviation on the 0…1 scale and the resolution of the model's own image processor.

    They are read off what it makes of pictures of one colour and `side` pixels a side, because processors say the
    same in many ways.
    """
    from transformers import AutoImageProcessor

    file = path / "preprocessor_config.json"
    if not file.is_file():
        mend = "copy it beside config.json: the normalisation is part of a teacher"
        raise TeacherError("no preprocessor_config.json in it", where=path, mend=mend)
    try:
        processor = AutoImageProcessor.from_pretrained(path, local_files_only=True, trust_remote_code=False)
        pictures = [Image.new("RGB", (side, side), colour) for colour in ("black", "white", "red")]
        pixels = processor(pictures, return_tensors="np")["pixel_values"]
        height, resolution = pixels.shape[2:]
        black, white, red = pixels[:, :, height // 2, resolution // 2].astype(float)
    except Exception as error:  # the library raises whatever its parts raise
        reason = shorten(str(error), 300, placeholder=" …")
        raise TeacherError(f"its image processor cannot be used: {reason}", where=file, mend="check it") from error
    if height != resolution:
        reason = f"its image processor makes pictures of {resolution}×{height}"
        raise TeacherError(reason, where=file, mend="give a teacher for square pictures")
    if not np.allclose(red, [white[0], *black[1:]]):
        mend = "give a teacher that takes red, green and blue, each normalised alone"
        raise TeacherError("its image processor mixes or swaps colours", where=file, mend=mend)
    std = 1 / (white - black)
    return tuple((-black * std).tolist()), tuple(std.tolist()), resolution


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
