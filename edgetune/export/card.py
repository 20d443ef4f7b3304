"""What a bundle says of itself: `card.json` for programs, `README.md` for people. Plain values, the same both times.

Accuracies are fractions (0…1), latencies milliseconds, sizes bytes. Nothing in a new card depends on when or where it
was written, so that the same artefacts make the same bundle byte for byte; only signing off adds a date and a place.
The JSON schema is published as `docs/card.schema.json`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edgetune.errors import ExportError
from edgetune.export.agreement import Agreement
from edgetune.export.formats import Format
from edgetune.latency.prediction import Prediction

SCHEMA: Final = 4

Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[\w-][\w.-]*$")]


class Plain(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Preprocessing(Plain):
    """What goes in: raw pixels, 0…255, float32 (1, channels, resolution, resolution). The rest is in the artefact.

    `mean` and `std` are those of its first layer, per channel on the scale 0…1.
    """

    channels: Count
    resolution: Count
    mean: tuple[float, ...]
    std: tuple[float, ...]
    input: str = "pixels"
    output: str = "logits"


class Data(Plain):
    """The labelled pictures; the split sizes count pictures."""

    name: str
    licence: str
    content_hash: str
    train: Count
    validation: Count
    test: Count


class Teacher(Plain):
    name: str
    licence: str
    test_top1: Fraction


class CheckedOn(Plain):
    """An artefact's logits beside the network's; `where` names the machine or userland that it ran on."""

    where: str
    agreement: Agreement


class FineTuning(Plain):
    """An INT8 file's weights are its own: the network's, trained on with their rounding for so many epochs.

    `top1_before` and `top1_after` are the INT8 file's on the same validation pictures.
    """

    epochs: Annotated[float, Field(gt=0)]
    top1_before: Fraction
    top1_after: Fraction


class Artefact(Plain):
    """One model file. `note` says what a user must know first, such as that a TVM library is untuned.

    Without `fine_tuning` the weights are the network's.
    """

    format: Format
    file: FileName
    test_top1: Fraction | None = None
    checks: tuple[CheckedOn, ...] = ()
    note: str = ""
    fine_tuning: FineTuning | None = None


class Omission(Plain):
    """A format that was tried and left out, and why."""

    format: Format
    reason: str


class FileRecord(Plain):
    size_bytes: Count
    sha256: Sha256


class SignOff(Plain):
    """Artefacts were run at a place and agreed with the network; `files` tells which, by the hash of their contents.

    `card` is the :attr:`Card.digest` of then; records of cards of schema 3 and older have none. `machine` is the
    processor's kind as `platform.machine()` names it, `at` the time in UTC, `left_out` the artefacts that could not be
    run there, with the reason.
    """

    where: str
    machine: str
    at: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
    edgetune: str
    files: Mapping[FileName, Sha256]
    card: Sha256 | None = None
    left_out: Mapping[FileName, str] = Field(default_factory=dict)


class Card(Plain):
    """Everything that a bundle says of itself.

    Attributes
    ----------
    latencies
        Of the network on the board, each with its kind and conditions; the first is what the search used.
    peak_memory_bytes
        The largest sum of activations alive at one time, float32; the weights are `artefacts`' own size.
    arena_bytes
        What onnxruntime sets aside for activations and workspace, predicted; see :mod:`edgetune.export.arena`.
    versions
        Of the packages that made the artefacts.
    board_versions
        Of packages that were asked for on the board in other versions, as they were named, such as 1.10.
    provenance
        How to make it again: the sample, seeds, the command.
    files
        Filled by :func:`edgetune.export.bundle.write_bundle`.
    signed_off
        Written by `edgetune verify`, the newest of each place.
    """

    name: str
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    data: Data
    teacher: Teacher
    test_top1: Fraction
    latencies: tuple[Prediction, ...]
    macs: Count
    parameters: Count
    peak_memory_bytes: Count
    arena_bytes: Count | None = None
    artefacts: Annotated[tuple[Artefact, ...], Field(min_length=1)]
    omitted: tuple[Omission, ...] = ()
    versions: Mapping[str, str]
    board_versions: Mapping[str, str] = Field(default_factory=dict)
    provenance: Mapping[str, Any]
    files: Mapping[FileName, FileRecord] = Field(default_factory=dict)
    task: Literal["image classification"] = "image classification"
    signed_off: tuple[SignOff, ...] = ()
    schema_version: Literal[4] = SCHEMA

    @property
    def digest(self) -> str:
        """The SHA-256 of what the card says but for records and checks, which `edgetune verify` adds.

        Defaults are left out, so that a field that a later schema adds does not change it.
        """
        artefacts = tuple(artefact.model_copy(update={"checks": ()}) for artefact in self.artefacts)
        said = self.model_copy(update={"artefacts": artefacts})
        values = said.model_dump(mode="json", exclude={"signed_off", "schema_version"}, exclude_defaults=True)
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    def to_json(self) -> str:
        return json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    @staticmethod
    def from_json(text: str, *, where: Path) -> Card:
        """A card of this schema, or of an older one, which is brought up to date.

        Raises
        ------
        ExportError
            Not a card, cut short, or of a schema version that this edgetune does not know.
        """
        try:
            values = json.loads(text)
            found = values["schema_version"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ExportError("not a bundle's card", where=where, mend="export the bundle again") from error
        while type(found) is int and found in MIGRATIONS:  # true is an int to Python
            found += 1
            values = MIGRATIONS[found - 1](values) | {"schema_version": found}
        if found != SCHEMA:
            mend = "update edgetune" if isinstance(found, int) and found > SCHEMA else "export the bundle again"
            raise ExportError(f"a card of schema {found!r}, this edgetune reads 1 to {SCHEMA}", where=where, mend=mend)
        try:
            return Card.model_validate_json(json.dumps(values))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = ".".join(map(str, first["loc"]))
            raise ExportError(f"{key}: {first['msg']}", where=where, mend="export the bundle again") from error


MIGRATIONS: Final[Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    1: lambda card: card | {"signed_off": []},
    2: lambda card: card,  # weights of an INT8 file's own came with 3
    3: lambda card: card,  # records with the card's digest and the board's versions came with 4
}
"""What makes a card of one schema a card of the next."""


def card_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of `card.json`, as `docs/card.schema.json` publishes it."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Card.model_json_schema(mode="serialization")}
