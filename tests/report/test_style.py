"""Contrast after WCAG 2.2: 4.5 for text, 3 for what is drawn, in light and in dark."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

SHEET = (files("edgetune.report") / "templates" / "page.css").read_text()
LIGHT = dict(re.findall(r"(--[\w-]+):\s*(#[0-9a-f]{6})", SHEET.split("@media")[0]))
DARK = LIGHT | dict(re.findall(r"(--[\w-]+):\s*(#[0-9a-f]{6})", SHEET.split("@media")[1]))
DRAWN = [name for name in LIGHT if name.startswith("--kind-")]
DRAWN += [
    f"--{name}" for name in ("trial", "refused", "front", "finalist", "stem", "mbconv", "fused", "head", "gain", "loss")
]


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_the_formula() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # the well-known grey that just fails


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_read(theme: dict[str, str]) -> None:
    for ink in ("--ink", "--muted", "--link", "--limit", "--teacher"):
        for paper in ("--paper", "--surface"):
            assert contrast(theme[ink], theme[paper]) >= 4.5, (ink, paper)
    assert contrast(theme["--warn-ink"], theme["--warn-paper"]) >= 4.5


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_marks_can_be_seen(theme: dict[str, str]) -> None:
    for colour in DRAWN:
        assert contrast(theme[colour], theme["--paper"]) >= 3, colour
