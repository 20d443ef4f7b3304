from __future__ import annotations

import errno
import shutil
import subprocess
import sys
import threading
from collections import namedtuple
from pathlib import Path

import pytest

from edgetune.errors import StorageError
from edgetune.files import alone, scratch_folder, storage_errors, temporary_folder

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


def test_who_is_not_alone_waits_until_the_other_ends_even_by_sigkill(tmp_path: Path) -> None:
    """The other process takes the lock, says so and is killed; only then is this one's turn."""
    path, program = (
        tmp_path / "made" / "some.lock",
        (
            "import sys, time; from pathlib import Path; from edgetune.files import alone\n"
            "with alone(Path(sys.argv[1])): print(flush=True); time.sleep(600)"
        ),
    )
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        entered = threading.Event()

        def enter() -> None:
            with alone(path):
                entered.set()

        thread = threading.Thread(target=enter)
        thread.start()
        assert not entered.wait(0.3)
        other.kill()
        thread.join(60)
        assert entered.is_set()


def test_a_lock_that_cannot_be_made_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="no folder can be made here"), alone(tmp_path / "file" / "some.lock"):
        pass
