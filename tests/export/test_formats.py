"""The table of artefact kinds beside what cannot look into it: a bundle's scripts, the agent, the page about it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from edgetune.agent.runtimes import RUNTIMES as ON_A_BOARD
from edgetune.errors import ExportError
from edgetune.export.board import classify
from edgetune.export.formats import FORMATS, KINDS, RUNTIMES, Format, runtime_for

ABOUT = Path(__file__).parents[2] / "docs" / "artefacts.md"


def test_every_kind_is_in_the_table_and_has_a_runtime_and_a_way_to_be_asked_for() -> None:
    assert tuple(KINDS) == get_args(Format)
    for kind in KINDS.values():
        assert runtime_for(Path(kind.file)) is kind.runtime
        assert kind.runtime.script_here.is_file()
        assert set(kind.asked_by) <= set(FORMATS)


def test_the_script_that_classifies_knows_the_same_runtimes() -> None:
    assert {suffix: f"{name}.py" for suffix, name in classify.RUNTIMES.items()} == {
        suffix: runtime.script for suffix, runtime in RUNTIMES.items()
    }


def test_agents_run_the_same_files_with_the_same_packages() -> None:
    assert {runtime.suffix: runtime.package for runtime in ON_A_BOARD.values()} == {
        suffix: runtime.package for suffix, runtime in RUNTIMES.items()
    }


def test_the_page_lists_the_files_and_what_asks_for_them() -> None:
    row = r"^\| (`\w+`(?: and `\w+`)?) \| `(model\.[a-z0-9.]+)` \|"
    rows = re.findall(row, ABOUT.read_text(), re.MULTILINE)
    assert [(tuple(re.findall(r"\w+(?=`)", asked)), file) for asked, file in rows] == [
        (kind.asked_by, kind.file) for kind in KINDS.values()
    ]


def test_a_file_that_nothing_runs_is_refused() -> None:
    with pytest.raises(ExportError, match=r"model\.pt: no runtime for this kind of file \(known: \.onnx, "):
        runtime_for(Path("model.pt"))
