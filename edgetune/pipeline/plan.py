"""How much work a search does: what the configuration says, fitted to a budget when there is one."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from edgetune.config import Int8Training, SearchConfig, Training
from edgetune.distill.loop import Recipe

TEACHER = Training(epochs=8, learning_rate=0.005)
FINE_TUNED_TEACHER = Training(epochs=1, learning_rate=0.005, batch_size=32)
"""One whose features were learnt before: most of what it gains comes within an epoch, of many small steps, and its
pictures are large."""
FEWEST_TRIALS, FEWEST_FINALISTS = 30, 4
LONGEST = 4.0
"""Times the usual epochs, however much time there is: what more would bring was not looked at."""
LONGER = 5
"""Times as many epochs for the largest finalist: small networks have learnt what they can after a few, it has not, and
is the one that is held against the teacher. Fewer times as many where a core is free for the others meanwhile."""
REPORT_SECONDS = 20.0
"""Of the report, on two cores, about; not clocked."""


@dataclass(frozen=True)
class Plan:
    """Recipes of the trainings, and how many networks are judged and finished.

    With a recipe for `trial` each network is trained apart to be judged, and there is no supernet; with one for `int8`
    finalists are fine-tuned with the rounding of their INT8 files where those lose too much. A teacher that is given is
    not trained, one whose features were learnt before is fine-tuned, and one that is trained from nothing may be half
    as wide as usual.
    """

    teacher: Recipe
    supernet: Recipe
    finalist: Recipe
    trials: int
    finalists: int
    trial: Recipe | None = None
    int8: Recipe | None = None
    teacher_is: Literal["trained", "fine-tuned", "given"] = "trained"
    narrow_teacher: bool = False
    longer: float = LONGER

    def finalist_recipes(self, count: int) -> list[Recipe]:
        """One for each finalist, from the smallest to the largest, which trains `longer` times as many epochs."""
        return [self.finalist] * (count - 1) + [replace(self.finalist, epochs=self.longer * self.finalist.epochs)]

    def describe(self) -> str:
        """One line for a person."""
        judging = {"trial": self.trial} if self.trial else {"supernet": self.supernet}
        named = "narrow teacher" if self.narrow_teacher else "teacher"
        teacher = {} if self.teacher_is == "given" else {named: self.teacher}
        trainings = {**teacher, **judging, "finalist": self.finalist}
        trainings |= {"INT8": self.int8} if self.int8 else {}
        epochs = ", ".join(f"{name} {recipe.epochs:.2g} epochs" for name, recipe in trainings.items())
        counts = f"{self.trials} trials, {self.finalists} finalists"
        hint = "; little is learnt in less than half an epoch: give more time, or a smaller --resolution"
        short = self.finalist.epochs < 0.5
        return f"{epochs} (the largest {self.longer:.2g} times as many), {counts}{hint if short else ''}"


@dataclass(frozen=True)
class Costs:
    """Seconds on this machine: an epoch of each training, all teacher outputs, a trial, an export, the clocking.

    Finalists are trained `finalists_at_once`, and `finalist_epoch` is what one takes beside the others. `trial` is to
    judge a network, `trial_epoch` to train one apart before.
    """

    teacher_epoch: float
    supernet_epoch: float
    finalist_epoch: float
    finalists_at_once: int
    teacher_outputs: float
    trial: float
    export: float
    clocking: float
    trial_epoch: float = 0.0
    int8_epoch: float = 0.0


def plan_of(config: SearchConfig) -> Plan:
    """The whole work."""
    teacher = config.teacher_training or (FINE_TUNED_TEACHER if config.init_teacher else TEACHER)
    return Plan(
        teacher=_recipe(config, teacher, shift=config.augmentation.shift),
        supernet=_recipe(config, config.supernet_training, shrunk=0.5),
        finalist=_recipe(config, config.finalist_training),
        trials=config.trials,
        finalists=config.finalists,
        trial=_recipe(config, config.trial_training) if config.trial_training else None,
        int8=_recipe(config, config.int8_training) if config.int8_training else None,
        teacher_is="given" if config.teacher else "fine-tuned" if config.init_teacher else "trained",
    )


def int8_recipe(config: SearchConfig, epochs: float) -> Recipe:
    """Of a fine-tuning with INT8 rounding, whether the configuration has one or not."""
    return replace(_recipe(config, config.int8_training or Int8Training(epochs=epochs)), epochs=epochs)


def _recipe(config: SearchConfig, training: Training, *, shift: int | None = None, shrunk: float = 0.0) -> Recipe:
    """Students see the pictures that the teacher's outputs were computed for: consistent teaching (Beyer 2022)."""
    if shift is None:
        shift = config.augmentation.shift if config.augmentation.views > 1 else 0
    return Recipe(
        epochs=training.epochs,
        learning_rate=training.learning_rate,
        batch_size=training.batch_size,
        shift=shift,
        flip=config.augmentation.flip,
        shrunk=shrunk,
        optimizer=training.optimizer,
        schedule=training.schedule,
        weight_decay=training.weight_decay,
    )


