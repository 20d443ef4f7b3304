import math
from typing import Any

import numpy as np
import pytest

from edgetune.errors import ConfigError, InfeasibleError, SpaceError
from edgetune.search.objective import Objective
from edgetune.search.optimizer import Optimizer, cheap
from edgetune.space.describe import log_uniform, uniform, when

SPACE = {
    "optimizer": ["sgd", "adam"],
    "lr": log_uniform(1e-4, 1e-1),
    "momentum": when({"optimizer": "sgd"}, uniform(0, 0.99)),
    "depth": [1, 2, 3],
    "width2": when({"depth": [2, 3]}, [8, 16]),
}


def test_ask_and_tell_find_the_front_of_a_small_space() -> None:
    opt = Optimizer({"x": [1, 2, 3, 4], "y": [1, 2, 3]}, {"a": "minimize", "b": "maximize"}, strategy="nsga2")
    while samples := opt.ask(5):
        opt.tell(samples, [{"a": int(s["x"]) + int(s["y"]), "b": int(s["x"])} for s in samples])
    assert len(opt.trials) == 12
    assert [dict(t.sample.values) for t in opt.front()] == [{"x": x, "y": 1} for x in (1, 2, 3, 4)]


def test_a_space_whose_parameters_share_their_options_is_searched_to_its_end() -> None:
    opt = Optimizer(
        {"a": ["x", "y"], "b": ["x", "y"], "c": ["x", "y"]}, {"f": "minimize"}, strategy="guided", initial=4
    )
    while samples := opt.ask():
        opt.tell(samples, [{"f": float(len(opt.trials) % 3)}])
    assert len(opt.trials) == 8


def test_samples_hold_the_active_labels_alone() -> None:
    for sample in Optimizer(SPACE, {"loss": "minimize"}, strategy="random").ask(50):
        assert ("momentum" in sample) == (sample["optimizer"] == "sgd")
        assert ("width2" in sample) == (sample["depth"] != 1)
        assert 1e-4 <= sample["lr"] <= 1e-1  # type: ignore[operator]


def test_cheap_objectives_need_not_be_told_and_their_limits_hold() -> None:
    macs = cheap(lambda sample: float(sample["depth"]))
    opt = Optimizer(SPACE, {"loss": "minimize", "macs": macs}, limits={"macs": 1})
    samples = opt.ask(8)
    assert all(sample["depth"] == 1 for sample in samples)
    opt.tell(samples, [{"loss": 1.0}] * 8)
    assert [trial.values["macs"] for trial in opt.trials if trial.values] == [1.0] * 8
    with pytest.raises(InfeasibleError, match="macs at most 0"):
        Optimizer(SPACE, {"loss": "minimize", "macs": macs}, limits={"macs": 0}).ask()


def test_a_cheap_figure_without_a_direction_is_learnt_from_but_no_objective() -> None:
    asked: list[float] = []

    def macs(sample: dict[str, Any]) -> float:
        asked.append(float(sample["depth"]))
        return asked[-1]

    opt = Optimizer(SPACE, {"loss": "minimize", "macs": cheap(macs, None)}, strategy="guided", initial=4)
    for _ in range(5):
        samples = opt.ask()
        opt.tell(samples, [{"loss": float(samples[0]["depth"])}])
    assert len(opt.front()) == 1
    assert len(asked) > 100
    with pytest.raises(ConfigError, match="'macs', which is no objective"):
        Optimizer(SPACE, {"loss": "minimize", "macs": cheap(macs, None)}, limits={"macs": 1})


def test_failed_and_infeasible_trials_stay_out_of_the_front() -> None:
    opt = Optimizer({"x": [1, 2, 3]}, {"a": "minimize", "b": Objective("", "maximize", limit=2.5, optimize=False)})
    opt.tell([{"x": 1}, {"x": 2}, {"x": 3}], [None, {"a": 1.0, "b": 2.0}, {"a": 2.0, "b": 3.0}])
    assert [t.state for t in opt.trials] == ["failed", "infeasible", "done"]
    assert [t.sample["x"] for t in opt.front()] == [3]
    assert opt.ask(3) == []


def test_nni_mutables_are_a_space() -> None:
    import nni
    from nni.nas.nn.pytorch import ModelSpace, MutableLinear

    class Net(ModelSpace):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layer = MutableLinear(3, nni.choice("width", [4, 8]))

    assert {s["width"] for s in Optimizer(Net(), {"a": "minimize"}).ask(9)} == {4, 8}
    from nni.mutable import Numerical

    mutables = {"lr": Numerical(1e-3, 1e-1, log_distributed=True, label="lr")}
    assert all(1e-3 <= s["lr"] <= 1e-1 for s in Optimizer(mutables, {"a": "minimize"}).ask(9))  # type: ignore[operator]


@pytest.mark.parametrize(
    "space",
    [{}, 3, {"x": []}, {"x": "abc"}, {"x": [1, 1]}, {"x": [None]}, {"x": uniform(2, 1)}, {"x": log_uniform(0, 1)}],
)
def test_a_space_that_means_nothing_is_refused(space: object) -> None:
    with pytest.raises(SpaceError):
        Optimizer(space, {"a": "minimize"})


