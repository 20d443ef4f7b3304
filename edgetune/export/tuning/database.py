"""Tiles that were found to be fast, kept from one model to the next: JSON lines, one a target and kernel."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from edgetune.export.tvm_tile import Tile
from edgetune.files import alone, atomic_write, cache_folder, storage_errors


class Record(BaseModel):
    """The best tile that was timed for a kernel.

    Attributes
    ----------
    target
        :func:`target_name` of what it was timed on.
    kernel
        :attr:`edgetune.export.tvm_kernel.Kernel.key`.
    ms, by_rule_ms
        Of this tile and of the one that is taken without timing, milliseconds on one thread of the target.
    timed
        How many tiles were timed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: str
    kernel: str
    tile: Tile
    ms: float = Field(gt=0)
    by_rule_ms: float = Field(gt=0)
    timed: int = Field(gt=0)


def target_name(tvm_target: Mapping[str, Any]) -> str:
    """
    >>> target_name({"kind": "llvm", "mtriple": "aarch64-linux-gnu", "mcpu": "cortex-a72", "mattr": ["+neon"]})
    'aarch64-linux-gnu cortex-a72 +neon'
    """
    return " ".join([tvm_target["mtriple"], tvm_target["mcpu"], *tvm_target.get("mattr", ())])


def default_database() -> Path:
    return cache_folder() / "tuned.jsonl"


@dataclass(frozen=True)
class Database:
    """The records by target and kernel, and the lines that are none, as they stand in the file."""

    records: dict[tuple[str, str], Record]
    unreadable: tuple[str, ...]


def read_database(path: Path) -> Database:
    """An empty one where there is no file.

    Raises
    ------
    StorageError
        Something that is no file is in the way.
    """
    try:
        with storage_errors(path):
            lines = path.read_text(encoding="utf-8", errors="surrogateescape").split("\n")
    except FileNotFoundError:
        lines = []
    records, unreadable = {}, []
    for line in filter(str.strip, lines):
        try:
            record = Record.model_validate_json(line)
        except ValueError:  # pydantic's, or of bytes that are no text
            unreadable.append(line)
            continue
        records[record.target, record.kernel] = record
    return Database(records, tuple(unreadable))


def add_records(path: Path, new: Iterable[Record]) -> None:
    """Puts records in the place of earlier ones of their kernels; what another process wrote of others stays.

    So do lines that cannot be read: a newer edgetune may have written them.

    Raises
    ------
    StorageError
        No room, no permission; the file is as it was.
    """
    with storage_errors(path), alone(path.with_suffix(".lock")):
        known = read_database(path)
        records = known.records | {(record.target, record.kernel): record for record in new}
        lines = [json.dumps(record.model_dump(), separators=(", ", ": ")) for _, record in sorted(records.items())]
        with atomic_write(path) as aside:
            text = "".join(f"{line}\n" for line in (*lines, *known.unreadable))
            aside.write_text(text, encoding="utf-8", errors="surrogateescape")


def tuned_tiles(path: Path, tvm_target: Mapping[str, Any]) -> dict[str, Tile]:
    """The tiles for a target, by kernel, as :func:`edgetune.export.tvm_schedule.schedule_module` takes them.

    Those of kernels of which no other tile was timed than the one by rule are not among them.
    """
    target, records = target_name(tvm_target), read_database(path).records
    return {kernel: record.tile for (of, kernel), record in records.items() if of == target and record.timed > 1}
