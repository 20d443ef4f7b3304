"""Which kinds of artefact a bundle gets."""

from __future__ import annotations

from edgetune.errors import ConfigError, nearest

FORMATS = ("onnx", "int8", "tvm", "tflite")
USUAL = ("onnx", "int8", "tvm")


def formats_of(text: str, *, where: str) -> tuple[str, ...]:
    """The formats named in a list with commas, in the order of `FORMATS`.

    `int8` beside `tflite` means both INT8 files.

    Raises
    ------
    ConfigError
        None, or an unknown one.

    >>> formats_of("tflite, onnx", where="--formats")
    ('onnx', 'tflite')
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise ConfigError("names no format", where=where, mend=f"known: {', '.join(FORMATS)}")
    for name in names:
        if name not in FORMATS:
            raise ConfigError(f"no format is called {name!r}", where=where, mend=nearest(name, FORMATS))
    return tuple(name for name in FORMATS if name in names)


def usual_formats() -> tuple[str, ...]:
    """What a search makes if it is not told: TensorFlow Lite only where its converter's environment stands already."""
    from edgetune.export.litert_environment import LiteRT

    return FORMATS if LiteRT.here().ready else USUAL
