"""What one search hands to whoever reads it: the page, `front.json`, the next program. Plain values, JSON both ways.

Accuracies are fractions (0 to 1), latencies milliseconds, sizes bytes, MACs and parameters plain counts.
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import AfterValidator, AwareDatetime, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from edgetune.errors import StudyError
from edgetune.latency.prediction import Prediction, ResultKind
from edgetune.report.explanation import Insight
from edgetune.space.architecture import Architecture
from edgetune.space.parameters import Value

SCHEMA: Final = 2  # 2: what the search has learnt, and each trial's sample
PLAIN = ConfigDict(extra="forbid", allow_inf_nan=False)

Fraction: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Milliseconds: TypeAlias = Annotated[float, Field(ge=0)]
Count: TypeAlias = Annotated[int, Field(ge=0)]
Sha256: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def within_folder(path: str) -> str:
    if not path or path.startswith("/") or "\\" in path or ":" in path or ".." in path.split("/"):
        raise ValueError("a POSIX path from the run folder, without `..`")
    return path


RelativePath: TypeAlias = Annotated[str, AfterValidator(within_folder)]


@dataclass(frozen=True, config=PLAIN)
class Conditions:
    """What a latency speaks of. Two latencies stand in one column only if these are equal."""

    kind: ResultKind
    device: str
    runtime: str
    runtime_version: str
    precision: str
    threads: int
    cpu_mhz: int

    @staticmethod
    def of(latency: Prediction) -> Conditions:
        return Conditions(**{field.name: getattr(latency, field.name) for field in fields(Conditions)})

    def __str__(self) -> str:
        """
        >>> print(Conditions("calibrated", "rpi4", "tflite", "2.7.1", "fp32", 4, 1800))
        calibrated, rpi4, tflite 2.7.1, fp32, 4 threads, 1800 MHz
        """
        threads = f"{self.threads} thread{'' if self.threads == 1 else 's'}"
        clock = f"{self.cpu_mhz} MHz" if self.cpu_mhz else "clock unknown"
        how = f"{self.runtime} {self.runtime_version}, {self.precision}, {threads}, {clock}"
        return f"{self.kind}, {self.device}, {how}"


@dataclass(frozen=True, config=PLAIN)
class Run:
    """Which search this was, and how to repeat it."""

    name: str
    version: str
    started: AwareDatetime
    seed: int
    command: str
    space: str
    strategy: str
    settings: dict[str, Value] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, config=PLAIN)
class Data:
    """The labelled pictures; the split sizes count pictures."""

    name: str
    classes: tuple[str, ...]
    channels: int
    resolution: int
    train: Count
    validation: Count
    test: Count
    licence: str
    content_hash: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, config=PLAIN)
class Teacher:
    name: str
    test_top1: Fraction
    macs: Count
    parameters: Count
    note: str = ""


@dataclass(frozen=True, config=PLAIN)
class Limits:
    """What was asked for on the command line; None where nothing was."""

    max_latency_ms: Milliseconds | None = None
    max_size_bytes: Count | None = None
    max_memory_bytes: Count | None = None
    max_macs: Count | None = None
    min_top1: Fraction | None = None


@dataclass(frozen=True, config=PLAIN)
class TrialPoint:
    """One trial of the search: top-1 on the validation split with the supernet's weights, or after a short training.

    Values are None where the trial failed (or was refused) before they were known.
    """

    number: Count
    state: Literal["done", "failed", "infeasible", "stopped"]
    validation_top1: Fraction | None = None
    latency_ms: Milliseconds | None = None
    interval_ms: tuple[Milliseconds, Milliseconds] | None = None
    macs: Count | None = None
    parameters: Count | None = None
    size_bytes: Count | None = None
    peak_memory_bytes: Count | None = None
    feasible: bool = True
    on_front: bool = False
    error: str | None = None
    sample: dict[str, Value] = Field(default_factory=dict)


@dataclass(frozen=True, config=PLAIN)
class Curve:
    """Another run's hypervolume after each trial, below the same reference point."""

    run: str
    hypervolume: tuple[Annotated[float, Field(ge=0)], ...]


@dataclass(frozen=True, config=PLAIN)
class Convergence:
    """Hypervolume of (latency, 1 - validation top-1) after each trial, in ms; it never falls.

    The area counted lies between the front and the reference point. `beside` are runs of the same search, from other
    seeds.
    """

    reference_ms: Milliseconds
    reference_top1: Fraction
    trials: tuple[Count, ...]
    hypervolume: tuple[Annotated[float, Field(ge=0)], ...]
    beside: tuple[Curve, ...] = ()

    def __post_init__(self) -> None:
        if len(self.trials) != len(self.hypervolume):
            raise ValueError("one hypervolume a trial")


