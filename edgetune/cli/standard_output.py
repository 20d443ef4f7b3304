"""What is printed arrives whole, or the command says that it did not."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from edgetune.errors import StorageError


@contextmanager
def written_whole() -> Iterator[None]:
    """Flushes standard output while its errors can still be told: Python itself would do it on its way out.

    Raises
    ------
    StorageError
        What standard output leads to is full.
    """
    try:
        try:
            yield
        finally:
            print(end="", flush=True)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EPIPE) or not _is_stuck():
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is written there at the end
        if error.errno == errno.EPIPE:  # as in `edgetune devices | head`: nobody reads on
            sys.exit(1)
        mend = "write somewhere else, or free some"
        raise StorageError("no room left for what is printed", where="standard output", mend=mend) from error


def _is_stuck() -> bool:
    """Whether it is standard output, and no other file, that takes nothing more."""
    try:
        print(flush=True)  # a write that failed has emptied the buffer
    except OSError:
        return True
    return False