@pytest.mark.parametrize(
    ("objectives", "more"),
    [
        ({"a": "smallest"}, {}),
        ({}, {}),
        ({"a": "minimize"}, {"limits": {"b": 1}}),
        ({"a": "minimize"}, {"strategy": "x"}),
        ({"a": "minimize"}, {"strategy": None}),
        ({"a": "minimize"}, {"limits": {"a": "20ms"}}),
        ({"a": "minimize"}, {"limits": {"a": math.nan}}),
        ({"a": "minimize"}, {"limits": ["a"]}),
        ({"a": "minimize"}, {"seed": -1}),
        ({"a": "minimize"}, {"intial": 5}),
        ({"a": "minimize"}, {"initial": -3}),
        ({"a": "minimize"}, {"strategy": "nsga2", "population": -1}),
        ({"a": "minimize"}, {"strategy": "regularized-evolution", "tournament": 0}),
        ({"a": "minimize"}, {"strategy": "grid", "points": 0}),
        ({"a": "minimize"}, {"strategy": "bayesian", "half_life": 0}),
        ({"a": "minimize"}, {"strategy": "bayesian", "acquisition": None}),
        ({"a": None}, {}),
        (["a"], {}),
        ("a", {}),
    ],
)
def test_objectives_that_mean_nothing_are_refused(objectives: dict[str, str], more: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Optimizer({"x": [1, 2]}, objectives, **more)  # type: ignore[arg-type]


def test_a_function_that_is_not_flagged_cheap_names_the_mend() -> None:
    with pytest.raises(ConfigError, match=r"^b: .*edgetune\.cheap"):
        Optimizer({"x": [1, 2]}, {"a": "minimize", "b": lambda sample: 1.0})  # type: ignore[dict-item]


def test_a_cheap_figure_may_have_a_limit_and_no_place_in_the_front() -> None:
    size = cheap(lambda sample: float(sample["x"]), optimize=False)
    opt = Optimizer({"x": [1, 2, 3]}, {"a": "minimize", "size": size}, limits={"size": 2})
    samples = opt.ask(3)
    assert sorted(sample["x"] for sample in samples) == [1, 2]
    opt.tell(samples, [{"a": 1.0}, {"a": 0.0}])
    assert [trial.sample for trial in opt.front()] == [opt.trials[1].sample]


def test_the_nearest_trial_says_which_costly_limits_can_be_held() -> None:
    opt = Optimizer({"x": [1, 2, 3]}, {"a": "minimize"}, limits={"a": 0.5})
    assert opt.nearest() is None
    opt.tell([{"x": 1}, {"x": 2}, {"x": 3}], [{"a": 3.0}, {"a": 2.0}, None])
    assert opt.front() == [] and opt.nearest() == opt.trials[1]


@pytest.mark.parametrize(
    ("figures", "error"),
    [
        ({"e": None}, "e is None, which is no number"),
        ({"e": "0.5"}, "e is '0.5', which is no number"),
        ({"e": [0.5, 0.5]}, "e is [0.5, 0.5], which is no number"),
        ({"e": math.nan}, "e is nan"),
        ({"e": 10**400}, f"e is {10**400}, which is no number"),
        ({}, "the evaluation reported no 'e'"),
    ],
)
def test_what_is_no_number_makes_a_failed_trial(figures: Any, error: str) -> None:
    opt = Optimizer({"x": [1, 2]}, {"e": "minimize"})
    opt.tell([{"x": 1}], [figures])
    assert (opt.trials[0].state, opt.trials[0].error) == ("failed", error)


def test_what_else_is_no_number_is_dropped() -> None:
    opt = Optimizer({"x": [1, 2]}, {"e": "minimize"})
    figures: Any = {"e": np.float32(0.5), "note": "fast", "curve": [1, 2], "more": None, "steps": np.int64(3)}
    opt.tell([{"x": 1}], [figures])
    assert opt.trials[0].values == {"e": 0.5, "steps": 3.0}


@pytest.mark.parametrize(
    ("samples", "results", "message"),
    [
        ({"x": 1}, [{"e": 1.0}], "samples that are no list"),
        ([("x", 1)], [{"e": 1.0}], "samples that are no list"),
        ([{"x": 1}], {"e": 1.0}, "results that are no list"),
        ([{"x": 1}], [0.5], "results that are no list"),
        ([{"x": 1}], [{"e": 1.0}] * 2, "1 samples but 2 results"),
    ],
)
def test_what_is_told_must_be_lists_of_dicts(samples: Any, results: Any, message: str) -> None:
    opt = Optimizer({"x": [1, 2]}, {"e": "minimize"})
    with pytest.raises(ConfigError, match=message):
        opt.tell(samples, results)


def test_cheap_figures_that_are_never_finite_are_said() -> None:
    with pytest.raises(InfeasibleError, match="macs is nan even for the nearest"):
        Optimizer({"x": [1, 2]}, {"e": "minimize", "macs": cheap(lambda sample: math.nan)}).ask()


def test_a_space_is_searched_to_its_end_where_candidates_have_cheap_figures() -> None:
    opt = Optimizer({"x": list(range(8))}, {"a": "minimize", "b": cheap(lambda s: float(s["x"]))}, initial=4)
    while samples := opt.ask():
        opt.tell(samples, [{"a": float(samples[0]["x"])}])
    assert len(opt.trials) == 8


def test_a_sample_from_elsewhere_is_refused_before_anything_is_learnt() -> None:
    opt = Optimizer({"x": [1, 2]}, {"a": "minimize"})
    with pytest.raises(SpaceError):
        opt.tell([{"x": 1}, {"x": 7}], [{"a": 1.0}, {"a": 2.0}])
    assert opt.trials == []
