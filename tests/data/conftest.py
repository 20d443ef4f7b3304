from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[Callable[[Path], str]]:
    """Serves a folder on this machine, and gives its address."""
    with ExitStack() as stack:

        def start(folder: Path) -> str:
            http = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))))
            threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
            stack.callback(http.shutdown)
            return f"http://127.0.0.1:{http.server_address[1]}/"

        yield start
