"""What a setting makes of a data sheet."""

from __future__ import annotations

import pytest

from edgetune.device.profile import load_profile
from edgetune.latency.features import machine_of
from edgetune.latency.setting import Setting


@pytest.mark.parametrize(
    ("board", "runtime", "precision", "gmacs", "bytes_each"),
    [  # by hand: cores × multiply-accumulates a cycle × GHz
        ("rpi5", "ncnn", "fp32", 4 * 16 * 2.4, 2),  # Cortex-A76: half precision, eight a vector, two pipes
        ("rpi5", "tflite", "fp32", 4 * 8 * 2.4, 4),
        ("rpi5", "ncnn", "int8", 4 * 32 * 2.4, 1),
        ("rpi4", "ncnn", "fp32", 4 * 4 * 1.8, 4),  # Cortex-A72: no arithmetic in half precision
    ],
)
def test_ncnn_halves_where_the_core_can(
    board: str, runtime: str, precision: str, gmacs: float, bytes_each: int
) -> None:
    profile = load_profile(board)
    machine = machine_of(profile, Setting(runtime, "", precision, 4, profile.cpu_mhz))  # type: ignore[arg-type]
    assert machine.macs_per_ms == pytest.approx(gmacs * 1e6) and machine.element_bytes == bytes_each
