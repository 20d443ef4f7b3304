"""A teacher's logits on disk: run once, never half-read, never without a number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgetune.data.pictures import Dataset, Pictures
from edgetune.distill.teacher import TorchTeacher
from edgetune.distill.teacher_outputs import BATCH, Views, teacher_outputs
from edgetune.errors import TeacherError


class Counting(nn.Module):
    """Counts the pictures it has seen; its logits tell the left half of a picture from the right one."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, pixels: Tensor) -> Tensor:
        self.seen += len(pixels)
        half = pixels.shape[3] // 2
        return torch.stack([pixels[..., :half].mean((1, 2, 3)), pixels[..., half:].mean((1, 2, 3))], 1) * self.weight


def counting_teacher(content_hash: str = "a") -> TorchTeacher:
    return TorchTeacher(
        Counting(), name="counter", classes=["l", "r"], channels=1, resolution=8, content_hash=content_hash, licence=""
    )


@pytest.fixture
def outputs(tmp_path: Path, cpu: torch.device) -> Callable[..., np.ndarray]:
    """Copies, since the tests cut files short that would else be mapped."""

    def run(
        teacher: TorchTeacher, pictures: Pictures, *, key: str = "k", flip: bool = False, views: Views | None = None
    ) -> np.ndarray:
        return np.array(teacher_outputs(teacher, pictures, key=key, flip=flip, cache=tmp_path, device=cpu, views=views))

    return run


def seen(teacher: TorchTeacher) -> int:
    assert isinstance(teacher.module, Counting)
    return teacher.module.seen


Outputs = Callable[..., np.ndarray]


def halves(pictures: Pictures) -> np.ndarray:
    images = pictures.images[..., 0].astype(np.float64)
    return np.stack([images[:, :, :4].mean((1, 2)), images[:, :, 4:].mean((1, 2))], 1)


def test_they_are_the_logits_of_every_picture_in_order(make_dataset: Callable[..., Dataset], outputs: Outputs) -> None:
    pictures = make_dataset(n=BATCH + 3).train
    result = outputs(counting_teacher(), pictures)
    assert result.dtype == np.float32 and result.shape == (BATCH + 3, 2)
    np.testing.assert_allclose(result, halves(pictures), rtol=1e-5)
    mirrored = outputs(counting_teacher(), pictures, flip=True)
    both = np.repeat(halves(pictures).mean(1, keepdims=True), 2, 1)  # left is right in the mirror
    np.testing.assert_allclose(mirrored, both, rtol=1e-5)


def test_a_teacher_is_run_once(dataset: Dataset, outputs: Outputs) -> None:
    teacher = counting_teacher()
    first = outputs(teacher, dataset.train)
    again = outputs(teacher, dataset.train)
    assert seen(teacher) == 256 and np.array_equal(first, again)


def test_other_pictures_teachers_and_mirrors_are_computed_anew(dataset: Dataset, outputs: Outputs) -> None:
    teacher = counting_teacher()
    outputs(teacher, dataset.train)
    outputs(teacher, dataset.train, key="other")
    assert seen(teacher) == 2 * 256
    outputs(teacher, dataset.train, flip=True)
    assert seen(teacher) == 4 * 256
    other = counting_teacher("b")
    outputs(other, dataset.train)
    assert seen(other) == 256


