"""One search, from its plan to checked bundles and a report.

Read :meth:`SearchRun.finish` from top to bottom. Each step leaves its result in the run folder or the cache before the
next begins, so that a run that was stopped, however, goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, replace
from functools import partial

import numpy as np
from pydantic import TypeAdapter

from edgetune import units
from edgetune.distill.evaluate import top1_on
from edgetune.distill.precision import best_device
from edgetune.distill.teacher import Teacher
from edgetune.distill.teacher_outputs import Views, teacher_outputs
from edgetune.distill.train_teacher import trained_teacher
from edgetune.errors import InfeasibleError, StudyError
from edgetune.export.bundle import Bundle
from edgetune.export.onnx_file import PLAIN, OnnxForm
from edgetune.files import cache_folder
from edgetune.pipeline import board_looks, learning
from edgetune.pipeline.budget import measure_costs
from edgetune.pipeline.bundling import finalist_of
from edgetune.pipeline.exported_again import tell_the_front
from edgetune.pipeline.finishing import Finisher
from edgetune.pipeline.front import final_front
from edgetune.pipeline.helping import dismiss_helpers, helped
from edgetune.pipeline.judging import Judge, SupernetJudge, TrainingJudge, check_engine, early_stop_of, engine_of
from edgetune.pipeline.measured import measure_finalists, missed
from edgetune.pipeline.narrow_teacher import narrow_where_short
from edgetune.pipeline.noted import Noted
from edgetune.pipeline.plan import Plan, fit, int8_recipe, plan_of
from edgetune.pipeline.quick_teacher import quick
from edgetune.pipeline.remaining import note_costs, with_what_is_left, with_what_was_left
from edgetune.pipeline.reptile_start import chosen_tasks, learn_start
from edgetune.pipeline.run_folder import RunFolder
from edgetune.pipeline.same_teacher import given_teacher, initial_teacher
from edgetune.pipeline.summarise import summarise, write_summary
from edgetune.pipeline.supernet_start import begin_supernet
from edgetune.pipeline.task import Task
from edgetune.pipeline.teacher_card import teacher_card
from edgetune.report.explanation import Insight
from edgetune.report.summary import Finalist, RunSummary
from edgetune.reporter import Reporter
from edgetune.search.finalists import from_smallest, pick_finalists
from edgetune.search.note_names import PLAN, SECONDS
from edgetune.search.study import Study
from edgetune.search.trial import Trial


class SearchRun:
    """One search under way."""

    def __init__(self, folder: RunFolder, study: Study, task: Task, reporter: Reporter) -> None:
        self.folder, self.study, self.reporter = folder, study, Noted(reporter, study)
        self.as_profiled, self.task = task, board_looks.learnt_from(study, task)
        self.config, self.dataset = task.config, task.dataset
        self.device = best_device()

    def finish(self) -> RunSummary:
        """The whole way.

        Raises
        ------
        InfeasibleError
            No network holds the limits; the message names the nearest.
        EngineError
            Trials are left to judge, and their cluster is not there.
        """
        plan = self.plan()
        if len(self.study) < plan.trials:
            check_engine(self.config)  # a cluster may have gone since the run began
        with self.stage("teacher"):
            teacher = self.teacher(plan)
            top1_of = partial(top1_on, teacher.logits, device=self.device)
            learning.know_teacher(self.study, self.task, top1_of, self.reporter.say)
        with self.stage("teacher outputs"):
            outputs = self.teacher_outputs(teacher)
            card = teacher_card(teacher, self.dataset.test, self.study, self.device)
        with self.stage("supernet"):
            judge = self.judge(plan, outputs)
        with self.stage("search"):
            trials = self.judge_trials(plan, judge)
        picked = pick_finalists(self.task.problem, trials, plan.finalists)
        picked.sort(key=lambda trial: (trial.values or {})["latency_ms"])
        smallest_first = from_smallest(picked)
        if self.config.budget:
            with self.stage("clocking"):
                networks = (judge.judged(trial.sample) for trial in smallest_first)
                plan = with_what_is_left(plan, self.study, self.task, networks, self.device, self.reporter)
        finisher = self.finisher(plan, teacher, lambda: outputs)
        with self.stage("distillation"):
            finisher.distil(smallest_first, plan.finalist_recipes(len(picked)), judge)
        finalists = []
        for trial in picked:
            with self.stage("export"):
                finalists.append(finisher.finalist(trial))
        if self.config.agent:
            with self.stage("measuring"):
                finalists = measure_finalists(
                    finalists, self.config.agent, self.task.predictor.profile, self.folder.path, self.reporter.say
                )
        with self.stage("report"):
            summary = self.write(teacher, card.test_top1, trials, finalists, self.insight(trials, picked, judge))
        learning.finish(self.folder.path, self.task, self.reporter.say)
        return summary

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the seconds that a step takes to the study, over all resumptions."""
        began = time.perf_counter()
        try:
            yield
        finally:
            seconds = self.study.note(SECONDS, {})
            seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - began
            self.study.set_note(SECONDS, seconds)

    def plan(self) -> Plan:
        """How much to do; decided once, so that a resumed run does the same."""
        stored = self.study.note(PLAN)
        if stored is not None:
            return with_what_was_left(TypeAdapter(Plan).validate_python(stored), self.study)
        plan = plan_of(self.config)
        if self.config.budget:
            with self.stage("clocking"):
                given = given_teacher(self.study, self.task)
                costs = measure_costs(self.task, plan, given, self.device)
                if chosen_tasks(self.study):  # its start takes as long again
                    costs = replace(costs, supernet_epoch=2 * costs.supernet_epoch)
                budget = units.seconds(self.config.budget, where="budget")
                plan, costs = narrow_where_short(self.task, plan, budget, costs, self.device)
                note_costs(self.study, costs)
            plan = fit(plan, budget, costs)
            self.reporter.say(f"to fit {self.config.budget}: {plan.describe()}")
        self.study.set_note(PLAN, asdict(plan))
        return plan

    def teacher(self, plan: Plan) -> Teacher:
        if given := given_teacher(self.study, self.task):
            dismiss_helpers(self.device)
            return quick(given, self.device)
        initial = initial_teacher(self.study, self.task)
        with helped(self.config, plan.teacher, self.device, narrow=plan.narrow_teacher):
            trained = trained_teacher(
                self.dataset,
                plan.teacher,
                initial=initial,
                narrow=plan.narrow_teacher,
                seed=self.config.seed,
                cache=cache_folder(),
                device=self.device,
                progress=self.reporter.progress,
            )
        return quick(trained.folded(), self.device)

    def teacher_outputs(self, teacher: Teacher) -> np.ndarray:
        said = self.config.augmentation
        return teacher_outputs(
            teacher,
            self.dataset.train,
            key=self.dataset.content_hash,
            flip=said.flip,
            views=Views(said.views, self.config.seed, said.shift) if said.views > 1 else None,
            cache=cache_folder(),
            device=self.device,
            progress=self.reporter.progress,
        )

    def judge(self, plan: Plan, outputs: np.ndarray) -> Judge:
        """Trains the supernet, unless each trial is trained apart."""
        if plan.trial:
            return TrainingJudge(self.task, plan.trial, outputs, self.folder.trials)
        supernet = self.task.new_supernet().to(self.device)
        earlier = learning.noted_earlier(self.study)
        learn_start(supernet, self.study, self.task, plan, self.folder, self.reporter)
        begin_supernet(supernet, earlier, self.study, self.task, plan, outputs, self.folder, self.reporter.say)
        self.task.train_supernet(
            supernet, outputs, plan.supernet, checkpoint=self.folder.supernet, progress=self.reporter.progress
        )
        return SupernetJudge(self.task, supernet)

    def judge_trials(self, plan: Plan, judge: Judge) -> list[Trial]:
        """Judges networks in the order that the strategy asks for them."""
        from edgetune.search.nni_strategy import search_with_nni  # NNI takes seconds to import

        def on_trial(trial: Trial) -> None:
            self.reporter.progress("search", len(self.study), plan.trials)  # workers finish out of order
            sensitivity(trial)

        sensitivity = learning.sensitivity_of(self.study, self.task, self.reporter.say)
        self.reporter.progress("search", len(self.study), plan.trials)
        with engine_of(self.config, self.study, self.folder, judge) or nullcontext() as engine:

            def search(trials: int) -> list[Trial]:
                return search_with_nni(
                    self.study,
                    learning.strategy_of(self.study, self.task, self.reporter.say),
                    engine or judge.evaluate,
                    build=judge.build,
                    trials=trials,
                    seed=self.config.seed,
                    batch=batch,
                    early_stop=early_stop_of(self.config),
                    on_trial=on_trial,
                    stop=sensitivity.stop,
                )

            batch = engine.workers if engine else 1
            if self.config.agent:
                self.look_at_boards(self.config.agent, board_looks.moments(plan.trials, batch), search)
            return search(plan.trials)

    def look_at_boards(self, agents: str, moments: Sequence[int], search: Callable[[int], object]) -> None:
        """Searches up to each moment, has the boards clock a few trials then, and goes on with what they taught."""
        board_looks.predict_again(self.study, self.task)  # a run may have been stopped before it was done
        for moment in moments[len(board_looks.looks_of(self.study)) :]:
            with suppress(InfeasibleError):  # so far
                search(moment)
            trials = self.study.trials()
            if len(trials) < moment:
                return
            board_looks.look(self.study, self.task, agents, trials, moment, self.reporter.say)
            self.task = board_looks.learnt_from(self.study, self.as_profiled)
            board_looks.predict_again(self.study, self.task)

    def finisher(self, plan: Plan, teacher: Teacher, outputs: Callable[[], np.ndarray]) -> Finisher:
        return Finisher(self.task, plan, self.study, self.folder, teacher, outputs, self.device, self.reporter)

    def export(
        self,
        number: int,
        formats: tuple[str, ...] | None = None,
        form: OnnxForm = PLAIN,
        *,
        int8_epochs: float | None = None,
    ) -> Bundle:
        """The bundle of any trial, made anew; distilled in full first if that was not done.

        `int8_epochs`, in the place of the plan's, are those of fine-tuning an INT8 artefact that loses too much.

        Raises
        ------
        StudyError
            No such trial, or one that failed.
        """
        trials = {trial.number: trial for trial in self.study.trials() if trial.values is not None}
        if number not in trials:
            known = f"0 to {max(trials)}" if trials else "none yet"
            raise StudyError(f"there is no trial {number}", where=self.folder.path, mend=f"finished trials: {known}")
        plan, trial = self.plan(), trials[number]
        teacher = self.teacher(plan)
        finisher = self.finisher(plan, teacher, partial(self.teacher_outputs, teacher))
        if not self.folder.weights(number).is_file():
            finisher.distil([trial], [plan.finalist], self.judge(plan, finisher.outputs()))
        int8 = plan.int8 if int8_epochs is None else int8_recipe(self.config, int8_epochs)
        distilled = finisher.distilled(trial)
        bundle = finisher.bundle(distilled, formats, form, int8)
        tell_the_front(self.study, self.folder, finalist_of(self.task, distilled, bundle, self.folder.path))
        return bundle

    def insight(self, trials: list[Trial], chosen: list[Trial], judge: Judge) -> Insight:
        """Why the finalists are what they are; some choices are changed and judged, where that takes no training."""
        quick = None if self.config.trial_training else judge
        return learning.insight_into(self.task, trials, chosen, quick)

    def write(
        self, teacher: Teacher, top1: float, trials: list[Trial], finalists: list[Finalist], insight: Insight
    ) -> RunSummary:
        """The summary, `front.json` and the report."""
        front, notes = final_front(finalists, self.config.limits)
        notes += [*missed(finalists), *board_looks.notes_of(self.study)]
        summary = summarise(self.task, self.study, self.folder, teacher, top1, trials, front, notes, insight)
        write_summary(summary, self.folder)
        return summary
