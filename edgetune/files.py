"""Files that are whole or absent: written aside, flushed to the disk, renamed."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgetune.errors import StorageError

MORE_ROOM = "free some, or name another folder in TMPDIR"
NUMPY_SAYS_FULL = re.compile(r"\d+ requested and \d+ written")
"""All that `numpy.save` tells of a full disk: its error has no number."""


@contextmanager
def atomic_write(path: Path, *, mode: int = 0o644) -> Iterator[Path]:
    """Gives a path to write to; it becomes `path` when the block ends without an error.

    Until then its user alone can read it; a secret stays so with `mode` 0600.

    Raises
    ------
    StorageError
        No room, no permission, a folder that has this name, a folder that takes no files.
    """
    with storage_errors(path):
        make_folder(path.parent)
        aside = _file_beside(path)
        try:
            yield aside
            flush(aside)
            aside.chmod(mode)  # from mkstemp's 0600
            os.replace(aside, path)
            flush(path.parent)
        finally:
            aside.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Gives a folder to fill; it becomes `path`, which must not exist, when the block ends without an error."""
    with storage_errors(path):
        make_folder(path.parent)
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


@contextmanager
def replaced_folder(path: Path) -> Iterator[Path]:
    """Gives a folder to fill, which takes the place of `path` when the block ends without an error."""
    fresh, old = path.with_name(f".{path.name}.new-{os.getpid()}"), path.with_name(f".{path.name}.old-{os.getpid()}")
    try:
        with atomic_folder(fresh) as folder:
            yield folder
        if path.exists():
            os.rename(path, old)
        os.rename(fresh, path)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def alone(path: Path, *, mode: int = 0o777) -> Iterator[None]:
    """Makes other processes and threads wait that ask for the same path; one that is killed keeps nobody waiting.

    Parameters
    ----------
    path
        An empty file that is made where it is missing, and stays.
    mode
        Of a new folder around it.

    Raises
    ------
    StorageError
        No room, no permission, a file in a folder's place.
    """
    with storage_errors(path):
        make_folder(path.parent, mode=mode)
        lock = path.open("wb")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # ends with the file
        yield


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
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or NUMPY_SAYS_FULL.search(str(error)):
            raise StorageError(
                "no room left on the disk", where=path, mend="free some, or choose another folder"
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise StorageError("may not write here", where=path, mend="choose a folder of your own") from error
        if error.errno in (errno.EISDIR, errno.ENOTDIR):
            raise StorageError("something else is in the way", where=path, mend="move it, or choose another") from error
        raise


def make_folder(folder: Path, *, mode: int = 0o777) -> None:
    """A folder that may be there already; `mode` is a new one's.

    Raises
    ------
    StorageError
        A file is in the way.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=mode)
    except (FileExistsError, NotADirectoryError, FileNotFoundError) as error:
        raise StorageError("no folder can be made here", where=folder, mend="choose another") from error


@contextmanager
def scratch_folder(*, room: int = 0) -> Iterator[Path]:
    """A folder in the temporary folder, removed when the block ends.

    `room`: bytes that must be free there, since programs that run out of room say so in many ways.

    Raises
    ------
    StorageError
        Less room than that, none left while the block ran, or no temporary folder that can be written to.
    """
    parent = temporary_folder(room=room)
    with storage_errors(parent), tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def temporary_folder(*, room: int) -> Path:
    """Where programs put what is needed for a moment. Raises as :func:`scratch_folder`, but for what comes later."""
    try:
        folder = Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        raise StorageError("no temporary folder can be written to", mend=MORE_ROOM) from error
    free = shutil.disk_usage(folder).free
    if free < room:
        what = f"{free / 1e6:.0f} MB free, {room / 1e6:.0f} MB are needed"
        raise StorageError(what, where=folder, mend=MORE_ROOM)
    return folder


def _file_beside(path: Path) -> Path:
    if path.is_dir():
        raise StorageError("a folder has this name", where=path, mend="name a file")
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    except FileNotFoundError as error:  # such as in /proc
        raise StorageError("no file can be made here", where=path, mend="choose another folder") from error
    os.close(handle)
    return Path(name)


def cache_folder() -> Path:
    """Where downloads, decoded pictures and teachers are kept: `EDGETUNE_CACHE`, or the user's cache folder."""
    from platformdirs import user_cache_path

    named = os.environ.get("EDGETUNE_CACHE")
    return Path(named) if named else user_cache_path("edgetune")
