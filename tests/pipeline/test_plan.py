"""How the work is shared out, and shortened to a budget."""

from dataclasses import replace

import pytest

from edgetune.config import SearchConfig
from edgetune.pipeline.plan import LONGER, Costs, Plan, int8_recipe, plan_of, seconds, shorten

PLAN = plan_of(SearchConfig())
APART = plan_of(SearchConfig.model_validate({"trials": 60, "trial_training": {"epochs": 2, "optimizer": "sgd"}}))
COSTS = Costs(
    teacher_epoch=50, supernet_epoch=80, finalist_epoch=10, teacher_outputs=20, trial=0.4, export=5, clocking=7
)


def test_the_most_accurate_finalist_trains_longest() -> None:
    *others, last = PLAN.finalist_recipes(8)
    assert others == [PLAN.finalist] * 7
    assert last == replace(PLAN.finalist, epochs=LONGER * PLAN.finalist.epochs)


def test_what_a_plan_takes_is_the_sum_of_its_parts() -> None:
    finalists = sum(recipe.epochs for recipe in PLAN.finalist_recipes(PLAN.finalists)) * COSTS.finalist_epoch
    trainings = PLAN.teacher.epochs * COSTS.teacher_epoch + PLAN.supernet.epochs * COSTS.supernet_epoch + finalists
    assert seconds(PLAN, COSTS) == pytest.approx(trainings + 7 + 20 + PLAN.trials * 0.4 + PLAN.finalists * 5)


def test_trials_that_are_trained_apart_take_their_epochs_and_no_supernet() -> None:
    assert (APART.trial and APART.trial.optimizer, APART.finalist) == ("sgd", PLAN.finalist)
    supernet = PLAN.supernet.epochs * COSTS.supernet_epoch
    assert seconds(APART, COSTS) == pytest.approx(seconds(PLAN, COSTS) - supernet - 60 * 0.4 + 60 * 2 * 10)


def test_fine_tuning_with_int8_rounding_is_planned_for_all_finalists_and_shortened_with_the_rest() -> None:
    plan = plan_of(SearchConfig.model_validate({"int8_training": {"epochs": 2}}))
    costs = replace(COSTS, int8_epoch=30)
    assert seconds(plan, costs) == pytest.approx(seconds(PLAN, COSTS) + PLAN.finalists * 2 * 30)
    short = shorten(plan, 600, costs)
    assert seconds(short, costs) == pytest.approx(600, rel=0.01)
    assert short.int8 is not None and short.int8.epochs == pytest.approx(
        2 * short.finalist.epochs / plan.finalist.epochs
    )
    assert "INT8" in plan.describe() and "INT8" not in PLAN.describe()


def test_an_export_may_ask_for_other_epochs() -> None:
    config = SearchConfig.model_validate({"int8_training": {"epochs": 2, "learning_rate": 0.5}})
    assert int8_recipe(config, 3) == replace(plan_of(config).int8, epochs=3)
    assert int8_recipe(SearchConfig(), 3).learning_rate == 0.001


@pytest.mark.parametrize("plan", [PLAN, APART], ids=["supernet", "apart"])
@pytest.mark.parametrize("budget", [300.0, 600.0, 900.0])
def test_a_plan_is_shortened_to_its_budget(plan: Plan, budget: float) -> None:
    assert seconds(shorten(plan, budget, COSTS), COSTS) == pytest.approx(budget, rel=0.01)


def test_a_plan_that_fits_is_left_as_it_is() -> None:
    assert shorten(PLAN, 10_000, COSTS) == PLAN


def test_a_plan_says_when_little_can_be_learnt() -> None:
    assert "--resolution" in shorten(PLAN, 100.0, COSTS).describe()
    assert "--resolution" not in PLAN.describe()
