"""FBNet's space: kernels counted by hand, shapes as the published macro-architecture says."""

from __future__ import annotations

import pytest

from edgetune.errors import ConfigError
from edgetune.latency.reference import reference_graph
from edgetune.latency.reference.fbnet import SKIP

SKIPPED = str(SKIP) * 22


def with_choice(layer: int, choice: int) -> str:
    return f"fbnet-{SKIPPED[:layer]}{choice}{SKIPPED[layer + 1 :]}"


def test_all_layers_skipped() -> None:
    """Stem, a 1×1 convolution where width or side changes, head, pool, classifier."""
    graph = reference_graph(f"fbnet-{SKIPPED}")
    widths = [(16, 24, 32), (24, 32, 16), (32, 64, 8), (64, 112, 8), (112, 184, 4), (184, 352, 4)]
    skips = sum(a * b * side**2 for a, b, side in widths)
    assert graph.macs == 3 * 9 * 16 * 32**2 + skips + 352 * 1504 * 4**2 + 1504 * 100
    assert len(graph.kernels) == 1 + len(widths) + 3


def test_a_block_by_hand() -> None:
    """Layer 3: 24 channels at 32 pixels, 3×3, expansion 6, with its sum."""
    more = reference_graph(with_choice(3, 3)).macs - reference_graph(f"fbnet-{SKIPPED}").macs
    assert more == 32**2 * (24 * 144 + 9 * 144 + 144 * 24)
    kinds = [k.kind for k in reference_graph(with_choice(3, 3)).kernels if k.name.startswith("layer3.")]
    assert kinds == ["pointwise", "depthwise", "pointwise", "add"]


def test_groups_halve_the_products_and_shuffle() -> None:
    plain, grouped = (reference_graph(with_choice(2, choice)) for choice in (0, 1))
    assert plain.macs - grouped.macs == 32**2 * 24 * 24
    assert [k.kind for k in grouped.kernels if k.name == "layer2.shuffle"] == ["copy"]


def test_other_digits_are_refused() -> None:
    with pytest.raises(ConfigError, match="22 digits"):
        reference_graph("fbnet-" + "9" * 22)