@pytest.mark.parametrize("kept", [0, 5, 64, 1000], ids=lambda kept: f"{kept} bytes")
def test_a_file_that_was_cut_short_is_computed_again(
    kept: int, dataset: Dataset, outputs: Outputs, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    teacher = counting_teacher()
    whole = outputs(teacher, dataset.train)
    (file,) = (tmp_path / "teacher-outputs").iterdir()
    content = file.read_bytes()
    file.write_bytes(content[:kept])
    assert not caplog.messages
    assert np.array_equal(outputs(teacher, dataset.train), whole)
    assert seen(teacher) == 2 * 256 and file.read_bytes() == content
    assert caplog.messages == [f"{file} is damaged: the teacher's outputs are computed again"]


@pytest.mark.parametrize(
    "content",
    [
        np.zeros((3, 2), np.float32),
        np.zeros((256, 3), np.float32),
        np.zeros((256, 2), np.float64),
        np.full((256, 2), np.nan, np.float32),
    ],
)
def test_a_file_of_another_shape_or_kind_is_computed_again(
    content: np.ndarray, dataset: Dataset, outputs: Outputs, tmp_path: Path
) -> None:
    whole = outputs(counting_teacher(), dataset.train)
    (file,) = (tmp_path / "teacher-outputs").iterdir()
    np.save(file, content)
    assert np.array_equal(outputs(counting_teacher(), dataset.train), whole)


@pytest.mark.parametrize("content", [b"PK\x03\x04 no archive", None])
def test_something_else_in_its_place_is_computed_again(
    content: bytes | None, dataset: Dataset, outputs: Outputs, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = outputs(counting_teacher(), dataset.train)
    (file,) = (tmp_path / "teacher-outputs").iterdir()
    if content is None:
        file.unlink()
        (file / "inner").mkdir(parents=True)
    else:
        file.write_bytes(content)
    assert np.array_equal(outputs(counting_teacher(), dataset.train), whole)
    assert len(caplog.messages) == 1 and file.is_file()


def test_where_the_memory_runs_out_fewer_pictures_are_taken_at_a_time(
    make_dataset: Callable[..., Dataset], outputs: Outputs, caplog: pytest.LogCaptureFixture
) -> None:
    class Small(Counting):
        def forward(self, pixels: Tensor) -> Tensor:
            if len(pixels) > BATCH // 4:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().forward(pixels)

    pictures, teacher = make_dataset(n=BATCH + 3).train, counting_teacher()
    teacher.module = Small()
    np.testing.assert_allclose(outputs(teacher, pictures), halves(pictures), rtol=1e-5)
    assert seen(teacher) == BATCH + 3
    assert caplog.messages == [
        f"teacher outputs: out of memory; pictures are taken {size} at a time" for size in (BATCH // 2, BATCH // 4)
    ]


def test_a_pickle_is_not_opened(dataset: Dataset, outputs: Outputs, tmp_path: Path) -> None:
    whole = outputs(counting_teacher(), dataset.train)
    (file,) = (tmp_path / "teacher-outputs").iterdir()
    np.save(file, np.array([print], dtype=object), allow_pickle=True)
    assert np.array_equal(outputs(counting_teacher(), dataset.train), whole)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused_and_not_kept(
    value: float, dataset: Dataset, outputs: Outputs, tmp_path: Path
) -> None:
    teacher = counting_teacher()
    with torch.no_grad():
        teacher.module.get_parameter("weight").fill_(value)
    with pytest.raises(TeacherError, match=r"^counter: gives values that are not finite"):
        outputs(teacher, dataset.train)
    assert not list(tmp_path.rglob("*.npy"))


def test_a_teacher_that_gives_one_row_for_all_pictures_is_refused(dataset: Dataset, outputs: Outputs) -> None:
    class First(Counting):
        def forward(self, pixels: Tensor) -> Tensor:
            return super().forward(pixels)[:1]

    teacher = counting_teacher()
    teacher.module = First()
    with pytest.raises(TeacherError, match=rf"gives logits of shape \(1, 2\) for {BATCH} pictures"):
        outputs(teacher, dataset.train.first(BATCH))


def test_progress_is_told_in_pictures(make_dataset: Callable[..., Dataset], tmp_path: Path, cpu: torch.device) -> None:
    told: list[tuple[str, int, int]] = []
    pictures = make_dataset(n=BATCH + 3).train
    teacher_outputs(
        counting_teacher(),
        pictures,
        key="k",
        flip=False,
        cache=tmp_path,
        device=cpu,
        progress=lambda *args: told.append(args),
    )
    assert told == [("teacher outputs", BATCH, BATCH + 3), ("teacher outputs", BATCH + 3, BATCH + 3)]


def test_they_are_mapped_from_the_file(dataset: Dataset, tmp_path: Path, cpu: torch.device) -> None:
    for _ in range(2):
        outputs = teacher_outputs(counting_teacher(), dataset.train, key="k", flip=False, cache=tmp_path, device=cpu)
        assert isinstance(outputs, np.memmap) and not outputs.flags.writeable


VIEWS = Views(count=3, seed=5, shift=2)


def test_views_are_of_moved_pictures(dataset: Dataset, outputs: Outputs) -> None:
    """Each picture moved by hand, as its view says."""
    teacher, images = counting_teacher(), dataset.train.images[..., 0]
    result = outputs(teacher, dataset.train, flip=True, views=VIEWS)
    assert result.shape == (3, 256, 2) and seen(teacher) == 3 * 256
    for number in range(3):
        moves = VIEWS.moves(number, 256, flip=True)
        for row in (0, 17, 255):
            top, left = int(moves.top[row]), int(moves.left[row])
            picture = np.pad(images[row], 2)[top : top + 8, left : left + 8].astype(np.float64)
            picture = picture[:, ::-1] if moves.mirrored[row] else picture
            np.testing.assert_allclose(result[number, row], [picture[:, :4].mean(), picture[:, 4:].mean()], rtol=1e-5)
    assert {bool(mirrored) for mirrored in moves.mirrored} == {True, False}


def test_views_of_another_number_seed_or_shift_are_computed_anew(dataset: Dataset, outputs: Outputs) -> None:
    teacher = counting_teacher()
    first = outputs(teacher, dataset.train, views=VIEWS)
    assert np.array_equal(outputs(teacher, dataset.train, views=VIEWS), first) and seen(teacher) == 3 * 256
    for other in (Views(2, 5, 2), Views(3, 6, 2), Views(3, 5, 1)):
        result = outputs(teacher, dataset.train, views=other)
        assert result.shape != first.shape or not np.array_equal(result, first)
    assert seen(teacher) == (3 + 2 + 3 + 3) * 256


def test_progress_counts_all_views(dataset: Dataset, tmp_path: Path, cpu: torch.device) -> None:
    told: list[tuple[str, int, int]] = []
    teacher_outputs(
        counting_teacher(),
        dataset.train,
        key="k",
        flip=True,
        cache=tmp_path,
        device=cpu,
        views=VIEWS,
        progress=lambda *args: told.append(args),
    )
    assert told == [("teacher outputs", BATCH * batch, 768) for batch in range(1, 768 // BATCH + 1)]
