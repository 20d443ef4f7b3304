import nni
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nni.mutable import SampleValidationError
from nni.nas.evaluator import FunctionalEvaluator
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableLinear, Repeat
from nni.nas.space import SimplifiedModelSpace
from nni.nas.strategy import Random, RegularizedEvolution

from edgetune.errors import SpaceError
from edgetune.space.describe import space_of
from edgetune.space.mobile import MOBILE_SMALL
from edgetune.space.nni_space import NniModelSpace, from_nni, to_nni
from edgetune.space.parameters import Choice, Condition, Range, Sample, Space

SPACE = Space(
    "toy",
    (
        Choice("depth", (1, 2)),
        Choice("width1", (4, 8)),
        Choice("width2", (4, 8, 16), (Condition("depth", (2,)),)),
        Range("lr", 1e-4, 1e-1, log=True),
    ),
)


def build(sample: Sample) -> torch.nn.Module:
    layers, width = [], 3
    for b in range(1, int(sample["depth"]) + 1):
        out = int(sample[f"width{b}"])
        layers += [torch.nn.Linear(width, out), torch.nn.ReLU()]
        width = out
    return torch.nn.Sequential(*layers, torch.nn.Linear(width, 2))


def test_simplify_lists_every_parameter() -> None:
    mutables = NniModelSpace(SPACE, build).simplify()
    assert list(mutables) == ["depth", "width1", "width2", "lr"]
    assert list(mutables["width2"].values) == [4, 8, 16]


def test_freeze_builds_the_network_of_the_active_labels() -> None:
    frozen = NniModelSpace(SPACE, build).freeze({"depth": 1, "width1": 8, "width2": 16, "lr": 0.01})
    assert [layer.out_features for layer in frozen if isinstance(layer, torch.nn.Linear)] == [8, 2]
    assert frozen(torch.zeros(5, 3)).shape == (5, 2)


@pytest.mark.parametrize("wrong", [{"depth": 3}, {"lr": 1.0}])
def test_freeze_refuses_what_is_not_in_the_space(wrong: dict[str, float]) -> None:
    with pytest.raises(SampleValidationError):
        NniModelSpace(SPACE, build).freeze({"depth": 1, "width1": 8, "width2": 16, "lr": 0.01, **wrong})


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_samples_survive_the_way_to_nni_and_back(seed: int) -> None:
    for space in (SPACE, MOBILE_SMALL.space):
        sample = space.draw(np.random.default_rng(seed))
        assert from_nni(space, to_nni(space, sample)) == sample


def test_mutables_mean_what_lists_and_ranges_mean() -> None:
    width, lr = nni.choice("width", [64, 8, 32]), nni.mutable.Numerical(0, 1, label="lr")
    assert space_of({"width": width, "lr": lr}).parameters == (Choice("width", (8, 32, 64)), Range("lr", 0.0, 1.0))


class Deep(ModelSpace):  # type: ignore[misc]
    """Blocks that may be left out, of which one has a choice within a choice; all share `act`."""

    def __init__(self) -> None:
        super().__init__()
        self.body = Repeat(self.block, (1, 3), label="depth")
        self.end = MutableLinear(4, nni.choice("end", [2, 3]))

    def block(self, i: int) -> torch.nn.Module:
        shared = MutableLinear(4, 4, bias=nni.choice("shared", [True, False]))
        inner = MutableLinear(4, 4, bias=nni.choice(f"bias{i}", [True, False]))
        return torch.nn.Sequential(shared, LayerChoice([torch.nn.Identity(), inner], label=f"op{i}"))


def test_what_is_not_built_is_not_chosen() -> None:
    net = Deep()
    space = space_of(net)
    assert {p.label: p.conditions for p in space.parameters if p.conditions} == {
        "op1": (Condition("depth", (2, 3)),),
        "op2": (Condition("depth", (3,)),),
        "bias0": (Condition("op0", (1,)),),
        "bias1": (Condition("depth", (2, 3)), Condition("op1", (1,))),
        "bias2": (Condition("depth", (3,)), Condition("op2", (1,))),
    }
    for seed in range(20):
        sample = space.draw(np.random.default_rng(seed))
        frozen = net.freeze(dict(sample.values))  # NNI takes it as it is
        assert len(frozen.body) == sample["depth"]


@pytest.mark.parametrize(
    "mutable",
    [
        nni.choice("x", [(1, 2), (3, 4)]),
        nni.choice("x", [None, 1]),
        nni.mutable.Numerical(label="x"),
        nni.mutable.Numerical(mu=0, sigma=1, label="x"),
    ],
)
def test_mutables_that_no_study_can_hold_are_refused(mutable: nni.mutable.Mutable) -> None:
    with pytest.raises(SpaceError):
        space_of({"x": mutable})


@pytest.mark.parametrize("strategy", [Random(seed=0), RegularizedEvolution(population_size=5, sample_size=3, seed=0)])
def test_nnis_own_strategies_search_the_space(strategy: nni.nas.strategy.base.Strategy) -> None:
    seen = []

    def evaluate(network: torch.nn.Module) -> None:
        seen.append(sum(p.numel() for p in network.parameters()))
        nni.report_final_result(float(seen[-1]))

    space = SimplifiedModelSpace.from_model(NniModelSpace(SPACE, build), FunctionalEvaluator(evaluate))
    strategy(space, SequentialExecutionEngine(max_model_count=20))
    best = next(iter(strategy.list_models(limit=1)))
    assert len(seen) == 20 and best.metric == max(seen)
    assert sum(p.numel() for p in build(from_nni(SPACE, best.sample)).parameters()) == max(seen)
