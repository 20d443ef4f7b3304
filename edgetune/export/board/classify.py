"""Names what a picture shows. Needs numpy, pillow, and the runtime of the model's kind.

    python classify.py model.onnx picture.jpg [picture.png …]

Each line is a picture and its three likeliest labels.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

RUNTIMES = {".onnx": "run_onnx", ".so": "run_tvm", ".tflite": "run_tflite"}
HERE = Path(__file__).parent


def read_pixels(path: str, resolution: int, channels: int) -> np.ndarray:
    """A picture as the network was trained on: upright, on white, its centre square, float32 (1, C, H, W), 0…255."""
    with Image.open(path) as image:
        image.draft(None, (2 * resolution, 2 * resolution))
        upright = ImageOps.exif_transpose(image)
    if upright.has_transparency_data:
        picture = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    square = ImageOps.fit(
        upright.convert("L" if channels == 1 else "RGB"), (resolution, resolution), Image.Resampling.BICUBIC
    )
    return np.asarray(square, np.float32).reshape(1, resolution, resolution, channels).transpose(0, 3, 1, 2)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


def main(model: str, *pictures: str) -> None:
    card: dict[str, Any] = json.loads((HERE / "card.json").read_text())
    shape = card["preprocessing"]
    run = importlib.import_module(RUNTIMES[Path(model).suffix]).load(model)
    for path in pictures:
        shares = softmax(run(read_pixels(path, shape["resolution"], shape["channels"]))[0])
        best = np.argsort(-shares)[:3]
        print(path, *(f"{card['labels'][i]} {shares[i]:.1%}" for i in best), sep="  ")


if __name__ == "__main__":
    main(*sys.argv[1:])
