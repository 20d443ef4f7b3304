"""Runs in the userland: a network of ncnn's benchmark, as benchncnn does it, with weights of zero and one thread."""

from collections.abc import Callable

import numpy as np


def load(param: str) -> Callable[[np.ndarray], None]:
    """A function of one picture, float32 (1, C, H, W)."""
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = 1
    net.opt.use_vulkan_compute = False
    net.load_param(param)
    net.load_model(ncnn.DataReaderFromEmpty())

    def run(picture: np.ndarray) -> None:
        extractor = net.create_extractor()
        pixels = ncnn.Mat(picture[0])
        for name in net.input_names():
            extractor.input(name, pixels)
        for name in net.output_names():
            extractor.extract(name)

    return run
