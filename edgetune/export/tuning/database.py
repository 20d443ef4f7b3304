"""Tiles that were found to be fast, kept from one model to the next: JSON lines, one a target and kernel."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edgetune.export.tvm_tile import Tile
from edgetune.files import atomic_write, cache_folder


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


def read_database(path: Path) -> dict[tuple[str, str], Record]:
    """The records by target and kernel; none where there is no file.

    A line that cannot be read is named in a warning and skipped.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return {}
    records = {}
    for number, line in enumerate(lines, 1):
        try:
            record = Record.model_validate_json(line)
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            warnings.warn(f"{path}, line {number} is no tuned schedule and is skipped: {reason}", stacklevel=2)
            continue
        records[record.target, record.kernel] = record
    return records


def add_records(path: Path, new: Iterable[Record]) -> None:
    """Puts records in the place of earlier ones of their kernels; what another process wrote of others stays.

    Raises
    ------
    StorageError
        No room, no permission; the file is as it was.
    """
    records = read_database(path)
    for record in new:
        records[record.target, record.kernel] = record
    with atomic_write(path) as aside:
        lines = [json.dumps(record.model_dump(), separators=(", ", ": ")) for _, record in sorted(records.items())]
        aside.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def tuned_tiles(path: Path, tvm_target: Mapping[str, Any]) -> dict[str, Tile]:
    """The tiles for a target, by kernel, as :func:`edgetune.export.tvm_schedule.schedule_module` takes them."""
    target = target_name(tvm_target)
    return {kernel: record.tile for (of, kernel), record in read_database(path).items() if of == target}
