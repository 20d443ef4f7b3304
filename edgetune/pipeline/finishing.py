"""How a trial becomes a finalist: trained in full, tested, exported and checked.

Each step leaves its result in the run folder or the study, and is not done again where it is there.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from pydantic import TypeAdapter

from edgetune.distill.evaluate import accuracy
from edgetune.distill.loop import Progress, Recipe
from edgetune.distill.side_by_side import side_by_side
from edgetune.distill.teacher import Teacher
from edgetune.export.bundle import Bundle, read_bundle
from edgetune.export.formats import USUAL, formats_of
from edgetune.export.int8 import ROUNDING, Quantised
from edgetune.export.onnx_file import PLAIN, OnnxForm
from edgetune.nets.weights import load_weights, save_weights
from edgetune.pipeline.artefacts import Distilled
from edgetune.pipeline.bundling import bundle_network, finalist_of
from edgetune.pipeline.exported_again import signed_off_as, what_is_lost
from edgetune.pipeline.int8_tuning import Int8Tuning
from edgetune.pipeline.judging import Judge
from edgetune.pipeline.plan import Plan
from edgetune.pipeline.run_folder import RunFolder
from edgetune.pipeline.task import Task
from edgetune.pipeline.teacher_card import teacher_card
from edgetune.report.summary import Finalist
from edgetune.reporter import Reporter
from edgetune.search import note_names
from edgetune.search.study import Study
from edgetune.search.trial import Trial


@dataclass(frozen=True)
class Finisher:
    """Makes finalists of a run's trials.

    Parameters
    ----------
    outputs
        Gives the teacher's logits of the training pictures, where something is left to train.
    """

    task: Task
    plan: Plan
    study: Study
    folder: RunFolder
    teacher: Teacher
    outputs: Callable[[], np.ndarray]
    device: torch.device
    reporter: Reporter

    def distil(self, trials: Sequence[Trial], recipes: Sequence[Recipe], judge: Judge) -> None:
        """Trains networks on from the weights they were judged by, the last and longest first, and keeps their own."""
        left = [
            partial(self.train, trial, recipe, judge, self.outputs())
            for trial, recipe in zip(trials, recipes, strict=True)
            if not self.folder.weights(trial.number).is_file()
        ]
        side_by_side(left[::-1], self.device, shares=self.plan.finalists, progress=self.reporter.progress)

    def train(self, trial: Trial, recipe: Recipe, judge: Judge, outputs: np.ndarray, progress: Progress) -> None:
        network = judge.judged(trial.sample)
        checkpoint = self.folder.training(trial.number)
        self.task.distil(
            network,
            outputs,
            recipe,
            sample=trial.sample,
            teacher=self.teacher,
            stage=self.folder.name_of(trial.number),
            checkpoint=checkpoint,
            progress=progress,
        )
        save_weights(network, self.folder.weights(trial.number))
        checkpoint.unlink(missing_ok=True)

    def finalist(self, trial: Trial) -> Finalist:
        """Tests, exports and checks one network that was distilled."""
        note, adapter = note_names.finalist(trial.number), TypeAdapter(Finalist)
        stored = self.study.note(note)
        if stored is not None:
            return adapter.validate_python(stored)
        distilled = self.distilled(trial)
        bundle = self.bundle(distilled, int8=self.plan.int8)
        finalist = finalist_of(self.task, distilled, bundle, self.folder.path)
        self.study.set_note(note, adapter.dump_python(finalist, mode="json"))
        return finalist

    def distilled(self, trial: Trial) -> Distilled:
        """A network that was trained, from its weights: always the same bits, whenever it is exported."""
        network, dataset = self.task.new_network(trial.sample), self.task.dataset
        load_weights(network, self.folder.weights(trial.number))
        return Distilled(
            name=self.folder.name_of(trial.number),
            trial=trial,
            network=network,
            validation_top1=accuracy(network, dataset.validation),
            test_top1=accuracy(network, dataset.test),
        )

    def bundle(
        self,
        distilled: Distilled,
        formats: tuple[str, ...] | None = None,
        form: OnnxForm = PLAIN,
        int8: Recipe | None = None,
    ) -> Bundle:
        """Exports and checks a network; what was there before gives way once the new bundle stands.

        The clockings that decide on INT8 are kept in the study, so that the same bundle can be made again.
        """
        number, config = distilled.trial.number, self.task.config
        folder, note = self.folder.bundle(number), note_names.quantised(number, ROUNDING)
        fresh, clockings = folder.with_name(f".{folder.name}"), TypeAdapter(dict[str, Quantised])
        quantised = clockings.validate_python(self.study.note(note, {}))
        shutil.rmtree(fresh, ignore_errors=True)
        made = bundle_network(
            self.task,
            distilled,
            teacher_card(self.teacher, self.task.dataset.test, self.study, self.device),
            fresh,
            {"space": self.task.space.name, "config": config.model_dump(exclude_none=True)},
            formats=formats or (formats_of(config.formats, where="formats") if config.formats else USUAL),
            form=form,
            quantised=quantised,
            int8_tuning=self.int8_tuning(distilled.trial, int8) if int8 else None,
            reporter=self.reporter,
        )
        self.study.set_note(note, clockings.dump_python(quantised, mode="json"))
        made = signed_off_as(folder, made)
        for loss in what_is_lost(folder, made.card):
            self.reporter.say(loss)
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
        return read_bundle(folder)

    def int8_tuning(self, trial: Trial, recipe: Recipe) -> Int8Tuning:
        return Int8Tuning(
            self.task,
            trial.sample,
            f"{self.folder.name_of(trial.number)} INT8",
            recipe,
            self.teacher,
            self.outputs,
            weights=self.folder.int8_weights(trial.number, recipe.epochs),
            checkpoint=self.folder.int8_training(trial.number, recipe.epochs),
            device=self.device,
            progress=self.reporter.progress,
        )
