"""A plain space as an NNI model space, for NNI's strategies and engines. Importing this imports torch and NNI."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

with warnings.catch_warnings():
    warnings.simplefilter("ignore", RuntimeWarning)  # one for each torch class that is newer than NNI
    from nni.mutable import Categorical, LabeledMutable, Mutable, Numerical
    from nni.nas.nn.pytorch import LayerChoice, ModelSpace, Repeat
    from torch.nn import Module

from edgetune.errors import SpaceError
from edgetune.space.describe import when
from edgetune.space.parameters import Choice, Parameter, Range, Sample, Space, Value

Conditions: TypeAlias = Mapping[str, tuple[Value, ...]]


class NniModelSpace(ModelSpace):  # type: ignore[misc]
    """Every parameter of a space as an NNI mutable; freezing hands the sample to `build`.

    NNI has no conditions: its samples hold a value for every label, and those that are not active are dropped here.

    Parameters
    ----------
    space
        The plain description.
    build
        Makes of a sample what NNI's evaluator is to receive: a torch module, or any other thing.
    """

    def __init__(self, space: Space, build: Callable[[Sample], Any]) -> None:
        super().__init__()
        self.space = space
        self.build = build
        for parameter in space.parameters:
            self.add_mutable(_mutable(parameter))

    @classmethod
    def create_fixed_module(cls, sample: dict[str, Any], space: Space, build: Callable[[Sample], Any]) -> Any:
        """What NNI calls instead of the constructor when it has chosen a sample."""
        return build(from_nni(space, sample))

    def freeze(self, sample: dict[str, Any]) -> Any:
        self.validate(sample)
        return self.build(from_nni(self.space, sample))


def from_nni(space: Space, sample: Mapping[str, Any]) -> Sample:
    """The active part of an NNI sample."""
    values = {parameter.label: sample[parameter.label] for parameter in space.parameters}
    return space.sample({label: _plain(space.by_label[label], value) for label, value in values.items()})


def to_nni(space: Space, sample: Sample) -> dict[str, Value]:
    """The sample with a value for every label; what is not active gets its parameter's first one."""
    return {parameter.label: sample.values.get(parameter.label, _first(parameter)) for parameter in space.parameters}


def _mutable(parameter: Parameter) -> LabeledMutable:
    if isinstance(parameter, Choice):
        return Categorical(parameter.options, label=parameter.label)
    return Numerical(parameter.low, parameter.high, log_distributed=parameter.log, label=parameter.label)


def _plain(parameter: Parameter, value: Any) -> Value:
    """NNI draws numpy numbers from ranges, and rounding may put them a hair outside."""
    return value if isinstance(parameter, Choice) else min(max(float(value), parameter.low), parameter.high)


def _first(parameter: Parameter) -> Value:
    return parameter.options[0] if isinstance(parameter, Choice) else parameter.low


def described(space: Mutable) -> dict[str, Any]:
    """An NNI space as a dict from label to mutable, with the conditions that its modules imply.

    What lies in block i of a `Repeat` exists only while the depth is above i, what lies in a candidate of a
    `LayerChoice` only while that is chosen. A label that occurs in several places exists while one of them may.
    """
    mutables = space.simplify()
    places = defaultdict(list)
    for label, conditions in _places(space, {}):
        places[label].append(conditions)
    known: dict[str, Any] = {}
    for label, mutable in mutables.items():
        conditions = _common(places[label], known)
        known[label] = mutable
        mutables[label] = when(conditions, mutable) if conditions else mutable
    return dict(mutables)


def _places(module: Any, conditions: Conditions) -> Iterator[tuple[str, Conditions]]:
    """Each label, once for every place that has it, and what must be chosen for the place to exist."""
    for mutable in getattr(module, "mutables", ()):
        yield from ((label, conditions) for label in mutable.simplify())
    for child, more in _children(module) if isinstance(module, Module) else ():
        yield from _places(child, {**conditions, **more})


def _children(module: Module) -> Iterator[tuple[Module, Conditions]]:
    if isinstance(module, Repeat) and isinstance(module.depth_choice, Categorical):
        depth = module.depth_choice
        for i, block in enumerate(module.blocks):
            yield block, {depth.label: tuple(value for value in depth.values if value > i)}
    elif isinstance(module, LayerChoice):
        yield from ((module[name], {module.choice.label: (name,)}) for name in module.names)
    else:
        yield from ((child, {}) for child in module.children())


def _common(places: Sequence[Conditions], known: Mapping[str, Any]) -> dict[str, tuple[Value, ...]]:
    """What holds in every place that a label has, said of labels listed before it; nothing that always holds."""
    labels = [label for label in places[0] if all(label in place for place in places)] if places else []
    united = {label: tuple(dict.fromkeys(value for place in places for value in place[label])) for label in labels}
    return {
        label: values for label, values in united.items() if label in known and len(values) < len(known[label].values)
    }


def options_of(label: str, mutable: LabeledMutable) -> list[Any] | Range:
    """What an NNI mutable chooses from, as it would be written without NNI.

    Raises
    ------
    SpaceError
        A kind of mutable that has no plain counterpart.
    """
    if isinstance(mutable, Categorical):
        return list(mutable.values)
    if isinstance(mutable, Numerical) and mutable.mu is None and mutable.quantize is None:
        return Range(label, mutable.low, mutable.high, log=mutable.log_distributed)
    raise SpaceError(f"no plain counterpart of {mutable!r}", where=label, mend="use nni.choice, uniform or loguniform")
