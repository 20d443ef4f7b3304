"""What a search is told: one TOML file, and flags that override it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from edgetune import units
from edgetune.errors import ConfigError, SpaceError, nearest
from edgetune.export.formats import formats_of
from edgetune.space.describe import space_of
from edgetune.space.parameters import Choice, Parameter, Range, Value

Milliseconds = Annotated[str, AfterValidator(lambda text: _valid(units.milliseconds, text))]
Bytes = Annotated[str, AfterValidator(lambda text: _valid(units.size, text))]
Macs = Annotated[str, AfterValidator(lambda text: _valid(units.count, text))]
Accuracy = Annotated[str, AfterValidator(lambda text: _valid(units.fraction, text))]
Formats = Annotated[str, AfterValidator(lambda text: _valid(formats_of, text))]
Duration = Annotated[str, AfterValidator(lambda text: _above_zero(units.seconds, text))]
Memory = Annotated[str, AfterValidator(lambda text: _above_zero(units.size, text))]
Scores = Annotated[str, AfterValidator(lambda text: _valid(scores_of, text))]


class Section(BaseModel):
    """Unknown keys are refused."""

    # Defaults are validated too, so that a value reads the same from the code as from a study that wrote it down.
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


class Limits(Section):
    """Hard limits: `latency = "5ms"`, `size = "500kB"`, `memory = "8MB"`, `macs = "10M"`, `accuracy = "0.9"`."""

    latency: Milliseconds | None = None
    size: Bytes | None = None
    memory: Bytes | None = None
    macs: Macs | None = None
    accuracy: Accuracy | None = None

    @property
    def latency_ms(self) -> float | None:
        return None if self.latency is None else units.milliseconds(self.latency, where="limits.latency")

    @property
    def size_bytes(self) -> int | None:
        return None if self.size is None else units.size(self.size, where="limits.size")

    @property
    def memory_bytes(self) -> int | None:
        return None if self.memory is None else units.size(self.memory, where="limits.memory")

    @property
    def most_macs(self) -> int | None:
        return None if self.macs is None else units.count(self.macs, where="limits.macs")

    @property
    def top1(self) -> float | None:
        return None if self.accuracy is None else units.fraction(self.accuracy, where="limits.accuracy")


OptimizerName = Literal["muon", "adamw", "sgd"]
ScheduleName = Literal["linear", "cosine"]


class Training(Section):
    """One of the trainings: how many passes over the training split, and the peak learning rate."""

    epochs: PositiveFloat
    learning_rate: PositiveFloat
    batch_size: PositiveInt = 128
    optimizer: OptimizerName = "muon"
    schedule: ScheduleName = "cosine"
    weight_decay: float = Field(default=0.05, ge=0)


class Shrinking(Section):
    """From which share of a supernet's training on networks may differ from the largest in this.

    `operators` are the kinds of blocks, activations and squeeze-excite.
    """

    operators: float = Field(default=0.25, ge=0, lt=1)
    kernel: float = Field(default=0.25, ge=0, lt=1)
    depth: float = Field(default=0.25, ge=0, lt=1)
    expansion: float = Field(default=0.25, ge=0, lt=1)
    width: float = Field(default=0.25, ge=0, lt=1)


class SupernetTraining(Training):
    """Of the weights that all networks share; with `in_place` the smaller ones learn from the largest."""

    epochs: PositiveFloat = 3
    learning_rate: PositiveFloat = 0.006
    in_place: bool = False
    shrinking: Shrinking = Shrinking()


class TrialTraining(Training):
    """Of each network that is judged, apart from the others, where there is to be no supernet."""

    learning_rate: PositiveFloat = 0.008
    early_stop: Literal["median", "halving", "off"] = "median"


class Int8Training(Training):
    """Of finalists whose INT8 file loses too much, with its rounding."""

    learning_rate: PositiveFloat = 0.001
    optimizer: OptimizerName = "adamw"
    weight_decay: float = Field(default=0, ge=0)


class LossWeights(Section):
    """Of the losses in :mod:`edgetune.distill.losses`; the last three take the teacher's inner features."""

    labels: float = Field(default=0, ge=0)
    logits: float = Field(default=0, ge=0)
    decoupled: float = Field(default=0, ge=0)
    dist: float = Field(default=0, ge=0)
    attention: float = Field(default=0, ge=0)
    hints: float = Field(default=0, ge=0)
    relational: float = Field(default=0, ge=0)

    @property
    def named(self) -> dict[str, float]:
        """Those that are not zero."""
        return {name: weight for name, weight in self.model_dump().items() if weight}

    @model_validator(mode="after")
    def _some_of_the_logits(self) -> LossWeights:
        if self.named and not (self.labels or self.logits or self.decoupled or self.dist):
            mend = "the supernet is trained with labels, logits, decoupled or dist: weigh one of them too"
            raise ConfigErrorInValue(ConfigError("only losses of inner features have a weight", mend=mend))
        return self


