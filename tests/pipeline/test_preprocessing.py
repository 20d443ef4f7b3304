"""A raw picture is treated the same way in training and in what is deployed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from edgetune.data.decode import decode
from edgetune.data.pictures import Pictures
from edgetune.distill.evaluate import logits_of
from edgetune.distill.precision import to_pixels
from edgetune.export.host import logits_of as logits_of_file
from edgetune.export.onnx_file import export_onnx
from edgetune.nets.network import build_network
from edgetune.space.mobile import MOBILE_SMALL


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_file_gives_the_same_logits_in_training_and_in_the_artefact(channels: int, tmp_path: Path) -> None:
    """The file is decoded to bytes once; from there on the network's first layer does everything, in both."""
    torch.manual_seed(0)
    shape = {"channels": channels, "resolution": 32, "classes": 5}
    architecture = MOBILE_SMALL.architecture(MOBILE_SMALL.smallest(), **shape)
    network = build_network(architecture, mean=(0.4,) * channels, std=(0.2,) * channels).eval()
    export_onnx(network, tmp_path / "model.onnx", channels=channels, resolution=32, metadata={})
    pixels = np.random.default_rng(0).integers(0, 256, (40, 48, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")

    raw = decode((tmp_path / "picture.png").read_bytes(), 32, channels)[None]
    assert raw.dtype == np.uint8
    trained = logits_of(network, Pictures(raw, np.zeros(1, np.int64)), device=torch.device("cpu"))
    deployed = logits_of_file(tmp_path / "model.onnx", raw.transpose(0, 3, 1, 2).astype(np.float32))
    np.testing.assert_allclose(deployed, trained, rtol=1e-4, atol=1e-4)

    # What the network's first layer makes of the bytes is the usual normalisation, exactly.
    normalised = network.normalize(to_pixels(raw, torch.device("cpu"))).numpy()
    expected = (raw.transpose(0, 3, 1, 2).astype(np.float64) / 255 - 0.4) / 0.2
    np.testing.assert_allclose(normalised, expected, atol=1e-5)
