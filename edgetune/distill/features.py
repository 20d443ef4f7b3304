"""Distillation of inner features, from a teacher that looks at each batch beside the student."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from edgetune.distill.losses.attention import attention_transfer
from edgetune.distill.losses.hints import Hints
from edgetune.distill.losses.relational import relational_distillation
from edgetune.distill.precision import mixed_precision
from edgetune.distill.teacher import Teacher, TorchTeacher, fit_pixels
from edgetune.errors import TeacherError

Hook = Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]
FEATURE_LOSSES = frozenset({"attention", "hints", "relational"})
DEEPEST = 3
"""Pairs of feature maps that attention is transferred between."""


class FeatureDistillation(nn.Module):
    """The weighted sum of the losses of :data:`FEATURE_LOSSES` between a student's feature maps and its teacher's.

    Maps are paired from the deepest up, one a resolution; attention is transferred between three pairs, hints and
    relations are taken at the deepest.

    Parameters
    ----------
    student
        On its device; its last feature maps are caught whenever it is called.
    weights
        Of the losses, by name.
    resolution, channels
        Of the student's pictures.

    Raises
    ------
    TeacherError
        The teacher has no feature maps: it is no torch module, or a transformer.
    """

    def __init__(
        self, student: nn.Module, teacher: Teacher, weights: Mapping[str, float], *, resolution: int, channels: int
    ) -> None:
        super().__init__()
        self.weights = dict(weights)
        teacher = _with_layers(teacher)
        self._fitted = partial(fit_pixels, channels=teacher.channels, resolution=teacher.resolution)
        # A copy, since another student's training may listen to the same teacher at the same time; in a list, since its
        # weights are not ours to train or to save.
        module = copy.deepcopy(teacher.module)
        self._teacher = [module]
        device = next(student.parameters()).device
        pixels = torch.zeros(2, channels, resolution, resolution, device=device)
        self._mine = FeatureMaps(student, pixels)
        self._theirs = _maps_of(teacher, module, device)
        widths = (maps.widths[-1] for maps in (self._mine, self._theirs))
        self.hints = Hints(*widths).to(device) if self.weights.get("hints") else None

    def forward(self, pixels: Tensor) -> Tensor:
        """The loss of the maps that the student's call on these pixels left behind."""
        mine = [features.float() for features in self._mine.caught()]
        with torch.no_grad(), mixed_precision(pixels.device):
            self._teacher[0](self._fitted(pixels))
        theirs = [features.float() for features in self._theirs.caught()]
        pairs = min(DEEPEST, len(mine), len(theirs))
        losses = [weight * self._loss(name, mine[-pairs:], theirs[-pairs:]) for name, weight in self.weights.items()]
        return sum(losses[1:], losses[0])

    def _loss(self, name: str, mine: list[Tensor], theirs: list[Tensor]) -> Tensor:
        if name == "attention":
            return attention_transfer(mine, theirs)
        if name == "relational":
            return relational_distillation(mine[-1].mean((2, 3)), theirs[-1].mean((2, 3)))
        assert self.hints is not None, name
        return self.hints(mine[-1], theirs[-1])

    def close(self) -> None:
        """Takes the hooks out of the student."""
        self._mine.close()


def check_features(teacher: Teacher) -> None:
    """Raises :class:`TeacherError` for a teacher on the processor that has no feature maps to distil from."""
    with_layers = _with_layers(teacher)
    _maps_of(with_layers, with_layers.module, torch.device("cpu")).close()


def _with_layers(teacher: Teacher) -> TorchTeacher:
    if not isinstance(teacher, TorchTeacher):
        mend = "distil from logits alone, or give a torch module"
        raise TeacherError("gives logits and no feature maps", where=teacher.name, mend=mend)
    return teacher


def _maps_of(teacher: TorchTeacher, module: nn.Module, device: torch.device) -> FeatureMaps:
    """Those of the teacher's module, or of a copy of it."""
    side = teacher.resolution
    maps = FeatureMaps(module, torch.zeros(2, teacher.channels, side, side).to(device))
    if not maps.layers:
        mend = "distil from logits alone, or give a convolutional network"
        raise TeacherError("it has no feature maps", where=teacher.name, mend=mend)
    return maps


class FeatureMaps:
    """The last output of each resolution in a network, shallow to deep, caught as it is computed."""

    def __init__(self, module: nn.Module, example: Tensor) -> None:
        found: dict[int, tuple[nn.Module, int]] = {}  # by pixels a side; a later layer takes an earlier one's place

        def note(layer: nn.Module, inputs: tuple[Tensor, ...], output: object) -> None:
            if isinstance(output, Tensor) and output.ndim == 4 and output.shape[2] > 1:
                found[output.shape[2]] = (layer, output.shape[1])

        handles = [layer.register_forward_hook(note) for layer in module.modules() if layer is not module]
        was_training = module.training
        with torch.no_grad():
            module.eval()(example)
        module.train(was_training)
        for handle in handles:
            handle.remove()
        ends = [end for side, end in sorted(found.items(), reverse=True)]
        self.layers, self.widths = [layer for layer, _ in ends], [width for _, width in ends]
        self._caught: dict[int, Tensor] = {}
        self._handles = [layer.register_forward_hook(self._catch(i)) for i, layer in enumerate(self.layers)]

    def _catch(self, index: int) -> Hook:
        def hook(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            self._caught[index] = output

        return hook

    def caught(self) -> list[Tensor]:
        """(N, C, H, W) each, of the last call; forgotten afterwards, so that no graph is kept alive."""
        maps = [self._caught[index] for index in range(len(self.layers))]
        self._caught.clear()
        return maps

    def close(self) -> None:
        for handle in self._handles:
            handle.remove()