class Distillation(Section):
    """How the teacher is listened to: by `teacher_weight` (Hinton 2015), or by the sum of losses that `weights` names.

    `ema` is the decay of the moving average of the weights that a finalist ends with; 0 is none.
    """

    temperature: PositiveFloat = 4.0
    teacher_weight: float = Field(default=0.9, ge=0, le=1)
    smoothing: float = Field(default=0, ge=0, lt=1)
    ema: float = Field(default=0, ge=0, lt=1)
    weights: LossWeights = LossWeights()


class Augmentation(Section):
    """Random shifts of the teacher's pictures, in pixels; whether all pictures are mirrored at random.

    With more than one of `views`, students see so many shifted and mirrored versions of each picture, an epoch each in
    turn, and the teacher's outputs are of just those; with one, pictures unshifted and outputs of picture and mirror
    image. For finalists: α of mixup and CutMix, and the magnitude of RandAugment, 1 to 10; 0 is none.
    """

    shift: NonNegativeInt = 1
    flip: bool = True
    views: PositiveInt = 1
    mixup: float = Field(default=0, ge=0)
    cutmix: float = Field(default=0, ge=0)
    rand_augment: int = Field(default=0, ge=0, le=10)

    @model_validator(mode="after")
    def _views_that_differ(self) -> Augmentation:
        if self.views > 1 and not (self.shift or self.flip):
            error = ConfigError("without shift and flip all views are the same", mend="views = 1, or set one of them")
            raise ConfigErrorInValue(error)
        return self


