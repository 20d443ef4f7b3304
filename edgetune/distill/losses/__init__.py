"""What a student is trained towards: one loss a file, and their weighted sum."""

from edgetune.distill.losses.logits import logit_distillation
from edgetune.distill.losses.mix import LOGIT_LOSSES, Distillation

__all__ = ["LOGIT_LOSSES", "Distillation", "logit_distillation"]
