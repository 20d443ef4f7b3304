from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from nni.nas.evaluator import FunctionalEvaluator
from nni.nas.space import ModelStatus, SimplifiedModelSpace
from nni.nas.strategy import RegularizedEvolution

from edgetune.search.engines.base import EvaluatorSource
from edgetune.search.engines.nni_engine import NniEngine
from edgetune.search.engines.processes import ProcessPool
from edgetune.search.nni_strategy import NniStrategy, search_with_nni
from edgetune.search.nsga2 import NSGA2
from edgetune.search.objective import Objective
from edgetune.search.problem import Problem
from edgetune.search.run import run_search
from edgetune.search.study import Study
from edgetune.space.mobile import MOBILE_SMALL
from edgetune.space.nni_space import NniModelSpace
from edgetune.space.parameters import Sample
from tests.search.engines import toys

PROBLEM = Problem(
    MOBILE_SMALL.space,
    (Objective("error"), Objective("size", limit=600, cheap=True)),
    lambda sample: {"size": float(sum(v for v in sample.values.values() if isinstance(v, int)))},
)


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    with Study.create(tmp_path / "study.db", {}) as study:
        yield study


def evaluate(sample: Sample) -> dict[str, float]:
    return {"error": 1 / int(sample["head.width"]) + float(torch.rand(()))}


def test_the_way_through_nni_gives_the_trials_of_the_plain_loop(study: Study, tmp_path: Path) -> None:
    with Study.create(tmp_path / "plain.db", {}) as plain:
        expected = run_search(plain, NSGA2(PROBLEM, seed=3), evaluate, trials=30, seed=3)
    assert search_with_nni(study, NSGA2(PROBLEM, seed=3), evaluate, trials=30, seed=3) == expected
    assert study.trials() == expected


def test_it_resumes_from_the_study(study: Study) -> None:
    first = search_with_nni(study, NSGA2(PROBLEM), evaluate, trials=8)
    new: list[int] = []
    whole = search_with_nni(study, NSGA2(PROBLEM), evaluate, trials=12, on_trial=lambda trial: new.append(trial.number))
    assert whole[:8] == first and new == [8, 9, 10, 11]


def test_the_evaluation_receives_what_build_made(study: Study) -> None:
    def build(sample: Sample) -> torch.nn.Module:
        return torch.nn.Linear(3, int(sample["head.width"]))

    def weights(network: torch.nn.Module) -> dict[str, float]:
        return {"error": float(sum(p.numel() for p in network.parameters()))}

    for trial in search_with_nni(study, NSGA2(PROBLEM), weights, build=build, trials=5):
        assert trial.values and trial.values["error"] == 4 * int(trial.sample["head.width"])


def test_a_failing_trial_is_recorded_with_its_reason(study: Study) -> None:
    def fail(sample: Sample) -> dict[str, float]:
        raise RuntimeError("out of memory")

    trials = search_with_nni(study, NSGA2(PROBLEM), fail, trials=3)
    assert [(trial.state, trial.error) for trial in trials] == [("failed", "RuntimeError: out of memory")] * 3


def test_an_engines_budget_ends_the_search(study: Study) -> None:
    space = SimplifiedModelSpace.from_model(NniModelSpace(toys.SPACE, str), FunctionalEvaluator(str))
    strategy = NniStrategy(study, NSGA2(toys.PROBLEM), trials=10)
    with ProcessPool(EvaluatorSource(f"{toys.HERE}:noisy"), workers=1) as pool:
        strategy(space, NniEngine(pool, toys.SPACE, max_model_count=4))
    assert len(strategy.trials) == len(study) == 4


def test_ctrl_c_leaves_a_study_that_resumes(study: Study) -> None:
    def interrupted(sample: Sample) -> dict[str, float]:
        if len(study) == 3:
            raise KeyboardInterrupt
        return evaluate(sample)

    with pytest.raises(KeyboardInterrupt):
        search_with_nni(study, NSGA2(PROBLEM), interrupted, trials=10)
    assert len(study) == 3
    assert len(search_with_nni(study, NSGA2(PROBLEM), evaluate, trials=10)) == 10


def test_processes_under_nni_give_the_same_trials(study: Study, tmp_path: Path) -> None:
    with Study.create(tmp_path / "plain.db", {}) as plain:
        expected = run_search(plain, NSGA2(toys.PROBLEM, seed=3), toys.noisy(), trials=10, seed=3, batch=4)
    with ProcessPool(EvaluatorSource(f"{toys.HERE}:noisy"), workers=2) as pool:
        assert search_with_nni(study, NSGA2(toys.PROBLEM, seed=3), pool, trials=10, seed=3, batch=4) == expected


def test_nnis_own_strategies_run_on_our_engines() -> None:
    space = SimplifiedModelSpace.from_model(NniModelSpace(toys.SPACE, str), FunctionalEvaluator(str))
    with ProcessPool(EvaluatorSource(f"{toys.HERE}:curved"), workers=2) as pool:
        engine = NniEngine(pool, toys.SPACE, max_model_count=12)
        RegularizedEvolution(population_size=4, sample_size=2)(space, engine)
        engine.wait_models()
    models = list(engine.list_models(ModelStatus.Trained))
    assert len(models) == 12
    for model in models:
        assert model.metric == model.metrics.intermediates[-1] == 1 / model.sample["width"]