class Options(Section):
    """What a hyper-parameter may be: a list of values, or `{ low = …, high = …, log = true }`.

    `widest` is what a space that adapts may widen it to: two limits of a range, or a longer list, `{ values = …,
    widest = … }`.
    """

    values: tuple[int | float | str, ...] = ()
    low: float | None = None
    high: float | None = None
    log: bool = False
    widest: tuple[int | float, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _of_a_list(cls, given: Any) -> Any:
        return {"values": given} if isinstance(given, list | tuple) else given

    def parameter(self, label: str) -> Parameter:
        """In a space, as wide as it may become.

        Raises
        ------
        SpaceError
            It is neither a list nor a range, or something of both; or not a part of what it may become.
        """
        return self._limits(label)[0]

    def pool(self, label: str) -> tuple[Value, ...]:
        """What a space that adapts begins with: values, or two bounds; empty where it is not to be widened."""
        return self._limits(label)[1]

    def _limits(self, label: str) -> tuple[Parameter, tuple[Value, ...]]:
        begun = self._begun(label)
        if not self.widest:
            return begun, ()
        if isinstance(begun, Range):
            if len(self.widest) != 2:
                raise SpaceError("widest of a range is two limits", where=label, mend="widest = [lowest, highest]")
            widest = space_of({label: Range("", *self.widest, self.log)}).parameters[0]
            pool: tuple[Value, ...] = (begun.low, begun.high)
            inside = widest.holds(begun.low) and widest.holds(begun.high)
        else:
            widest = Choice(label, tuple(sorted(self.widest)))
            pool = tuple(widest.spelled(value) for value in begun.options)
            inside = any(widest.options[i : i + len(pool)] == pool for i in range(len(widest.options)))
        if not inside:
            raise SpaceError("widest has to hold all of it, in a row", where=label, mend="give that, and more")
        return space_of({label: widest}).parameters[0], pool

    def _begun(self, label: str) -> Parameter:
        if self.values and (self.low is not None or self.high is not None or self.log):
            raise SpaceError("a list and a range at once", where=label, mend="leave out values, or low, high and log")
        if self.low is None or self.high is None:
            return space_of({label: list(self.values)}).parameters[0]
        return space_of({label: Range("", self.low, self.high, self.log)}).parameters[0]


class HyperParameters(Section):
    """Training hyper-parameters that are searched for beside the architecture."""

    learning_rate: Options | None = None
    optimizer: Options | None = None
    weight_decay: Options | None = None
    batch_size: Options | None = None
    temperature: Options | None = None
    teacher_weight: Options | None = None
    smoothing: Options | None = None
    ema: Options | None = None
    mixup: Options | None = None
    cutmix: Options | None = None
    rand_augment: Options | None = None

    @property
    def named(self) -> dict[str, Options]:
        return {name: options for name in type(self).model_fields if (options := getattr(self, name)) is not None}

    @model_validator(mode="after")
    def _what_the_trainings_take(self) -> HyperParameters:
        for name, options in self.named.items():
            section = next(kind for kind in (Training, Distillation, Augmentation) if name in kind.model_fields)
            rest = {"epochs": 1, "learning_rate": 1} if section is Training else {}
            try:
                parameter = options.parameter(name)
                ends = (parameter.low, parameter.high) if isinstance(parameter, Range) else parameter.options
                for value in ends:
                    section.model_validate({**rest, name: value}, strict=True)
            except SpaceError as error:
                raise ConfigErrorInValue(ConfigError(f"{name}: {error.what}", mend=error.mend)) from error
            except ValidationError as error:
                first = error.errors()[0]
                problem = f"{name}: {first['msg']}, not {first['input']!r}"
                raise ConfigErrorInValue(ConfigError(problem, mend="see docs/distillation.md")) from error
        return self


ZERO_COST = ("synflow", "naswot", "gradient_norm")
"""Those of :mod:`edgetune.nets.zero_cost` that a search can be told to look at; MACs and parameters it knows anyway."""


class Learning(Section):
    """What a search learns from besides its trials, and what it does with what it learns.

    `scores` names zero-cost scores of untrained networks, as in `"synflow,naswot"`, for the surrogate.
    """

    adapt: bool = False
    explore: float = Field(default=0.1, ge=0.02, le=1)
    freeze_below: float = Field(default=0.2, ge=0, le=1)
    warm_start: str = "off"
    library: str | None = None
    scores: Scores | None = None
    reptile: bool = False
    warn_failed: float = Field(default=0.5, ge=0, le=1)
    stop_flat: PositiveInt | None = None


def scores_of(text: str, *, where: str) -> tuple[str, ...]:
    """The zero-cost scores that a text names.

    >>> scores_of("synflow, naswot", where="learning.scores")
    ('synflow', 'naswot')

    Raises
    ------
    ConfigError
        One of them is none.
    """
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in ZERO_COST:
            raise ConfigError(f"unknown zero-cost score {name!r}", where=where, mend=nearest(name, ZERO_COST))
    return tuple(dict.fromkeys(names))


class SearchConfig(Section):
    """Everything that decides what a search does.

    With `trial_training` each network is trained apart to be judged, and `hyper_parameters` may join the space; with
    `int8_training` a finalist whose INT8 file loses too much is fine-tuned with its rounding.
    """

    device: str = "rpi4"
    data: str = "fashion-mnist"
    resolution: PositiveInt | None = None
    teacher: str | None = None
    init_teacher: str | None = None
    strategy: str = "guided"
    seed: NonNegativeInt = 0
    trials: PositiveInt = 120
    finalists: PositiveInt = 8
    budget: Duration | None = None
    engine: Literal["in-process", "processes", "ray"] = "in-process"
    workers: PositiveInt | None = None
    address: str | None = None
    trial_time_limit: Duration | None = None
    trial_memory_limit: Memory | None = None
    formats: Formats | None = None
    agent: str | None = None
    limits: Limits = Limits()
    distillation: Distillation = Distillation()
    augmentation: Augmentation = Augmentation()
    learning: Learning = Learning()
    teacher_training: Training | None = None
    supernet_training: SupernetTraining = SupernetTraining()
    trial_training: TrialTraining | None = None
    finalist_training: Training = Training(epochs=2.5, learning_rate=0.008)
    int8_training: Int8Training | None = None
    hyper_parameters: HyperParameters = HyperParameters()

    @model_validator(mode="after")
    def _hyper_parameters_have_a_meaning(self) -> SearchConfig:
        chosen = self.hyper_parameters.named
        if chosen and self.trial_training is None:
            error = ConfigError("hyper_parameters mean nothing to a supernet's weights", mend="--trial-epochs 3")
            raise ConfigErrorInValue(error)
        widened = [name for name, options in chosen.items() if options.widest]
        if widened and not self.learning.adapt:
            what = f"hyper_parameters.{widened[0]}.widest is for a space that adapts"
            raise ConfigErrorInValue(ConfigError(what, mend="--adapt, or leave widest out"))
        if self.learning.reptile and self.trial_training is not None:
            what = "learning.reptile is a start of the supernet, and with trial_training there is none"
            error = ConfigError(what, mend="leave one of them out")
            raise ConfigErrorInValue(error)
        if "teacher_weight" in chosen and self.distillation.weights.named:
            what = "distillation.weights stand in the place of hyper_parameters.teacher_weight"
            raise ConfigErrorInValue(ConfigError(what, mend="leave one of them out"))
        return self


def read_config(path: Path | None, overrides: Mapping[str, Any]) -> SearchConfig:
    """The TOML file, then the overrides (nested mappings; None leaves a key as it is).

    Raises
    ------
    ConfigError
        No such file, not TOML, an unknown key (with the nearest known one), a value that does not fit.
    """
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ConfigError("there is no such file", where=path, mend="check the path") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"not TOML: {error}", where=path, mend="correct the line") from error
    _override(values, overrides)
    try:
        return SearchConfig.model_validate(values)
    except ValidationError as error:
        raise _config_error(error, path) from error


