"""Which weights decay; the updates are checked through the loop and in test_muon."""

from __future__ import annotations

from edgetune.distill.optimizers import parameter_groups
from tests.distill.conftest import MakeNetwork


def test_biases_and_norms_do_not_decay(make_network: MakeNetwork) -> None:
    network = make_network()
    network.classifier.weight.requires_grad_(False)
    decayed, spared = parameter_groups(network, 0.3)
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.3, 0.0)
    names = {id(weight): name for name, weight in network.named_parameters()}
    assert [names[id(w)] for w in decayed["params"]] == ["features.0.0.weight", "features.1.0.weight"]  # type: ignore[attr-defined]
    assert [names[id(w)] for w in spared["params"]] == [  # type: ignore[attr-defined]
        "features.0.1.weight",
        "features.0.1.bias",
        "features.1.1.weight",
        "features.1.1.bias",
        "classifier.bias",
    ]
