"""What a latency speaks of besides the network: runtime, version, precision, threads, clock."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgetune.errors import ConfigError, nearest
from edgetune.latency.graph import BYTES, Precision

RUNTIMES = ("armnn", "ncnn", "onnxruntime", "tengine", "tflite", "tvm", "xnnpack")
MOST_THREADS, MOST_MHZ = 256, 10_000


@dataclass(frozen=True, order=True)
class Setting:
    """One way of running networks on a board.

    Raises
    ------
    ConfigError
        Threads or a clock that no board has.
    """

    runtime: str
    version: str
    precision: Precision
    threads: int
    cpu_mhz: int

    def __post_init__(self) -> None:
        for name, value, most in (("threads", self.threads, MOST_THREADS), ("cpu_mhz", self.cpu_mhz, MOST_MHZ)):
            if not 1 <= value <= most:
                raise ConfigError(str(value), where=name, mend=f"from 1 to {most}")

    @property
    def label(self) -> str:
        return f"{runtime_label(self.runtime, self.version)} {self.precision} {self.threads} threads {self.cpu_mhz} MHz"


def runtime_label(runtime: str, version: str) -> str:
    """
    >>> runtime_label("tflite", "2.7.1")
    'tflite-2.7.1'
    """
    return f"{runtime}-{version}" if version else runtime


def parse_runtime(text: str) -> tuple[str, str]:
    """Name and version, the latter empty where none is given.

    >>> parse_runtime("tflite-2.7.1"), parse_runtime("tflite")
    (('tflite', '2.7.1'), ('tflite', ''))

    Raises
    ------
    ConfigError
        No runtime goes by this name.
    """
    name, _, version = text.lower().partition("-")
    if name not in RUNTIMES:
        raise ConfigError(f"there is no runtime {name!r}", where="runtime", mend=nearest(name, RUNTIMES))
    return name, version


def parse_precision(text: str) -> Precision:
    """
    Raises
    ------
    ConfigError
        Not a precision.
    """
    if text not in BYTES:
        raise ConfigError(f"there is no precision {text!r}", where="precision", mend=nearest(text, BYTES))
    return text


def version_key(version: str) -> tuple[int, ...]:
    """Orders versions as numbers: 2.11.0 after 2.7.1."""
    return tuple(int(part) for part in re.findall(r"\d+", version))
