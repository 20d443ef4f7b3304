"""Makes a folder of pictures from Open Clip Art: about 8,000 public-domain drawings in 22 untidy categories.

    python -m tools.open_clip_art clip-art --most 300 --least 100
    edgetune search --data clip-art --device rpi4

They come from the Debian package `openclipart-png`, which is unpacked without being installed. Categories are kept as
they are, with placeholders, copies, drawings filed twice and huge ones; `--least` leaves out the smallest categories.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from edgetune.data.debian import unpack_package
from edgetune.errors import EdgetuneError, StorageError
from edgetune.files import atomic_folder

PACKAGE = "openclipart-png"
PACKAGE_FOLDER = "usr/share/openclipart/png"


def build(folder: Path, *, most: int | None, least: int, seed: int) -> dict[str, int]:
    """Fills `folder`, which must not exist, and returns the number of pictures in each category.

    At most `most` pictures of a category are kept, drawn at random, and no category of fewer than `least`.
    """
    if folder.exists():
        raise StorageError("exists already", where=folder, mend="choose another folder, or remove it")
    rng = random.Random(seed)
    kept: dict[str, int] = {}
    with TemporaryDirectory() as scratch, atomic_folder(folder) as aside:
        unpack_package(PACKAGE, Path(scratch))
        for category in sorted((Path(scratch) / PACKAGE_FOLDER).iterdir()):
            pictures = sorted(path for path in category.rglob("*") if path.is_file())  # links to other categories too
            if len(pictures) < least:
                continue
            if most is not None and len(pictures) > most:
                pictures = sorted(rng.sample(pictures, most))
            for picture in pictures:
                target = aside / category.name / picture.relative_to(category)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(picture, target)
            kept[category.name] = len(pictures)
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="made anew")
    parser.add_argument("--most", type=int, help="pictures of a category to keep (default: all)")
    parser.add_argument("--least", type=int, default=0, help="smaller categories are left out (default: none is)")
    parser.add_argument("--seed", type=int, default=0, help="decides which pictures are kept (default: 0)")
    options = parser.parse_args()
    try:
        kept = build(options.folder, most=options.most, least=options.least, seed=options.seed)
    except (EdgetuneError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    for category, count in kept.items():
        print(f"{count:5} {category}")
    print(f"{sum(kept.values()):5} pictures in {len(kept)} categories: {options.folder}")


if __name__ == "__main__":
    main()
