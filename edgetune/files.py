"""Files that are whole or absent: written aside, flushed to the disk, renamed."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgetune.errors import StorageError


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Gives a path to write to; it becomes `path` when the block ends without an error.

    Raises
    ------
    StorageError
        No room, no permission.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        aside = Path(name)
        try:
            yield aside
            flush(aside)
            aside.chmod(0o644)  # mkstemp's 0600 is for secrets
            os.replace(aside, path)
            flush(path.parent)
        finally:
            aside.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Gives a folder to fill; it becomes `path`, which must not exist, when the block ends without an error."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            yield aside
            for file in aside.rglob("*"):
                flush(file)
            aside.chmod(0o755)
            os.rename(aside, path)
            flush(path.parent)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def flush(path: Path) -> None:
    """Waits until a file's or a folder's contents are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turns a full disk or a missing permission into a :class:`StorageError` that names the path."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(
                "no room left on the disk", where=path, mend="free some, or choose another folder"
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise StorageError("may not write here", where=path, mend="choose a folder of your own") from error
        raise


def cache_folder() -> Path:
    """Where downloads, decoded pictures and teachers are kept: `EDGETUNE_CACHE`, or the user's cache folder."""
    from platformdirs import user_cache_path

    named = os.environ.get("EDGETUNE_CACHE")
    return Path(named) if named else user_cache_path("edgetune")
