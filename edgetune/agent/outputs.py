"""What a network answers to pictures of the host, so that the host can tell whether the board computes the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgetune.errors import ModelFileError

if TYPE_CHECKING:
    import numpy as np

    from edgetune.agent.runtimes import Run

MOST_PICTURES = 64
MOST_VALUES = 2**15
"""Of all answers together: as text they stay below what a measurement's process may write."""
SEND_PICTURES = "send float32 pictures, N × C × H × W, saved by numpy"

Outputs = tuple[tuple[float, ...], ...]


def read_pictures(path: Path) -> np.ndarray:
    """Pictures (N, C, H, W), float32, from a file of numpy's; nothing in it is ever run.

    Raises
    ------
    ModelFileError
        Another kind of file, other values, none or too many.
    """
    import numpy as np

    try:
        pictures = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ModelFileError(f"the pictures cannot be read: {error}", mend=SEND_PICTURES) from error
    if not isinstance(pictures, np.ndarray) or pictures.dtype != np.float32 or pictures.ndim != 4:
        raise ModelFileError("the pictures are of another kind", mend=SEND_PICTURES)
    if not 0 < len(pictures) <= MOST_PICTURES:
        raise ModelFileError(f"{len(pictures)} pictures", mend=f"send 1 to {MOST_PICTURES}")
    return pictures


def outputs_of(run: Run, pictures: Path) -> Outputs:
    """The network's first output for each picture alone, flat.

    Raises
    ------
    ModelFileError
        Pictures that cannot be read, an output that is too large or holds values that are no numbers.
    """
    import numpy as np

    found: list[tuple[float, ...]] = []
    for picture in read_pictures(pictures):
        output = np.asarray(run(picture[None]), np.float64).ravel()
        if (len(found) + 1) * output.size > MOST_VALUES:
            raise ModelFileError(f"its outputs hold more than {MOST_VALUES} values", mend="send fewer pictures")
        if not np.isfinite(output).all():
            raise ModelFileError("its outputs hold values that are no numbers", mend="export it again")
        found.append(tuple(output.tolist()))
    return tuple(found)
