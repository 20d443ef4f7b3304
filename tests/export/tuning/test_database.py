from __future__ import annotations

import errno
import multiprocessing
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetune.errors import StorageError
from edgetune.export.tuning.database import Record, add_records, read_database, target_name, tuned_tiles
from edgetune.export.tvm_tile import Tile

PI = {"kind": "llvm", "mtriple": "aarch64-linux-gnu", "mcpu": "cortex-a72", "mattr": ["+neon"]}
OLD_PI = {**PI, "mcpu": "cortex-a53"}


def record(kernel: str = "conv 1x7x7x8 -> 1x7x7x8", target: Mapping[str, Any] = PI, **changed: Any) -> Record:
    values: dict[str, Any] = {"tile": Tile(1, 7, 2, 4), "ms": 0.5, "by_rule_ms": 0.6, "timed": 9} | changed
    return Record(target=target_name(target), kernel=kernel, **values)


records = st.builds(
    Record,
    target=st.sampled_from([target_name(PI), target_name(OLD_PI)]),
    kernel=st.text(min_size=1, max_size=30),
    tile=st.builds(Tile, *[st.integers(1, 64)] * 4, st.booleans()),
    ms=st.floats(1e-6, 1e6),
    by_rule_ms=st.floats(1e-6, 1e6),
    timed=st.integers(1, 1000),
)


@given(st.lists(records, max_size=6))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, given: list[Record]) -> None:
    path = tmp_path_factory.mktemp("database") / "tuned.jsonl"
    for each in given:
        add_records(path, [each])
    assert read_database(path).records == {(each.target, each.kernel): each for each in given}


def test_a_line_a_record_in_an_order_of_its_own(tmp_path: Path) -> None:
    add_records(tmp_path / "a", [record("b"), record("a")])
    add_records(tmp_path / "b", [record("a"), record("b")])
    assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text()
    assert [line[:3] for line in (tmp_path / "a").read_text().splitlines()] == ['{"t'] * 2


def test_targets_are_kept_apart(tmp_path: Path) -> None:
    add_records(tmp_path / "db", [record(), record(target=OLD_PI, tile=Tile(1, 1, 4, 4))])
    assert tuned_tiles(tmp_path / "db", PI) == {record().kernel: Tile(1, 7, 2, 4)}
    assert tuned_tiles(tmp_path / "db", OLD_PI) == {record().kernel: Tile(1, 1, 4, 4)}
    assert tuned_tiles(tmp_path / "db", {**PI, "mcpu": "cortex-a76"}) == {}


@pytest.mark.parametrize(
    "line", ["{", '{"target": "x"}', record().model_dump_json().replace("0.5", "-1"), "\ufffd\x00 no json"]
)
def test_a_line_that_cannot_be_read_is_kept_as_it_is(tmp_path: Path, line: str) -> None:
    path = tmp_path / "db"
    path.write_text(f"{record('a').model_dump_json()}\n{line}\n{record('b').model_dump_json()}\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = read_database(path)
        add_records(path, [record("c")])
    assert [kernel for _, kernel in found.records] == ["a", "b"]
    assert found.unreadable == (line,)
    assert path.read_text().splitlines()[-1] == line
    assert [kernel for _, kernel in read_database(path).records] == ["a", "b", "c"]


def test_bytes_that_are_no_text_are_kept_too(tmp_path: Path) -> None:
    (tmp_path / "db").write_bytes(b"\xff\xfe\x0b\n")
    add_records(tmp_path / "db", [record()])
    assert (tmp_path / "db").read_bytes().endswith(b"\n\xff\xfe\x0b\n")


def add_in_turn(path: Path, name: str) -> None:
    for number in range(20):
        add_records(path, [record(f"{name} {number}")])


def test_of_what_two_processes_write_nothing_is_lost(tmp_path: Path) -> None:
    start = multiprocessing.get_context("fork").Process
    writers = [start(target=add_in_turn, args=(tmp_path / "db", name)) for name in ("a", "b", "c")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(read_database(tmp_path / "db").records) == 60


def test_what_is_no_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "folder", Path("/dev/null/x/tuned.jsonl")):
        with pytest.raises(StorageError, match="in the way"):
            read_database(path)
        with pytest.raises(StorageError):
            add_records(path, [record()])


def test_a_kernel_of_which_one_tile_was_timed_is_not_tuned(tmp_path: Path) -> None:
    add_records(tmp_path / "db", [record(timed=1)])
    assert tuned_tiles(tmp_path / "db", PI) == {}


def test_without_a_file_nothing_is_known(tmp_path: Path) -> None:
    assert read_database(tmp_path / "none").records == {}


def test_without_room_the_database_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_records(tmp_path / "db", [record("a")])

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StorageError, match="no room"):
        add_records(tmp_path / "db", [record("b")])
    assert [kernel for _, kernel in read_database(tmp_path / "db").records] == ["a"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["db", "db.lock"]