def fit(plan: Plan, budget: float, costs: Costs) -> Plan:
    """The plan that takes `budget` seconds by the measured costs.

    Where time is short, trials and finalists give way by the root of what is missing, though not below a handful, and
    all trainings by the same factor. Where there is more, the teacher, the supernet and the finalists train longer, up
    to `LONGEST` times; fine-tuning, of a teacher or with INT8 rounding, and a trial's epochs are not made more.
    """
    share = budget / seconds(plan, costs)
    if share < 1:
        trials = min(plan.trials, max(FEWEST_TRIALS, round(plan.trials * math.sqrt(share))))
        finalists = min(plan.finalists, max(FEWEST_FINALISTS, round(plan.finalists * math.sqrt(share))))
        plan, lasting = replace(plan, trials=trials, finalists=finalists), 0.0
    else:
        lasting = _trial_seconds(plan, costs) + _int8_seconds(plan, costs)
        lasting += _teacher_seconds(plan, costs) if plan.teacher_is == "fine-tuned" else 0.0
    training = _training_seconds(plan, costs) - lasting
    fixed = seconds(plan, costs) - training
    factor = min(LONGEST, max(budget - fixed, 0.1 * budget) / training)
    return replace(
        plan,
        teacher=_times(min(1.0, factor) if plan.teacher_is == "fine-tuned" else factor, plan.teacher),
        supernet=_times(factor, plan.supernet),
        finalist=_times(factor, plan.finalist),
        trial=_times(min(1.0, factor), plan.trial) if plan.trial else None,
        int8=_times(min(1.0, factor), plan.int8) if plan.int8 else None,
    )


def fit_finalists(plan: Plan, usual: Plan, left: float, epochs: Sequence[float], costs: Costs) -> Plan:
    """The plan whose finalists, of so many seconds an epoch each, and what comes after them take `left` seconds.

    Their epochs are at most `LONGEST` times the usual ones, and at least a third of the plan's. Where cores would have
    nothing to do while the largest is trained, the others train longer, though no longer than it.
    """
    after = len(epochs) * costs.export + _int8_seconds(plan, costs) + REPORT_SECONDS
    wanted = max((left - after) / finalists_seconds(epochs, costs.finalists_at_once), plan.finalist.epochs / 3)
    wanted = min(LONGEST * usual.finalist.epochs, wanted)
    others = _others_longer(epochs, costs.finalists_at_once)
    return replace(plan, finalist=replace(plan.finalist, epochs=others * wanted), longer=LONGER / others)


def seconds(plan: Plan, costs: Costs) -> float:
    """What the plan takes."""
    fixed = costs.clocking + costs.teacher_outputs + plan.trials * costs.trial + plan.finalists * costs.export
    return fixed + _training_seconds(plan, costs) + REPORT_SECONDS


def finalists_seconds(epochs: Sequence[float], at_once: int) -> float:
    """For an epoch of each, side by side, and `LONGER` of the last, which begins first.

    >>> finalists_seconds([10, 10, 20], 2)
    100.0
    """
    return _side_by_side_seconds([*epochs[:-1], LONGER * epochs[-1]], at_once)


def _others_longer(epochs: Sequence[float], at_once: int) -> float:
    """Times as many epochs as one for all but the last, that end before `LONGER` of the last: from 1 to `LONGER`."""
    if at_once == 1 or len(epochs) == 1:
        return 1.0
    return min(LONGER, max(1.0, LONGER * epochs[-1] / _side_by_side_seconds(epochs[:-1], at_once - 1)))


def _side_by_side_seconds(trainings: Sequence[float], at_once: int) -> float:
    """Until all have ended, when the last begin first and the next takes whatever core is free."""
    cores = [0.0] * at_once
    for training in reversed(trainings):
        heapq.heapreplace(cores, cores[0] + training)
    return max(cores)


def _training_seconds(plan: Plan, costs: Costs) -> float:
    judging = _trial_seconds(plan, costs) if plan.trial else plan.supernet.epochs * costs.supernet_epoch
    epochs = [costs.finalist_epoch] * plan.finalists
    finalists = plan.finalist.epochs * finalists_seconds(epochs, costs.finalists_at_once)
    return _teacher_seconds(plan, costs) + judging + finalists + _int8_seconds(plan, costs)


def _teacher_seconds(plan: Plan, costs: Costs) -> float:
    return plan.teacher.epochs * costs.teacher_epoch


def _trial_seconds(plan: Plan, costs: Costs) -> float:
    return plan.trials * plan.trial.epochs * costs.trial_epoch if plan.trial else 0.0


def _int8_seconds(plan: Plan, costs: Costs) -> float:
    """As if all had to be fine-tuned."""
    return plan.finalists * plan.int8.epochs * costs.int8_epoch if plan.int8 else 0.0


def _times(factor: float, recipe: Recipe) -> Recipe:
    return replace(recipe, epochs=recipe.epochs * factor)
