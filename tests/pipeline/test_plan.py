"""How the work is shared out, and shortened to a budget."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetune.config import SearchConfig
from edgetune.pipeline.plan import (
    FEWEST_FINALISTS,
    FEWEST_TRIALS,
    LONGER,
    LONGEST,
    REPORT_SECONDS,
    Plan,
    finalists_seconds,
    fit,
    fit_finalists,
    int8_recipe,
    plan_of,
    seconds,
)
from tests.pipeline.conftest import COSTS

PLAN = plan_of(SearchConfig())
APART = plan_of(SearchConfig.model_validate({"trials": 60, "trial_training": {"epochs": 2, "optimizer": "sgd"}}))


def test_the_largest_finalist_trains_longest() -> None:
    *others, last = PLAN.finalist_recipes(8)
    assert others == [PLAN.finalist] * 7
    assert last == replace(PLAN.finalist, epochs=LONGER * PLAN.finalist.epochs)


def test_a_recipe_has_the_schedule_of_its_training() -> None:
    told = {"finalist_training": {"epochs": 1, "learning_rate": 0.01, "schedule": "linear"}}
    plan = plan_of(SearchConfig.model_validate(told))
    assert (plan.teacher.schedule, plan.supernet.schedule, plan.finalist.schedule) == ("cosine", "cosine", "linear")
    assert int8_recipe(SearchConfig(), 1).schedule == "cosine"


def test_features_that_were_learnt_before_are_fine_tuned_for_an_epoch() -> None:
    given = {"teacher_training": {"epochs": 3, "learning_rate": 0.001}}
    fine_tuned = {"init_teacher": "efficientnet-lite0"}
    assert plan_of(SearchConfig.model_validate(fine_tuned)).teacher.epochs == 1
    assert plan_of(SearchConfig.model_validate(fine_tuned | given)).teacher.epochs == 3
    assert plan_of(SearchConfig.model_validate(given)).teacher.epochs == 3


@pytest.mark.parametrize(("views", "shift"), [(1, 0), (4, 2)])
def test_students_are_shown_shifted_pictures_where_the_teacher_looked_at_those(views: int, shift: int) -> None:
    told = {"augmentation": {"shift": 2, "views": views}, "trial_training": {"epochs": 1}}
    config = SearchConfig.model_validate(told)
    plan = plan_of(config)
    assert plan.trial is not None and plan.teacher.shift == 2
    students = [plan.supernet, plan.finalist, plan.trial, int8_recipe(config, 1)]
    assert [recipe.shift for recipe in students] == [shift] * 4


def test_what_a_plan_takes_is_the_sum_of_its_parts() -> None:
    finalists = sum(recipe.epochs for recipe in PLAN.finalist_recipes(PLAN.finalists)) / 2 * COSTS.finalist_epoch
    trainings = PLAN.teacher.epochs * COSTS.teacher_epoch + PLAN.supernet.epochs * COSTS.supernet_epoch + finalists
    assert seconds(PLAN, COSTS) == pytest.approx(
        trainings + 7 + 20 + PLAN.trials * 0.4 + PLAN.finalists * 5 + REPORT_SECONDS
    )


def test_the_longest_finalist_is_waited_for() -> None:
    few, costs = replace(PLAN, finalists=3), replace(COSTS, finalists_at_once=8)
    alone = replace(costs, finalist_epoch=0)
    assert seconds(few, costs) - seconds(few, alone) == pytest.approx(LONGER * PLAN.finalist.epochs * 20)


def test_trials_that_are_trained_apart_take_their_epochs_and_no_supernet() -> None:
    assert (APART.trial and APART.trial.optimizer, APART.finalist) == ("sgd", PLAN.finalist)
    supernet = PLAN.supernet.epochs * COSTS.supernet_epoch
    assert seconds(APART, COSTS) == pytest.approx(seconds(PLAN, COSTS) - supernet - 60 * 0.4 + 60 * 2 * 10)


def test_fine_tuning_with_int8_rounding_is_planned_for_all_finalists_and_shortened_with_the_rest() -> None:
    plan = plan_of(SearchConfig.model_validate({"int8_training": {"epochs": 2}}))
    costs = replace(COSTS, int8_epoch=30)
    assert seconds(plan, costs) == pytest.approx(seconds(PLAN, COSTS) + PLAN.finalists * 2 * 30)
    short = fit(plan, 600, costs)
    assert seconds(short, costs) == pytest.approx(600, rel=0.01)
    assert short.int8 is not None and short.int8.epochs == pytest.approx(
        2 * short.finalist.epochs / plan.finalist.epochs
    )
    assert "INT8" in plan.describe() and "INT8" not in PLAN.describe()


def test_an_export_may_ask_for_other_epochs() -> None:
    config = SearchConfig.model_validate({"int8_training": {"epochs": 2, "learning_rate": 0.5}})
    planned = plan_of(config).int8
    assert planned is not None and int8_recipe(config, 3) == replace(planned, epochs=3)
    assert int8_recipe(SearchConfig(), 3).learning_rate == 0.001


@pytest.mark.parametrize("plan", [PLAN, APART], ids=["supernet", "apart"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 1.0, 1.2])
def test_a_plan_fills_its_budget(plan: Plan, share: float) -> None:
    budget = share * seconds(plan, COSTS)
    assert seconds(fit(plan, budget, COSTS), COSTS) == pytest.approx(budget, rel=0.01)


def test_where_time_is_short_numbers_give_way_by_the_root_of_what_is_missing() -> None:
    short = fit(PLAN, 0.5 * seconds(PLAN, COSTS), COSTS)
    assert (short.trials, short.finalists) == (85, 6)
    fewest = fit(PLAN, 0.01 * seconds(PLAN, COSTS), COSTS)
    assert (fewest.trials, fewest.finalists) == (FEWEST_TRIALS, FEWEST_FINALISTS)


def test_trainings_grow_to_four_times_and_what_the_user_counted_does_not() -> None:
    config = {"trials": 10, "trial_training": {"epochs": 1}, "int8_training": {"epochs": 2}}
    plan = plan_of(SearchConfig.model_validate(config))
    long = fit(plan, 1e6, COSTS)
    assert (long.teacher.epochs, long.finalist.epochs) == (
        LONGEST * plan.teacher.epochs,
        LONGEST * plan.finalist.epochs,
    )
    assert (long.trial, long.int8, long.trials, long.finalists) == (plan.trial, plan.int8, 10, plan.finalists)


@pytest.mark.parametrize(
    ("told", "said"), [({}, True), ({"init_teacher": "a"}, True), ({"teacher": "a"}, False)], ids=str
)
def test_a_plan_speaks_of_the_teachers_training_where_there_is_one(told: dict[str, str], said: bool) -> None:
    assert ("teacher" in plan_of(SearchConfig.model_validate(told)).describe()) == said


def test_fine_tuning_a_teacher_is_shortened_with_the_rest_but_never_lengthened() -> None:
    plan = plan_of(SearchConfig(init_teacher="efficientnet-lite0"))
    filled = fit(plan, 2 * seconds(plan, COSTS), COSTS)
    assert filled.teacher == plan.teacher
    assert filled.finalist.epochs > 2 * plan.finalist.epochs
    assert seconds(filled, COSTS) == pytest.approx(2 * seconds(plan, COSTS))
    assert fit(plan, 0.3 * seconds(plan, COSTS), COSTS).teacher.epochs < 1


def test_the_longest_of_unlike_finalists_is_waited_for_or_all_are() -> None:
    assert finalists_seconds([10, 10, 30], 1) == 10 + 10 + LONGER * 30
    assert finalists_seconds([10, 10, 30], 2) == LONGER * 30
    assert finalists_seconds([100] * 6 + [1], 2) == LONGER + 3 * 100


@given(st.lists(st.floats(1, 50), min_size=1, max_size=8), st.floats(100, 3000))
def test_finalists_fill_what_is_left(epochs: list[float], left: float) -> None:
    plan = fit_finalists(PLAN, PLAN, left, epochs, COSTS)
    after = len(epochs) * COSTS.export + REPORT_SECONDS
    longest = plan.finalist_recipes(len(epochs))[-1].epochs
    least, most = LONGER * PLAN.finalist.epochs / 3, LONGER * LONGEST * PLAN.finalist.epochs
    assert least <= longest * (1 + 1e-9) and longest <= most * (1 + 1e-9)
    if plan.longer == LONGER:
        taken = longest / LONGER * finalists_seconds(epochs, 2) + after
    else:
        taken = max(longest * epochs[-1], plan.finalist.epochs * sum(epochs[:-1])) + after
    if longest == pytest.approx(least):
        assert taken > left or taken == pytest.approx(left)
    else:
        assert taken <= left or taken == pytest.approx(left)
    assert replace(plan, finalist=PLAN.finalist, longer=LONGER) == PLAN
    assert 1 <= plan.longer <= LONGER


def test_while_the_largest_is_trained_the_others_are_too() -> None:
    """On two cores one is the largest's; on eight each has its own, and none is trained longer than the largest."""
    left = 5 * COSTS.export + REPORT_SECONDS + 1000
    on_two = fit_finalists(PLAN, PLAN, left, [10, 10, 10, 10, 20], COSTS)
    assert [recipe.epochs for recipe in on_two.finalist_recipes(5)] == pytest.approx([25] * 4 + [50])
    on_eight = fit_finalists(PLAN, PLAN, left, [10, 10, 10, 10, 20], replace(COSTS, finalists_at_once=8))
    assert [recipe.epochs for recipe in on_eight.finalist_recipes(5)] == pytest.approx([50] * 5)
    alone = fit_finalists(PLAN, PLAN, left, [10, 10, 10, 10, 20], replace(COSTS, finalists_at_once=1))
    assert alone.longer == LONGER


def test_a_plan_says_when_little_can_be_learnt() -> None:
    assert "--resolution" in fit(PLAN, 100.0, COSTS).describe()
    assert "--resolution" not in PLAN.describe()
