import numpy as np
import pytest

from edgetune.errors import ConfigError
from edgetune.search.bayesian import ACQUISITIONS, Bayesian
from edgetune.search.objective import Objective
from edgetune.search.optimizer import Optimizer
from edgetune.search.problem import Problem
from edgetune.space.describe import uniform, when
from edgetune.space.parameters import Choice, Condition, Space

CONDITIONAL = {
    "depth": [1, 2],
    "width1": uniform(0, 1),
    "width2": when({"depth": 2}, uniform(0, 1)),
}


def loss(sample: dict[str, float]) -> float:
    """0.1 at depth 2, widths 0.3 and 0.8; at depth 1 no better than 0.3."""
    at_first = (sample["width1"] - 0.3) ** 2
    return 0.3 + at_first if sample["depth"] == 1 else 0.1 + at_first + (sample["width2"] - 0.8) ** 2


@pytest.mark.parametrize("acquisition", ACQUISITIONS)
def test_every_acquisition_finds_the_minimum_of_a_conditional_space(acquisition: str) -> None:
    opt = Optimizer(CONDITIONAL, {"loss": "minimize"}, strategy="bayesian", seed=0, acquisition=acquisition)
    for _ in range(25):
        samples = opt.ask()
        opt.tell(samples, [{"loss": loss(sample)} for sample in samples])  # type: ignore[arg-type]
    (best,) = opt.front()
    assert best.values and best.values["loss"] < 0.12


def test_the_hybrid_moves_from_improvement_to_the_bound() -> None:
    space = Space("s", (Choice("a", tuple(range(50))),))
    strategy = Bayesian(Problem(space, (Objective("loss"),)), half_life=10)
    assert strategy.alpha == 1
    strategy.ask(strategy.initial + 10)
    assert strategy.alpha == pytest.approx(0.5)


def test_what_is_not_active_takes_no_part_in_a_distance() -> None:
    space = Space("s", (Choice("depth", (1, 2)), Choice("kind", ("a", "b"), (Condition("depth", (2,)),))))
    strategy = Bayesian(Problem(space, (Objective("loss"),)))
    rows = strategy.encoding.masked(np.array([[0.0, 0.0], [0.0, 1.0]]))
    columns, _ = strategy.encoding.parameter_features(rows)
    assert (columns[0] == columns[1]).all()


def test_an_unknown_acquisition_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean ehvi"):
        Optimizer({"x": [1, 2]}, {"a": "minimize"}, strategy="bayesian", acquisition="evhi")
