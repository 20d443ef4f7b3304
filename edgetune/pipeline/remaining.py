"""How long finalists train in what is left of a budget, once it is known which they are and what the rest took.

The plan was made from a machine's first minute and a network drawn at random; since then it may have become busier or
idler, and the networks of the front may be larger or smaller.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace

import torch
from pydantic import TypeAdapter

from edgetune import units
from edgetune.nets.network import Network
from edgetune.pipeline.budget import finalist_epochs
from edgetune.pipeline.plan import Costs, Plan, fit_finalists, plan_of
from edgetune.pipeline.task import Task
from edgetune.reporter import Reporter
from edgetune.search.note_names import COSTS, FINALIST_EPOCHS, FINALIST_LONGER, SECONDS
from edgetune.search.study import Study


def note_costs(study: Study, costs: Costs) -> None:
    study.set_note(COSTS, asdict(costs))


def with_what_was_left(plan: Plan, study: Study) -> Plan:
    """The plan with the epochs that were decided on, where they were."""
    epochs = study.note(FINALIST_EPOCHS)
    if epochs is None:
        return plan
    longer = study.note(FINALIST_LONGER, plan.longer)
    return replace(plan, finalist=replace(plan.finalist, epochs=epochs), longer=longer)


def with_what_is_left(
    plan: Plan, study: Study, task: Task, networks: Iterable[Network], device: torch.device, reporter: Reporter
) -> Plan:
    """The plan with other epochs for the finalists, decided once; without a budget as it is.

    Parameters
    ----------
    networks
        The finalists as they are before they are trained on, the largest last; not asked for once it is decided.
    """
    noted = study.note(COSTS)
    if noted is not None and task.config.budget and study.note(FINALIST_EPOCHS) is None:
        left = units.seconds(task.config.budget, where="budget") - sum(study.note(SECONDS, {}).values())
        costs = TypeAdapter(Costs).validate_python(noted)
        epochs = finalist_epochs(task, plan, networks, device)
        fitted = fit_finalists(plan, plan_of(task.config), left, epochs, costs)
        usual, longest = fitted.finalist.epochs, fitted.longer * fitted.finalist.epochs
        reporter.say(f"to end within {task.config.budget}: finalist {usual:.2g} epochs, the largest {longest:.2g}")
        study.set_note(FINALIST_LONGER, fitted.longer)
        study.set_note(FINALIST_EPOCHS, usual)  # last: with it the decision stands
    return with_what_was_left(plan, study)
