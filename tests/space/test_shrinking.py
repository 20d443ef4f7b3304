"""Spaces of which some choices are closed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetune.config import Shrinking
from edgetune.space.mobile import MOBILE_LARGE, MOBILE_SMALL, MobileSpace
from edgetune.space.parameters import Choice, Sample
from edgetune.space.shrinking import CHOICES, draw_opened, opened_at, smallest_opened

both = pytest.mark.parametrize("mobile", [MOBILE_SMALL, MOBILE_LARGE], ids=lambda mobile: mobile.name)
seeds = st.integers(0, 2**32 - 1)
SUFFIXES = {
    "operators": {"kind", "activation", "squeeze_excite"},
    "kernel": {"kernel"},
    "depth": {"depth"},
    "expansion": {"expansion"},
    "width": {"width"},
}
"""The last parts of the labels that each choice is about."""


def differing(mobile: MobileSpace, sample: Sample) -> set[str]:
    """Last parts of labels whose value is not the upper end; a kind is where there are two in one network."""
    options = {p.label: p.options for p in mobile.space.parameters if isinstance(p, Choice)}
    found = {
        label.rpartition(".")[2]
        for label, value in sample.values.items()
        if value != options[label][-1] and not label.endswith("kind")
    }
    free = [value for label, value in sample.values.items() if label.endswith("kind") and len(options[label]) > 1]
    return found | ({"kind"} if len(set(free)) > 1 else set())


@both
@given(seed=seeds, opened=st.sets(st.sampled_from(CHOICES)))
def test_only_what_is_open_differs_from_a_largest_network(mobile: MobileSpace, seed: int, opened: set[str]) -> None:
    allowed = set[str]().union(*(SUFFIXES[choice] for choice in opened))
    for sample in (
        draw_opened(mobile, opened, np.random.default_rng(seed)),
        smallest_opened(mobile, opened, np.random.default_rng(seed)),
    ):
        assert differing(mobile, sample) <= allowed


@both
@pytest.mark.parametrize("choice", CHOICES)
def test_what_is_open_does_differ(mobile: MobileSpace, choice: str) -> None:
    rng = np.random.default_rng(0)
    drawn = set[str]().union(*(differing(mobile, draw_opened(mobile, {choice}, rng)) for _ in range(20)))
    assert drawn == SUFFIXES[choice]
    # All blocks of the smallest network are of one kind; the kernel exists where the network is of separable blocks.
    ends = set[str]().union(*(differing(mobile, smallest_opened(mobile, {choice}, rng)) for _ in range(20)))
    assert ends == SUFFIXES[choice] - {"kind"}


@both
@given(seed=seeds)
def test_nothing_open_is_a_largest_network_and_everything_the_space(mobile: MobileSpace, seed: int) -> None:
    def rng() -> np.random.Generator:
        return np.random.default_rng(seed)

    assert draw_opened(mobile, (), rng()) in mobile.largest()
    assert smallest_opened(mobile, (), rng()) in mobile.largest()
    assert smallest_opened(mobile, CHOICES, rng()) == mobile.smallest()
    after_kind = rng()
    after_kind.integers(len(mobile.kinds))
    assert draw_opened(mobile, CHOICES, rng()) == mobile.space.draw(after_kind)


@both
def test_each_largest_network_has_its_turn(mobile: MobileSpace) -> None:
    rng = np.random.default_rng(0)
    assert {draw_opened(mobile, (), rng) for _ in range(30)} == set(mobile.largest())


def test_choices_open_one_after_the_other() -> None:
    shares = {"kernel": 0.25, "depth": 0.5, "width": 0.5, "operators": 0.0}
    assert opened_at(shares, 0.0) == {"operators"}
    assert opened_at(shares, 0.249) == {"operators"}
    assert opened_at(shares, 0.25) == {"operators", "kernel"}
    assert opened_at(shares, 0.99) == set(shares)


def test_a_configuration_names_all_choices() -> None:
    assert tuple(Shrinking.model_fields) == CHOICES
