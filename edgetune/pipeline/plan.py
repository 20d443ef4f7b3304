"""How much work a search does: what the configuration says, shortened to a budget when there is one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgetune.config import Int8Training, SearchConfig, Training
from edgetune.distill.loop import Recipe

FEWEST_TRIALS, FEWEST_FINALISTS = 30, 4
LONGER = 5
"""Times as many epochs for the most accurate finalist: small networks have learnt what they can after a few, it has not
and is the one that is held against the teacher."""


@dataclass(frozen=True)
class Plan:
    """Recipes of the trainings, and how many networks are judged and finished.

    With a recipe for `trial` each network is trained apart to be judged, and there is no supernet; with one for `int8`
    finalists are fine-tuned with the rounding of their INT8 files where those lose too much.
    """

    teacher: Recipe
    supernet: Recipe
    finalist: Recipe
    trials: int
    finalists: int
    trial: Recipe | None = None
    int8: Recipe | None = None

    def finalist_recipes(self, count: int) -> list[Recipe]:
        """One for each finalist, from the fastest to the slowest and most accurate, which trains `LONGER`."""
        return [self.finalist] * (count - 1) + [replace(self.finalist, epochs=LONGER * self.finalist.epochs)]

    def describe(self) -> str:
        """One line for a person."""
        judging = {"trial": self.trial} if self.trial else {"supernet": self.supernet}
        trainings = {"teacher": self.teacher, **judging, "finalist": self.finalist}
        trainings |= {"INT8": self.int8} if self.int8 else {}
        epochs = ", ".join(f"{name} {recipe.epochs:.2g} epochs" for name, recipe in trainings.items())
        counts = f"{self.trials} trials, {self.finalists} finalists"
        hint = "; little is learnt in less than half an epoch: give more time, or a smaller --resolution"
        short = self.finalist.epochs < 0.5
        return f"{epochs} (the most accurate {LONGER} times as many), {counts}{hint if short else ''}"


@dataclass(frozen=True)
class Costs:
    """Seconds on this machine: an epoch of each training, all teacher outputs, a trial, an export, the clocking."""

    teacher_epoch: float
    supernet_epoch: float
    finalist_epoch: float
    teacher_outputs: float
    trial: float
    export: float
    clocking: float
    int8_epoch: float = 0.0


def plan_of(config: SearchConfig) -> Plan:
    """The whole work."""
    return Plan(
        teacher=_recipe(config, config.teacher_training, shift=config.augmentation.shift),
        supernet=_recipe(config, config.supernet_training, shrunk=0.5),
        finalist=_recipe(config, config.finalist_training),
        trials=config.trials,
        finalists=config.finalists,
        trial=_recipe(config, config.trial_training) if config.trial_training else None,
        int8=_recipe(config, config.int8_training) if config.int8_training else None,
    )


def int8_recipe(config: SearchConfig, epochs: float) -> Recipe:
    """Of a fine-tuning with INT8 rounding, whether the configuration has one or not."""
    return replace(_recipe(config, config.int8_training or Int8Training(epochs=epochs)), epochs=epochs)


def _recipe(config: SearchConfig, training: Training, *, shift: int = 0, shrunk: float = 0.0) -> Recipe:
    """Students see the pictures that the teacher's outputs were computed for: consistent teaching (Beyer 2022)."""
    return Recipe(
        epochs=training.epochs,
        learning_rate=training.learning_rate,
        batch_size=training.batch_size,
        shift=shift,
        flip=config.augmentation.flip,
        shrunk=shrunk,
        optimizer=training.optimizer,
        weight_decay=training.weight_decay,
    )


def shorten(plan: Plan, budget: float, costs: Costs) -> Plan:
    """The plan that fits `budget` seconds by the measured costs.

    Trials and finalists give way first, but not below a handful; then all trainings shrink by the same factor.
    A plan that fits is left as it is.
    """
    share = budget / seconds(plan, costs)
    if share >= 1:
        return plan
    trials = min(plan.trials, max(FEWEST_TRIALS, int(plan.trials * share)))
    finalists = min(plan.finalists, max(FEWEST_FINALISTS, round(plan.finalists * share)))
    plan = replace(plan, trials=trials, finalists=finalists)
    training = _training_seconds(plan, costs)
    fixed = seconds(plan, costs) - training
    factor = min(1.0, max(budget - fixed, 0.1 * budget) / training)
    return replace(
        plan,
        teacher=_shorter(plan.teacher, factor),
        supernet=_shorter(plan.supernet, factor),
        finalist=_shorter(plan.finalist, factor),
        trial=_shorter(plan.trial, factor) if plan.trial else None,
        int8=_shorter(plan.int8, factor) if plan.int8 else None,
    )


def seconds(plan: Plan, costs: Costs) -> float:
    """What the plan takes."""
    fixed = costs.clocking + costs.teacher_outputs + plan.trials * costs.trial + plan.finalists * costs.export
    return fixed + _training_seconds(plan, costs)


def _training_seconds(plan: Plan, costs: Costs) -> float:
    judging = plan.supernet.epochs * costs.supernet_epoch
    if plan.trial:
        judging = plan.trials * plan.trial.epochs * costs.finalist_epoch
    rounded = plan.finalists * plan.int8.epochs * costs.int8_epoch if plan.int8 else 0.0  # as if all had to be
    return (
        plan.teacher.epochs * costs.teacher_epoch
        + judging
        + (plan.finalists - 1 + LONGER) * plan.finalist.epochs * costs.finalist_epoch
        + rounded
    )


def _shorter(recipe: Recipe, factor: float) -> Recipe:
    return replace(recipe, epochs=recipe.epochs * factor)
