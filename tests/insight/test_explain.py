from __future__ import annotations

import pytest

from edgetune.insight.explain import differences, explain, insight_of, nearest_better, nearest_cheaper
from edgetune.search.importance import Model
from edgetune.search.study import Study
from edgetune.search.trial import Trial

from .conftest import PROBLEM, SPACE, judge, latency


def trial(number: int, w0: int, w1: int, w2: int, act: str = "relu") -> Trial:
    sample = SPACE.sample({"width0": w0, "width1": w1, "width2": w2, "act": act})
    return Trial(number, sample, {**judge(sample), **latency(sample)}, "done", seed=0)


def test_a_choice_buys_what_it_truly_buys(study: Study) -> None:
    """The act is worth ±1 point and no latency; a width of 32 costs 1.5 ms more than the mean of 8, 16, 24, 32."""
    found = explain(Model(PROBLEM, study.trials()), trial(99, 32, 8, 16, "hswish"), study.trials(), judge)
    worth = {attribution.label: attribution for attribution in found.attributions}
    assert worth["act"].top1 == pytest.approx(0.01, abs=0.004)
    assert worth["act"].latency_ms == pytest.approx(0, abs=0.2)
    assert worth["width0"].latency_ms == pytest.approx(1.5, abs=0.4)
    assert worth["width1"].latency_ms == pytest.approx(-1.5, abs=0.4)


def test_flips_are_judged_as_trials_are(study: Study) -> None:
    chosen = trial(99, 32, 8, 16, "hswish")
    found = explain(Model(PROBLEM, study.trials()), chosen, study.trials(), judge)
    assert found.flips
    for flip in found.flips:
        other = SPACE.sample({**chosen.sample.values, flip.label: flip.other})
        assert flip.value == chosen.sample[flip.label] != flip.other
        assert flip.judged_top1 == pytest.approx(judge(other)["top1"] - judge(chosen.sample)["top1"])
        assert flip.latency_ms == pytest.approx(latency(other)["latency_ms"] - latency(chosen.sample)["latency_ms"])
        assert flip.expected_top1 == pytest.approx(flip.judged_top1, abs=0.015)


def test_neighbours_differ_in_the_fewest_choices() -> None:
    me = trial(0, 24, 24, 24)
    near, far = trial(1, 16, 24, 24), trial(2, 8, 8, 8)
    wider, better = trial(3, 32, 32, 24), trial(4, 24, 24, 24, "hswish")
    everyone = [me, near, far, wider, better]
    cheaper = nearest_cheaper(me, everyone)
    assert cheaper is not None and cheaper.trial == 1
    assert [(d.label, d.value, d.other) for d in cheaper.differs] == [("width0", 24, 16)]
    assert cheaper.latency_ms == pytest.approx(-1) and cheaper.top1 < 0
    more_accurate = nearest_better(me, everyone)
    assert more_accurate is not None and more_accurate.trial == 4
    assert nearest_cheaper(far, everyone) is None
    assert len(differences(near, far)) == 3


def test_a_surrogate_of_a_smooth_function_ranks_what_it_did_not_see(study: Study) -> None:
    trials = study.trials()
    found = insight_of(PROBLEM, trials, trials[:1], None)
    assert found.rank_correlation["latency_ms"] > 0.8
    assert set(found.importance) == {"ped_anova", "variance", "local"}
    assert found.explanations[0].flips[0].judged_top1 is None


def test_few_trials_are_explained_by_their_neighbours_alone(study: Study) -> None:
    trials = study.trials()[:5]
    found = insight_of(PROBLEM, trials, trials, None)
    assert not found.importance and len(found.explanations) == 5
