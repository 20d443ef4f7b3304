"""What all tests share: one thread a worker, repeatable random tests, one cache of downloads."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from platformdirs import user_cache_path

if "PYTEST_XDIST_WORKER" in os.environ:  # a worker a core: their threads would only fight
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Searches that tests make are no past for anybody's later ones.
os.environ["EDGETUNE_LIBRARY"] = tempfile.mkdtemp(prefix="edgetune-library-")
atexit.register(shutil.rmtree, os.environ["EDGETUNE_LIBRARY"], ignore_errors=True)

settings.register_profile("edgetune", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("edgetune")


@pytest.fixture(scope="session")
def fashion_mnist_folder() -> Path:
    """The four published files, fetched once for all runs of the tests."""
    from edgetune.data.fashion_mnist import fetch

    folder = user_cache_path("edgetune") / "data" / "fashion-mnist"
    fetch(folder)
    return folder


@pytest.fixture
def data_cache(tmp_path: Path, fashion_mnist_folder: Path) -> Path:
    """An image-set cache of the test's own, with nothing prepared in it but with Fashion-MNIST's files."""
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "fashion-mnist").symlink_to(fashion_mnist_folder)
    return cache
