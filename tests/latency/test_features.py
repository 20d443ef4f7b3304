"""What a setting makes of a data sheet."""

from __future__ import annotations

import pytest

from edgetune.device.profile import load_profile
from edgetune.latency.builder import INPUT, GraphBuilder
from edgetune.latency.features import kernel_features, machine_of
from edgetune.latency.setting import Setting


@pytest.mark.parametrize(
    ("board", "runtime", "precision", "gmacs", "bytes_each"),
    [  # by hand: cores × multiply-accumulates a cycle × GHz
        ("rpi5", "ncnn", "fp32", 4 * 16 * 2.4, 2),  # Cortex-A76: half precision, eight a vector, two pipes
        ("rpi5", "tflite", "fp32", 4 * 8 * 2.4, 4),
        ("rpi5", "ncnn", "int8", 4 * 32 * 2.4, 1),
        ("rpi5", "tflite", "fp16", 4 * 16 * 2.4, 2),
        ("rpi4", "ncnn", "fp32", 4 * 4 * 1.8, 4),  # Cortex-A72: no arithmetic in half precision
        ("rpi4", "tflite", "fp16", 4 * 4 * 1.8, 4),
    ],
)
def test_half_precision_is_computed_where_the_core_can(
    board: str, runtime: str, precision: str, gmacs: float, bytes_each: int
) -> None:
    profile = load_profile(board)
    machine = machine_of(profile, Setting(runtime, "", precision, 4, profile.cpu_mhz))  # type: ignore[arg-type]
    assert machine.macs_per_ms == pytest.approx(gmacs * 1e6) and machine.element_bytes == bytes_each


def test_the_first_convolution_is_a_kind_of_its_own() -> None:
    """Seen with its picture's size alone, as in MLPerf's tables, it says nothing of convolutions inside."""
    builder = GraphBuilder("stem and more", (3, 64, 64))
    x = builder.conv(INPUT, 16, kernel=3, stride=2)
    builder.conv(x, 16, kernel=3)
    profile = load_profile("rpi4")
    machine = machine_of(profile, Setting("tflite", "", "fp32", 4, profile.cpu_mhz))
    first, inner = ({name for name, _ in kernel_features(kernel, machine)} for kernel in builder.graph().kernels)
    assert {"first.macs", "first.patches"} <= first and {"conv3.macs", "conv.patches"} <= inner
    assert not {"conv.macs", "conv3.macs", "conv.patches"} & first
