"""What a run's bundles and its summary say of the teacher."""

from __future__ import annotations

import torch

from edgetune.data.pictures import Pictures
from edgetune.distill.evaluate import top1_on
from edgetune.distill.teacher import Teacher
from edgetune.export import card as cards
from edgetune.search.note_names import TEACHER_TEST_TOP1
from edgetune.search.study import Study


def teacher_card(teacher: Teacher, test: Pictures, study: Study, device: torch.device) -> cards.Teacher:
    """With its top-1 on the test split, which is computed once and kept in the study: a large one takes minutes."""
    known = study.note(TEACHER_TEST_TOP1)
    if known is None:
        known = top1_on(teacher.logits, test, device=device)
        study.set_note(TEACHER_TEST_TOP1, known)
    return cards.Teacher(name=teacher.name, licence=teacher.licence, test_top1=known)
