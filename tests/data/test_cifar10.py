from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgetune.data import cifar10
from edgetune.data.load import load_dataset
from edgetune.errors import DataError


@pytest.fixture
def published(tmp_path: Path, serve: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small archive in the published layout, served in the place of the real one."""
    folder = tmp_path / "served"
    folder.mkdir()
    archive = folder / "cifar-10-binary.tar.gz"
    rng = np.random.default_rng(0)
    with tarfile.open(archive, "w:gz") as tar:
        for name in (*cifar10.TRAIN_FILES, cifar10.TEST_FILE):
            rows = rng.integers(0, 256, (100, 3073), np.uint8)
            rows[:, 0] = np.arange(100) % 10
            rows[0, 1:] = np.repeat([255, 128, 0], 1024)  # an orange aeroplane
            rows[0, 1:].reshape(3, 32, 32)[:, 0, 31] = (
                len(name) + rows[1, 1]
            )  # with a mark at the right end of the top row
            member = tarfile.TarInfo(name)
            member.size = rows.nbytes
            tar.addfile(member, io.BytesIO(rows.tobytes()))
    monkeypatch.setattr(cifar10, "SHA256", hashlib.sha256(archive.read_bytes()).hexdigest())
    monkeypatch.setattr(cifar10, "URL", serve(folder) + archive.name)
    return archive


def test_published_layout(published: Path, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    dataset = load_dataset("cifar10", cache=tmp_path / "cache", progress=lambda *step: seen.append(step))
    assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [450, 50, 100]
    assert (dataset.channels, dataset.resolution) == (3, 32)
    assert np.bincount(dataset.test.labels).tolist() == [10] * 10
    size = published.stat().st_size
    assert seen[-1] == ("downloading cifar-10-binary.tar.gz", size, size)
    (place,) = np.flatnonzero((dataset.test.images[:, 5, 5] == (255, 128, 0)).all(1))
    aeroplane = dataset.test.images[place]
    assert dataset.classes[dataset.test.labels[place]] == "airplane"
    assert (aeroplane[1:] == (255, 128, 0)).all()
    assert (aeroplane[0, :31] == (255, 128, 0)).all()
    assert len(set(aeroplane[0, 31])) == 1


def test_a_copy_in_the_cache_is_used(published: Path, tmp_path: Path) -> None:
    mine = tmp_path / "cache" / "cifar10" / published.name
    mine.parent.mkdir(parents=True)
    published.rename(mine)
    assert len(load_dataset("cifar10", cache=tmp_path / "cache").test) == 100


def test_another_file_is_refused_and_not_kept(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar10, "SHA256", "0" * 64)
    with pytest.raises(DataError, match="not the published file"):
        load_dataset("cifar10", cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("*.gz"))


def test_no_network_says_where_to_put_it(published: Path, tmp_path: Path) -> None:
    published.unlink()
    with pytest.raises(DataError, match=r"404.*put the archive at .*cifar10.*or give a folder"):
        load_dataset("cifar10", cache=tmp_path / "cache")
