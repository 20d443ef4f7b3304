"""Which networks a batch of the supernet trains."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgetune.distill.sandwich import RANDOM_NETWORKS, Sandwich
from edgetune.space.architecture import Architecture
from edgetune.space.mobile import MOBILE_SMALL
from edgetune.space.parameters import Sample
from edgetune.space.shrinking import CHOICES


def architecture(sample: Sample) -> Architecture:
    return MOBILE_SMALL.architecture(sample, channels=1, resolution=28, classes=10)


LARGEST = [architecture(sample) for sample in MOBILE_SMALL.largest()]
SMALLEST = architecture(MOBILE_SMALL.smallest())


def batches(sandwich: Sandwich, done: float, count: int = 20) -> list[list[Architecture]]:
    return [sandwich.networks(done, np.random.default_rng(seed)) for seed in range(count)]


def sandwich(shrinking: Mapping[str, float] | None = None, *, both_ends: bool = True) -> Sandwich:
    return Sandwich(MOBILE_SMALL, architecture, shrinking or dict.fromkeys(CHOICES, 0.25), both_ends=both_ends)


def test_a_batch_has_both_ends_and_random_networks_between() -> None:
    found = batches(sandwich(), done=0.25)
    assert {len(networks) for networks in found} == {2 + RANDOM_NETWORKS}
    assert {networks[0] for networks in found} == set(LARGEST), "first, since the others may learn from it"
    assert {networks[1] for networks in found} == {SMALLEST}
    between = [network for networks in found for network in networks[2:]]
    assert len(set(between)) == len(between) > 0, "each is drawn on its own"


def test_one_end_a_batch_is_either_by_chance() -> None:
    found = batches(sandwich(both_ends=False), done=0.5, count=60)
    assert {len(networks) for networks in found} == {1 + RANDOM_NETWORKS}
    assert {networks[0] for networks in found} == {*LARGEST, SMALLEST}
    assert 20 <= sum(networks[0] == SMALLEST for networks in found) <= 40, "half of them, give or take"


def test_before_anything_is_open_only_the_largest_are_trained() -> None:
    found = batches(sandwich(), done=0.24)
    assert {len(networks) for networks in found} == {1}
    assert {networks[0] for networks in found} == set(LARGEST)


def test_networks_shrink_in_one_way_after_the_other() -> None:
    shares = {"kernel": 0.2, "depth": 0.4, "expansion": 0.6, "width": 0.8, "operators": 0.0}

    def seen(done: float) -> dict[str, set[object]]:
        networks = [network for batch in batches(sandwich(shares), done) for network in batch]
        blocks = [block for network in networks for block in network.blocks]
        return {
            "kernel": {block.kernel for block in blocks if block.kind == "mbconv"},
            "depth": {len(network.blocks) for network in networks},
            "expansion": {block.expansion for block in blocks},
            "width": {network.head_width for network in networks},
        }

    largest = {"kernel": {7}, "depth": {7}, "expansion": {2, 3, 4}, "width": {192}}
    assert seen(0.1) == largest
    at_first = seen(0.3)
    assert at_first == largest | {"kernel": {3, 5, 7}}
    then = seen(0.5)
    assert then == at_first | {"depth": {3, 4, 5, 6, 7}}
    later = seen(0.7)
    assert later == then | {"expansion": {1, 2, 3, 4}}
    assert seen(0.9) == later | {"width": {96, 128, 192}}
