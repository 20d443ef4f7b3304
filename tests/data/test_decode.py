from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edgetune.data import decode as module
from edgetune.data.decode import UnreadablePicture, decode, resize_square


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def plain(mode: str, colour: float | tuple[float, ...] | str, kind: str = "PNG", **options: object) -> bytes:
    return encoded(Image.new(mode, (40, 40), colour), kind, **options)


def palette() -> Image.Image:
    image = Image.new("P", (40, 40), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    return image


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(plain("RGB", (10, 20, 30)), (10, 20, 30), id="rgb"),
        pytest.param(plain("L", 77), (77, 77, 77), id="grey"),
        pytest.param(plain("1", 1), (255, 255, 255), id="bilevel"),
        pytest.param(plain("RGBA", (10, 20, 30, 0)), (255, 255, 255), id="transparent"),
        pytest.param(plain("RGBA", (0, 0, 0, 128)), (127, 127, 127), id="half-transparent"),
        pytest.param(plain("LA", (0, 0)), (255, 255, 255), id="grey-transparent"),
        pytest.param(encoded(palette(), "PNG"), (10, 20, 30), id="palette"),
        pytest.param(encoded(palette(), "PNG", transparency=1), (255, 255, 255), id="palette-transparent"),
        pytest.param(plain("RGB", (9, 9, 9), transparency=(9, 9, 9)), (255, 255, 255), id="rgb-key"),
        pytest.param(plain("I;16", 65535), (255, 255, 255), id="16-bit-white"),
        pytest.param(plain("I;16", 257 * 100), (100, 100, 100), id="16-bit-grey"),
        pytest.param(plain("I;16", 257 * 100, "TIFF"), (100, 100, 100), id="16-bit-tiff"),
        pytest.param(plain("I;16", 257 * 100, "PPM"), (100, 100, 100), id="16-bit-pgm"),
        pytest.param(plain("I;16", 200, "PPM"), (1, 1, 1), id="16-bit-pgm-dark"),
        pytest.param(plain("I", 100, "TIFF"), (100, 100, 100), id="32-bit-tiff-of-8-bits"),
        pytest.param(plain("I", 257 * 100, "TIFF"), (100, 100, 100), id="32-bit-tiff-of-16-bits"),
        pytest.param(plain("CMYK", (0, 255, 255, 0), "TIFF"), (255, 0, 0), id="cmyk"),
        pytest.param(plain("CMYK", (0, 255, 255, 0), "JPEG", quality=100), (255, 0, 0), id="cmyk-jpeg"),
        pytest.param(plain("RGB", (10, 20, 30), "WEBP", lossless=True), (10, 20, 30), id="webp"),
        pytest.param(plain("RGB", (10, 20, 30), "BMP"), (10, 20, 30), id="bmp"),
    ],
)
def test_modes_become_rgb(data: bytes, expected: tuple[int, int, int]) -> None:
    pixels = decode(data, 32, 3)
    assert pixels.shape == (32, 32, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - expected).max() <= 1


def test_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "lime", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (decode(data, 16, 3) == (255, 0, 0)).all()


def test_centre_of_the_longer_side_is_kept() -> None:
    image = Image.new("RGB", (300, 100), "red")
    image.paste("blue", (100, 0, 200, 100))
    pixels = decode(encoded(image, "PNG"), 50, 3)
    assert (pixels[:, 2:-2] == (0, 0, 255)).all()  # the filter reaches two pixels over the cut


def test_exif_orientation_is_applied() -> None:
    image = Image.new("RGB", (64, 64), "black")
    image.paste("white", (0, 0, 64, 32))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    pixels = decode(encoded(image, "JPEG", exif=exif, quality=95), 64, 1)[..., 0]
    assert pixels[:, 40:].min() > 200
    assert pixels[:, :24].max() < 50


def test_large_jpeg_is_shrunk_as_if_decoded_whole() -> None:
    ramp = np.linspace(0, 255, 2048).astype(np.uint8)
    image = Image.fromarray(np.stack([np.tile(ramp, (2048, 1)), np.tile(ramp[:, None], (1, 2048))] * 2, -1)[..., :3])
    whole = np.asarray(image.resize((32, 32), Image.Resampling.BICUBIC)).astype(int)
    assert np.abs(decode(encoded(image, "JPEG", quality=95), 32, 3) - whole).max() <= 3


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "an empty file"),
        (b"hello", "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
        (plain("RGB", "red", "JPEG")[:-60], "(?i)truncated"),
        (plain("F", 0.5, "TIFF"), "floating-point"),
        (plain("I", 70_000, "TIFF"), "32-bit"),
    ],
    ids=["empty", "text", "postscript", "truncated", "float", "32-bit"],
)
def test_unreadable_pictures_say_why(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadablePicture, match=reason):
        decode(data, 32, 3)


def test_too_many_pixels_are_refused_before_they_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PIXELS", 1000)
    with pytest.raises(UnreadablePicture, match="megapixels"):
        decode(plain("RGB", "red"), 32, 3)


PICTURES = [
    encoded(Image.effect_noise((50, 40), 60).convert(mode), kind)
    for mode, kind in [
        ("RGB", "JPEG"),
        ("RGBA", "PNG"),
        ("P", "GIF"),
        ("RGB", "TIFF"),
        ("RGB", "WEBP"),
        ("CMYK", "JPEG"),
    ]
]


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(st.sampled_from(PICTURES), st.integers(0, 400), st.binary(min_size=1, max_size=8), st.booleans())
def test_damage_gives_pixels_or_a_reason_and_nothing_else(data: bytes, place: int, junk: bytes, cut: bool) -> None:
    damaged = data[:place] if cut else data[:place] + junk + data[place + len(junk) :]
    try:
        pixels = decode(damaged, 24, 3)
    except UnreadablePicture as reason:
        pixels = None
        words = str(reason)
    assert words if pixels is None else pixels.shape == (24, 24, 3)


def test_resize_square_leaves_fitting_arrays_alone() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 12, 12, 3), np.uint8)
    assert resize_square(images, 12) is images
    grown = resize_square(images, 24)
    assert grown.shape == (5, 24, 24, 3)
    assert np.abs(grown.mean((1, 2)) - images.mean((1, 2))).max() < 2
    assert resize_square(images[..., :1], 6).shape == (5, 6, 6, 1)
