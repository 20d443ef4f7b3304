"""Architectures of the mobile spaces."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetune.space.architecture import Architecture
from edgetune.space.mobile import MOBILE_LARGE, MOBILE_SMALL, MOBILE_SPACES, MobileSpace, space_for
from edgetune.space.parameters import Choice, Sample

both = pytest.mark.parametrize("mobile", [MOBILE_SMALL, MOBILE_LARGE], ids=lambda mobile: mobile.name)
seeds = st.integers(0, 2**32 - 1)


def network(mobile: MobileSpace, sample: Sample) -> Architecture:
    return mobile.architecture(sample, channels=3, resolution=mobile.resolutions[1], classes=10)


def shallow(mobile: MobileSpace, **values: object) -> Sample:
    """The smallest sample, but for these values; dots of labels are written as two underscores."""
    given_values = {label.replace("__", "."): value for label, value in values.items()}
    return mobile.space.complete({**mobile.smallest().values, **given_values}, np.random.default_rng(0))  # type: ignore[dict-item]


@both
@given(seed=seeds)
def test_the_blocks_are_the_samples(mobile: MobileSpace, seed: int) -> None:
    sample = mobile.space.draw(np.random.default_rng(seed))
    blocks = {block.name: block for block in network(mobile, sample).blocks}
    expected = [
        f"stage{s}_block{b}"
        for s in range(1, len(mobile.stages) + 1)
        for b in range(1, int(sample[f"stage{s}.depth"]) + 1)
    ]
    assert list(blocks) == expected
    for name, block in blocks.items():
        said = {field: sample.values.get(f"{name.replace('_block', '.block')}.{field}") for field in FIELDS}
        assert {field: getattr(block, field) for field in FIELDS} == said | {"kernel": said["kernel"] or 3}


FIELDS = ("kind", "kernel", "expansion", "activation", "squeeze_excite")


@both
@given(seed=seeds)
def test_widths_chain_and_the_first_block_of_a_stage_has_its_stride(mobile: MobileSpace, seed: int) -> None:
    sample = mobile.space.draw(np.random.default_rng(seed))
    a = network(mobile, sample)
    assert a.blocks[0].in_width == a.stem_width == sample["stem.width"]
    assert all(before.out_width == after.in_width for before, after in pairwise(a.blocks))
    assert a.last_width == a.blocks[-1].out_width
    for block in a.blocks:
        stage, number = block.name.removeprefix("stage").split("_block")
        assert block.out_width == sample[f"stage{stage}.width"]
        assert block.stride == (mobile.stages[int(stage) - 1].stride if number == "1" else 1)
        assert block.residual == (block.stride == 1 and block.in_width == block.out_width)
        assert block.residual or number == "1", "within a stage every block after the first has a shortcut"


@both
@given(seed=seeds)
def test_only_what_exists_has_labels(mobile: MobileSpace, seed: int) -> None:
    values = mobile.space.draw(np.random.default_rng(seed)).values
    for s, stage in enumerate(mobile.stages, 1):
        for b in range(1, stage.depths[-1] + 1):
            name = f"stage{s}.block{b}"
            exists = b <= int(values[f"stage{s}.depth"])
            separable = exists and values[f"{name}.kind"] == "mbconv"
            assert (f"{name}.kernel" in values) == separable
            assert all((f"{name}.{field}" in values) == exists for field in FIELDS if field != "kernel")


@both
def test_depth_1_has_no_second_block(mobile: MobileSpace) -> None:
    sample = shallow(mobile, stage1__depth=1)
    assert not [label for label in sample.values if label.startswith("stage1.block2")]
    deeper = shallow(mobile, stage1__depth=2)
    assert len([label for label in deeper.values if label.startswith("stage1.block2")]) >= 4
    assert len(network(mobile, deeper).blocks) == len(network(mobile, sample).blocks) + 1


@both
def test_a_fused_block_is_a_3x3_convolution_without_a_kernel_label(mobile: MobileSpace) -> None:
    sample = shallow(mobile, stage2__block1__kind="fused")
    assert "stage2.block1.kernel" not in sample.values
    (block,) = (block for block in network(mobile, sample).blocks if block.name == "stage2_block1")
    assert block.kind == "fused" and block.kernel == 3
    same = mobile.space.sample({**sample.values, "stage2.block1.kernel": 7})
    assert same == sample and same.hash == sample.hash


@both
@given(seed=seeds)
def test_different_samples_are_different_networks(mobile: MobileSpace, seed: int) -> None:
    one, other = (mobile.space.draw(np.random.default_rng([seed, i])) for i in range(2))
    assert (network(mobile, one) == network(mobile, other)) == (one == other)


@both
@given(seed=seeds)
def test_every_network_lies_between_the_smallest_and_the_largest(mobile: MobileSpace, seed: int) -> None:
    sample = mobile.space.draw(np.random.default_rng(seed))
    small, largest = mobile.smallest().values, {**mobile.largest()[1].values, **mobile.largest()[0].values}
    for parameter in mobile.space.parameters:
        assert isinstance(parameter, Choice)
        value = sample.values.get(parameter.label)
        if type(value) is int:
            assert value <= int(largest[parameter.label])
            assert value >= int(small.get(parameter.label, 0))  # the smallest has no second blocks


@both
def test_the_largest_have_every_block_once_with_each_kind(mobile: MobileSpace) -> None:
    largest = [network(mobile, sample) for sample in mobile.largest()]
    for a in largest:
        assert len(a.blocks) == sum(stage.depths[-1] for stage in mobile.stages)
        assert all(block.squeeze_excite for block in a.blocks)
    for blocks in zip(*(a.blocks for a in largest), strict=True):
        label = blocks[0].name.replace("_block", ".block") + ".kind"
        assert {block.kind for block in blocks} == set(mobile.space.by_label[label].options)  # type: ignore[union-attr]


@both
def test_pools_are_in_ascending_order(mobile: MobileSpace) -> None:
    for parameter in mobile.space.parameters:
        assert isinstance(parameter, Choice)
        numbers = [option for option in parameter.options if type(option) is int]
        assert numbers == sorted(set(numbers))


@pytest.mark.parametrize(
    ("resolution", "name"),
    [(8, "mobile-small"), (28, "mobile-small"), (64, "mobile-small"), (65, "mobile-large"), (224, "mobile-large")],
)
def test_the_space_follows_the_pictures(resolution: int, name: str) -> None:
    assert space_for(resolution) is MOBILE_SPACES[name]
