from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgetune.data.load import load_dataset
from edgetune.data.prepared import channel_statistics
from edgetune.errors import DataError


def entry(cache: Path) -> Path:
    (folder,) = (cache / "prepared").iterdir()
    return folder


def test_digits(tmp_path: Path) -> None:
    digits = load_dataset("digits", cache=tmp_path)
    assert digits.classes == tuple("0123456789")
    assert (digits.channels, digits.resolution) == (1, 8)
    assert sum(len(part) for part in (digits.train, digits.validation, digits.test)) == 1797
    assert digits.train.images.max() == 255
    assert load_dataset("digits", resolution=28, cache=tmp_path).train.images.shape[1:] == (28, 28, 1)


def test_pixels_and_labels_stay_together(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    source = load_digits()
    of = {
        np.rint(image * 255 / 16).astype(np.uint8).tobytes(): label
        for image, label in zip(source.images, source.target, strict=True)
    }
    digits = load_dataset("digits", cache=tmp_path)
    for part in (digits.train, digits.validation, digits.test):
        assert [of[image.tobytes()] for image in part.images] == part.labels.tolist()


def test_the_second_time_is_mapped_and_equal(tmp_path: Path) -> None:
    first, second = (load_dataset("digits", cache=tmp_path) for _ in range(2))
    assert isinstance(second.train.images, np.memmap)
    assert not second.train.images.flags.writeable
    assert first.content_hash == second.content_hash
    assert (first.test.images == second.test.images).all()


def test_content_hash_is_the_contents(tmp_path: Path) -> None:
    one = load_dataset("digits", cache=tmp_path / "a").content_hash
    assert load_dataset("digits", cache=tmp_path / "b").content_hash == one
    assert load_dataset("digits", cache=tmp_path / "b", seed=1).content_hash != one
    assert load_dataset("digits", cache=tmp_path / "b", resolution=10).content_hash != one


@pytest.mark.parametrize("file", ["images.npy", "labels.npy", "dataset.json"])
def test_a_cut_or_missing_cache_file_is_made_again(tmp_path: Path, file: str) -> None:
    whole = load_dataset("digits", cache=tmp_path)
    path = entry(tmp_path) / file
    data = path.read_bytes()
    path.unlink()
    assert (load_dataset("digits", cache=tmp_path).train.images == whole.train.images).all()
    path.unlink()
    path.write_bytes(data[: len(data) // 2])
    assert (load_dataset("digits", cache=tmp_path).train.images == whole.train.images).all()


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    load_dataset("digits", cache=tmp_path)
    names = sorted(file.name for file in entry(tmp_path).iterdir())
    assert names == ["dataset.json", "images.npy", "labels.npy", "names.npy"]
    assert len(list((tmp_path / "prepared").iterdir())) == 1


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    code = f"""
from edgetune.data.load import load_dataset
from edgetune.errors import StorageError
import shlex
import subprocess
import sys
from pathlib import Path
try:
    load_dataset("digits", resolution=32, cache=Path({str(tmp_path)!r}))
except StorageError as error:
    print(error)
print(list(Path({str(tmp_path)!r}, "prepared").iterdir()))
"""
    small_disk = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    mounted = f"mount -t tmpfs -o size=300k tmpfs {shlex.quote(str(tmp_path))}"
    if subprocess.run([*small_disk, mounted], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    command = [*small_disk, f"{mounted} && exec {shlex.quote(sys.executable)} -c {shlex.quote(code)}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "no room left on the disk" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_channel_statistics_are_numpys() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2500, 5, 5, 3), np.uint8)
    mean, std = channel_statistics(images)
    np.testing.assert_allclose(mean, (images / 255).mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(std, (images / 255).std((0, 1, 2)), rtol=1e-9)


def test_unknown_names(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="did you mean fashion-mnist"):
        load_dataset("fashion-minst", cache=tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        load_dataset(str(tmp_path / "nowhere"), cache=tmp_path)
    with pytest.raises(DataError, match="choose 8 to 1024"):
        load_dataset("digits", resolution=4, cache=tmp_path)
