from __future__ import annotations

import errno
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from edgetune.errors import StorageError
from edgetune.files import scratch_folder, storage_errors, temporary_folder

Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_disk_quota_or_file_that_is_full_is_named(number: int) -> None:
    with pytest.raises(StorageError, match=r"/x: no room"), storage_errors(Path("/x")):
        raise OSError(number, "full")


def test_numpys_words_for_a_full_disk_are_understood() -> None:
    with pytest.raises(StorageError, match="no room"), storage_errors(Path("/x")):
        raise OSError("2560 requested and 112 written")


def test_a_scratch_folder_is_gone_at_the_end() -> None:
    with scratch_folder() as folder:
        (folder / "file").touch()
    assert not folder.exists()


def test_too_little_room_is_said_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9, 3_000_000))
    with pytest.raises(StorageError, match=r"3 MB free, 50 MB are needed.*TMPDIR"), scratch_folder(room=50_000_000):
        pass
    assert temporary_folder(room=2_000_000) == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_without_any_temporary_folder_there_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", none)
    with pytest.raises(StorageError, match="no temporary folder"), scratch_folder():
        pass