@dataclass(frozen=True, config=PLAIN)
class Agreement:
    """An artefact's logits beside torch's on the same pictures; `where` names the machine or userland it ran on.

    `relative_difference` is the largest difference over the largest logit; `same_top1` the share of pictures
    on which both give the same class.
    """

    where: str
    pictures: Count
    relative_difference: Annotated[float, Field(ge=0)]
    same_top1: Fraction


@dataclass(frozen=True, config=PLAIN)
class Artefact:
    """One file of a bundle. `note` says what a user must know first, e.g. that a TVM library is untuned."""

    format: str
    path: RelativePath
    size_bytes: Count
    sha256: Sha256
    test_top1: Fraction | None = None
    agreements: tuple[Agreement, ...] = ()
    note: str = ""


@dataclass(frozen=True, config=PLAIN)
class Omission:
    """A format that was tried and left out of the bundle, and why."""

    format: str
    reason: str


@dataclass(frozen=True, config=PLAIN)
class Finalist:
    """A network distilled in full. `latencies[0]` is what the search used; measurements may follow."""

    name: str
    trial: Count
    sample: dict[str, Value]
    architecture: Architecture
    validation_top1: Fraction
    test_top1: Fraction
    latencies: Annotated[tuple[Prediction, ...], Field(min_length=1)]
    macs: Count
    parameters: Count
    peak_memory_bytes: Count
    artefacts: tuple[Artefact, ...] = ()
    omitted: tuple[Omission, ...] = ()

    @property
    def latency(self) -> Prediction:
        return self.latencies[0]


@dataclass(frozen=True, config=PLAIN)
class Stage:
    """A step of the pipeline and the seconds it took. `detail` is empty."""

    name: str
    seconds: Annotated[float, Field(ge=0)]
    detail: str = ""  # nothing writes it; summaries of schema 2 have the key, and none may be unknown


@dataclass(frozen=True, config=PLAIN)
class RunSummary:
    """Everything that a search found. Finalists go from the fastest to the slowest.

    Raises
    ------
    pydantic.ValidationError
        A value is out of its range (an accuracy in percent, say), or a finalist's latency speaks of
        other conditions than the trials', so that the two could not stand in one plot.
    """

    run: Run
    data: Data
    teacher: Teacher
    limits: Limits
    conditions: Conditions
    trials: tuple[TrialPoint, ...]
    convergence: Convergence
    finalists: tuple[Finalist, ...]
    stages: tuple[Stage, ...] = ()
    baseline: str = ""  # as `Stage.detail`
    insight: Insight | None = None
    schema: Literal[1, 2] = SCHEMA

    def __post_init__(self) -> None:
        for finalist in self.finalists:
            if (found := Conditions.of(finalist.latency)) != self.conditions:
                raise ValueError(f"{finalist.name}: its first latency is {found}, the trials' {self.conditions}")
        by_speed = sorted(self.finalists, key=lambda finalist: finalist.latency.latency_ms)
        object.__setattr__(self, "finalists", tuple(by_speed))

    def to_json(self) -> str:
        return adapter().dump_json(self, indent=1).decode()

    @staticmethod
    def from_json(text: str, *, where: str = "summary.json") -> RunSummary:
        """
        Raises
        ------
        StudyError
            Not a summary, cut short, or written by a newer edgetune.
        """
        try:
            schema = json.loads(text).get("schema")
        except (ValueError, AttributeError) as error:
            raise StudyError("not the summary of a run", where=where, mend="name a run folder") from error
        if isinstance(schema, int) and schema > SCHEMA:
            what = f"written with schema {schema}, this edgetune reads {SCHEMA}"
            raise StudyError(what, where=where, mend="update edgetune")
        try:
            return adapter().validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = ".".join(str(part) for part in first["loc"]) or "summary"
            raise StudyError(f"{key}: {first['msg']}", where=where, mend="resume the run to write it again") from error


def json_schema() -> dict[str, Any]:
    """The published schema of `summary.json`, JSON Schema 2020-12; what a webhook gets follows it too."""
    title = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"edgetune summary, schema {SCHEMA}"}
    return {**title, **adapter().json_schema(mode="serialization")}


def adapter() -> TypeAdapter[RunSummary]:
    return TypeAdapter(RunSummary)