def _override(values: dict[str, Any], overrides: Mapping[str, Any]) -> None:
    for key, value in overrides.items():
        if isinstance(value, Mapping):
            _override(values.setdefault(key, {}), value)
        elif value is not None:
            values[key] = value


def _config_error(error: ValidationError, path: Path | None) -> ConfigError:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    where = ": ".join(part for part in (str(path or ""), key) if part) or None
    if first["type"] == "extra_forbidden":
        section = _section(first["loc"][:-1])
        return ConfigError("unknown key", where=where, mend=nearest(str(first["loc"][-1]), section.model_fields))
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, ConfigErrorInValue):
        return ConfigError(cause.error.what, where=where, mend=cause.error.mend)
    return ConfigError(f"{first['msg']}, not {first['input']!r}", where=where, mend="see edgetune search --help")


def _section(keys: tuple[int | str, ...]) -> type[BaseModel]:
    section: type[BaseModel] = SearchConfig
    for key in keys:
        annotation = section.model_fields[str(key)].annotation
        section = next(kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type))
    return section


class ConfigErrorInValue(ValueError):
    """Carries our own error through pydantic, which passes on only ValueErrors."""

    def __init__(self, error: ConfigError) -> None:
        super().__init__(error.what)
        self.error = error


def _valid(parse: Any, text: str) -> str:
    """The text itself, so that what is written down is what was asked for; it must parse."""
    try:
        parse(text, where="")
    except ConfigError as error:
        raise ConfigErrorInValue(error) from error
    return text


def _above_zero(parse: Any, text: str) -> str:
    """As :func:`_valid`; with nothing at all no trial could end well."""
    if parse(_valid(parse, text), where="") <= 0:
        raise ConfigErrorInValue(ConfigError(f"{text!r} is nothing", mend="give more, or leave it out"))
    return text
