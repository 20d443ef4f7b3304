"""From a picture file of any size and mode to a square of 8-bit pixels."""

from __future__ import annotations

import io
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

# Named one by one: Pillow would hand PostScript, for one, to an interpreter.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N"})
MOST_PIXELS = 100_000_000
warnings.filterwarnings("ignore", module=r"PIL\.")  # what is wrong with a picture is said where it is counted


class UnreadablePicture(Exception):
    """A file that is no picture, or a broken one. The message is the reason, in a few words."""


def open_picture(data: bytes) -> Image.Image:
    """The picture with its header read and its pixels not yet decoded.

    Raises
    ------
    UnreadablePicture
        No picture, or more than 100 megapixels.
    """
    if not data:
        raise UnreadablePicture("an empty file")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise UnreadablePicture("not a picture") from error
    except Exception as error:  # decoders raise all kinds on damaged headers
        raise UnreadablePicture(str(error)) from error
    if image.width * image.height > MOST_PIXELS:
        raise UnreadablePicture("more than 100 megapixels")
    return image


def decode(data: bytes, resolution: int, channels: int) -> NDArray[np.uint8]:
    """A picture file's pixels, (resolution, resolution, channels), uint8.

    The first frame of an animation, turned as its EXIF orientation says, transparency laid on white, the shorter side
    resized (bicubic) to `resolution`, the centre cut out; grey for one channel, RGB for three.

    Raises
    ------
    UnreadablePicture
        No picture, a truncated or damaged one, or one in a colour space without a way to RGB.
    """
    image = open_picture(data)
    try:
        image.draft(None, (2 * resolution, 2 * resolution))  # a large JPEG is decoded at a half, a quarter or an eighth
        wide = image.format == "TIFF" and image.mode == "I"  # transposing forgets the format
        image = eight_bits_opaque(ImageOps.exif_transpose(image), wide=wide)
        image = image.convert("L" if channels == 1 else "RGB")
        image = ImageOps.fit(image, (resolution, resolution), Image.Resampling.BICUBIC)
        return np.asarray(image).reshape(resolution, resolution, channels)
    except UnreadablePicture:
        raise
    except Exception as error:  # decoders raise all kinds on damaged data
        raise UnreadablePicture(str(error) or type(error).__name__) from error


def eight_bits_opaque(image: Image.Image, *, wide: bool = False) -> Image.Image:
    """The picture with 16-bit pixels scaled to 8 bits and transparent ones laid on white.

    `wide` pixels have 32 bits, and their values alone say of how many they are: of 8 where none is above 255.
    """
    if image.mode == "I" or image.mode.startswith("I;16"):
        values = np.asarray(image, dtype=np.int64)
        if values.size and not 0 <= values.min() <= values.max() <= 65535:
            raise UnreadablePicture("32-bit pixels, whose scale is unknown")
        if not (wide and values.size and values.max() <= 255):
            values = (values + 128) // 257
        return Image.fromarray(values.astype(np.uint8))
    if image.mode == "F":
        raise UnreadablePicture("floating-point pixels, whose scale is unknown")
    if image.has_transparency_data:
        picture = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return image


def resize_square(images: NDArray[np.uint8], resolution: int) -> NDArray[np.uint8]:
    """Square pictures (N, side, side, channels) resized (bicubic) to `resolution`; the same array if it fits."""
    count, side, _, channels = images.shape
    if side == resolution:
        return images
    resized = np.empty((count, resolution, resolution, channels), np.uint8)
    for row, image in zip(resized, images, strict=True):
        picture = Image.fromarray(image[:, :, 0] if channels == 1 else image)
        row[:] = np.asarray(picture.resize((resolution, resolution), Image.Resampling.BICUBIC)).reshape(row.shape)
    return resized
