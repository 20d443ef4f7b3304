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
        upright = eight_bits_opaque(ImageOps.exif_transpose(image), path)
    square = ImageOps.fit(
        upright.convert("L" if channels == 1 else "RGB"), (resolution, resolution), Image.Resampling.BICUBIC
    )
    return np.asarray(square, np.float32).reshape(1, resolution, resolution, channels).transpose(0, 3, 1, 2)


def eight_bits_opaque(image: Image.Image, path: str) -> Image.Image:
    """The picture with 16-bit pixels scaled to 8 bits and transparent ones laid on white."""
    if image.mode == "I" or image.mode.startswith("I;16"):
        values = np.asarray(image, dtype=np.int64)
        if values.size and not 0 <= values.min() <= values.max() <= 65535:
            sys.exit(f"{path}: 32-bit pixels, whose scale is unknown")
        return Image.fromarray(((values + 128) // 257).astype(np.uint8))
    if image.mode == "F":
        sys.exit(f"{path}: floating-point pixels, whose scale is unknown")
    if image.has_transparency_data:
        picture = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return image


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
