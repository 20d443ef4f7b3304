"""Which teacher suits a budget."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from edgetune.config import SearchConfig
from edgetune.pipeline import narrow_teacher
from edgetune.pipeline.narrow_teacher import FEW, narrow_where_short
from edgetune.pipeline.plan import Costs, Plan, fit, plan_of, seconds
from edgetune.pipeline.task import Task
from tests.pipeline.conftest import COSTS

PLAN = plan_of(SearchConfig())
SHORT = 0.5 * seconds(PLAN, COSTS)


@pytest.fixture
def narrow_epoch() -> float:
    """Seconds, where one of the usual teacher takes 50."""
    return 16.0


@pytest.fixture(autouse=True)
def clocked(narrow_epoch: float, monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """The plans whose teachers were clocked."""
    plans: list[Plan] = []

    def teacher_costs(_: Task, plan: Plan, *rest: object) -> tuple[float, float]:
        plans.append(plan)
        return narrow_epoch, 6.0

    monkeypatch.setattr(narrow_teacher, "teacher_costs", teacher_costs)
    return plans


def chosen(task: Task, plan: Plan, budget: float) -> tuple[Plan, Costs]:
    return narrow_where_short(task, plan, budget, COSTS, torch.device("cpu"))


def test_where_time_is_short_a_narrow_teacher_sees_its_pictures_more_often(task: Task, clocked: list[Plan]) -> None:
    plan, costs = chosen(task, PLAN, SHORT)
    assert [plan.narrow_teacher for plan in clocked] == [True]
    assert plan == replace(PLAN, narrow_teacher=True, teacher=replace(PLAN.teacher, epochs=20))
    assert (costs.teacher_epoch, costs.teacher_outputs) == (16, 6) and costs.clocking > COSTS.clocking
    fitted = fit(plan, SHORT, costs)
    assert seconds(fitted, costs) == pytest.approx(SHORT)
    assert "narrow teacher" in fitted.describe() and "narrow" not in PLAN.describe()
    wide = fit(PLAN, SHORT, COSTS)
    assert fitted.teacher.epochs > 2.5 * wide.teacher.epochs
    assert fitted.finalist.epochs > wide.finalist.epochs, "the teacher takes less"


def test_where_there_is_time_for_most_epochs_the_usual_one_stays(task: Task, clocked: list[Plan]) -> None:
    most = next(budget for budget in range(100, 10_000) if fit(PLAN, budget, COSTS).teacher.epochs >= FEW * 8)
    assert chosen(task, PLAN, most) == (PLAN, COSTS) and not clocked
    assert chosen(task, PLAN, most - 1)[0].narrow_teacher


@pytest.mark.parametrize("told", [{"teacher": "a"}, {"init_teacher": "a"}], ids=str)
def test_a_teacher_of_the_user_stays_as_it_is(told: dict[str, str], task: Task, clocked: list[Plan]) -> None:
    plan = plan_of(SearchConfig.model_validate(told))
    assert chosen(task, plan, SHORT) == (plan, COSTS) and not clocked


@pytest.mark.parametrize("narrow_epoch", [21.0])
def test_a_device_that_is_hardly_faster_with_it_trains_the_usual_one(task: Task) -> None:
    plan, costs = chosen(task, PLAN, SHORT)
    assert plan == PLAN
    assert replace(costs, clocking=COSTS.clocking) == COSTS and costs.clocking > COSTS.clocking
