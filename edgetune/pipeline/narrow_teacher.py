"""A teacher of half the width, where a budget leaves the usual one few epochs.

It computes a quarter as much for a picture, and sees its pictures more often: while a teacher has seen them a few times
only, it gains more by that than by its width (see docs/benchmarks.md).
"""

from __future__ import annotations

import time
from dataclasses import replace

import torch

from edgetune.pipeline.budget import teacher_costs
from edgetune.pipeline.plan import Costs, Plan, fit
from edgetune.pipeline.task import Task

FEW = 0.75
"""Of the usual epochs."""
TIMES = 2.5
"""As many epochs, where those take no longer; on a GPU they would. Two cores are 3.2 times as fast with it."""


def narrow_where_short(task: Task, plan: Plan, budget: float, costs: Costs, device: torch.device) -> tuple[Plan, Costs]:
    """The plan, still of all the work, with the teacher that suits a budget in seconds, and what that plan costs."""
    if plan.teacher_is != "trained" or fit(plan, budget, costs).teacher.epochs >= FEW * plan.teacher.epochs:
        return plan, costs
    began, narrow = time.perf_counter(), replace(plan, narrow_teacher=True)
    epoch, outputs = teacher_costs(task, narrow, None, device)
    clocking = costs.clocking + time.perf_counter() - began
    if TIMES * epoch > costs.teacher_epoch:
        return plan, replace(costs, clocking=clocking)
    teacher = replace(plan.teacher, epochs=TIMES * plan.teacher.epochs)
    return replace(narrow, teacher=teacher), replace(
        costs, teacher_epoch=epoch, teacher_outputs=outputs, clocking=clocking
    )
