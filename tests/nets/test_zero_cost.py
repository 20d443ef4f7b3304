"""Zero-cost scores against closed forms and plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from edgetune.errors import ConfigError
from edgetune.latency.from_architecture import graph_of
from edgetune.nets.network import Network, build_network
from edgetune.nets.zero_cost import SCORES, score, score_of_sample
from edgetune.search.optimizer import Optimizer, cheap
from edgetune.space.mobile import MOBILE_SMALL
from edgetune.space.parameters import Sample, Value

PIXELS = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 255
LABELS = torch.tensor([0, 1, 2, 3, 4, 0])


def network(seed: int = 0) -> Network:
    torch.manual_seed(seed)
    return network_of(MOBILE_SMALL.space.draw(np.random.default_rng(seed)))


def network_of(sample: Sample) -> Network:
    return build_network(MOBILE_SMALL.architecture(sample, channels=3, resolution=16, classes=5))


def test_synflow_of_a_chain_is_its_flow_once_a_layer() -> None:
    """R = 1ᵀ |W₃| |W₂| |W₁| 1 is linear in each layer's weights, so that Σ w ∂R/∂w = R for each (Euler)."""
    torch.manual_seed(0)
    chain = nn.Sequential(
        nn.Flatten(), nn.Linear(12, 7, bias=False), nn.ReLU(), nn.Linear(7, 5, bias=False), nn.Linear(5, 2, bias=False)
    )
    flow = np.ones(12)
    for weight in chain.parameters():
        flow = np.abs(weight.detach().double().numpy()) @ flow
    assert score("synflow", chain, torch.zeros(4, 3, 2, 2), LABELS) == pytest.approx(3 * flow.sum())


def test_synflow_passes_normalisation_by() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 4, 3, bias=False)
    with_norm = nn.Sequential(conv, nn.BatchNorm2d(4), nn.ReLU())
    nn.init.constant_(with_norm.get_parameter("1.weight"), 7.0)
    without = nn.Sequential(conv, nn.ReLU())
    assert score("synflow", with_norm, PIXELS, LABELS) == score("synflow", without, PIXELS, LABELS)


def test_naswot_by_hand() -> None:
    """Every pair of pictures and every unit, one at a time."""
    torch.manual_seed(1)
    net = nn.Sequential(nn.Flatten(), nn.Linear(768, 9), nn.ReLU(), nn.Linear(9, 8), nn.ReLU(inplace=True))
    first = net[1](net[0](PIXELS))
    second = net[3](torch.relu(first))
    codes = torch.cat([first, second], 1).detach().numpy() > 0
    kernel = [[sum(a == b for a, b in zip(x, y, strict=True)) for y in codes] for x in codes]
    assert np.diag(kernel).tolist() == [17] * 6
    sign, log = np.linalg.slogdet(np.array(kernel, dtype=float))
    assert score("naswot", net, PIXELS, LABELS) == pytest.approx(float(log) if sign else -math.inf)


def test_naswot_of_pictures_treated_alike() -> None:
    assert score("naswot", network(), PIXELS[:1].repeat(4, 1, 1, 1), LABELS[:4]) < score(
        "naswot", network(), PIXELS[:4], LABELS[:4]
    )


def test_gradient_norm_of_a_softmax_regression() -> None:
    """The gradient by W is the mean of (p - y) xᵀ."""
    torch.manual_seed(2)
    net = nn.Sequential(nn.Flatten(), nn.Linear(768, 5))
    x = PIXELS.flatten(1).double().numpy() / 255
    weight, bias = (parameter.detach().double().numpy() for parameter in net.parameters())
    logits = x @ weight.T + bias
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    gradient = (p - np.eye(5)[LABELS.numpy()]).T @ x / len(x)
    assert score("gradient_norm", net, PIXELS / 255, LABELS) == pytest.approx(np.linalg.norm(gradient), rel=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_counts_are_those_of_the_latency_room(seed: int) -> None:
    net = network(seed)
    assert score("macs", net, PIXELS, LABELS) == graph_of(net.architecture).macs
    assert score("parameters", net, PIXELS, LABELS) == sum(weight.numel() for weight in net.parameters())


@pytest.mark.parametrize("name", sorted(SCORES))
def test_a_network_is_left_as_it_was(name: str) -> None:
    net = network().eval()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    first = score(name, net, PIXELS, LABELS)
    assert math.isfinite(first) and first == score(name, net, PIXELS, LABELS)
    assert not net.training and all(weight.grad is None for weight in net.parameters())
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())


def test_a_sample_has_one_score_whatever_was_drawn_before() -> None:
    samples = [MOBILE_SMALL.space.draw(np.random.default_rng(seed)) for seed in (0, 1)]
    of = score_of_sample("gradient_norm", network_of, PIXELS, LABELS)
    first, other = of(samples[0]), of(samples[1])
    torch.manual_seed(0)
    assert first == score("gradient_norm", network_of(samples[0]), PIXELS, LABELS) != other
    state = torch.get_rng_state()
    assert of(samples[0]) == first
    assert torch.equal(torch.get_rng_state(), state)


def test_a_score_is_an_objective_of_an_optimizer() -> None:
    """The widest of three networks flows most, and is known to without a trial."""

    def build(sample: dict[str, Value]) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(768, int(sample["width"])), nn.ReLU())

    synflow = cheap(score_of_sample("synflow", build, PIXELS, LABELS), "maximize")
    opt = Optimizer({"width": [2, 8, 32]}, {"error": "minimize", "synflow": synflow})
    while samples := opt.ask(1):
        opt.tell(samples, [{"error": 0.5}])
    assert [trial.sample["width"] for trial in opt.front()] == [32]


def test_an_unknown_score_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean synflow"):
        score_of_sample("sinflow", network_of, PIXELS, LABELS)
    with pytest.raises(ConfigError, match="did you mean synflow"):
        score("sinflow", network(), PIXELS, LABELS)
