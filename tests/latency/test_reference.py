"""Reference networks against the multiply-accumulates and parameters that their papers and authors give."""

from __future__ import annotations

import pytest

from edgetune.errors import ConfigError
from edgetune.latency.reference import reference_graph

TORCHVISION = {  # its documentation's GFLOPs and parameters, or the paper where it differs in shape
    "resnet18": (1814, 11.69), "vgg16": (15470, 138.36), "squeezenet": (349, 1.235), "mnasnet": (314, 4.383),
    "shufflenet_v2": (145, 2.279), "efficientnet_b0": (386, 5.289),
}  # fmt: skip
PAPERS = {
    "alexnet": (724, 60.97),  # Caffe Model Zoo's bvlc_alexnet
    "googlenet": (1582, 6.998),  # Caffe Model Zoo's bvlc_googlenet
    "shufflenet": (137, 1.87),  # Ma 2018, table 8; the paper's own table 1 says 137 for 3 groups
    "proxylessnasnet": (320, 4.08),  # mit-han-lab/proxylessnas
    # Dong 2020's API: FLOPs and parameters of two cells
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|": (220.12, 1.5315),
    "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|": (15.65, 0.1293),
}
PUBLISHED = (
    TORCHVISION
    | PAPERS
    | {
        # name: (million MACs, million parameters), from
        "mobilenet-v1-1.0-224": (569, 4.24),  # arXiv:1704.04861, table 4; parameters of the TensorFlow model page
        "mobilenet-v1-0.75-224": (325, 2.59),
        "mobilenet-v1-0.5-160": (76, 1.34),
        "mobilenet-v1-0.25-128": (14, 0.47),
        "mobilenet-v2-1.0-224": (300, 3.47),  # tensorflow/models research/slim/nets/mobilenet
        "mobilenet-v2-1.3-224": (509, 5.34),
        "mobilenet-v2-0.75-160": (107, 2.61),
        "mobilenet-v2-0.5-128": (32, 1.95),
        "mobilenet-v2-0.35-96": (11, 1.66),
        "mobilenet-v3-large_224_1.0": (217, 5.4),
        "mobilenet-v3-large-minimalistic_224_1.0": (209, 3.9),
        "mobilenet-v3-small_224_1.0": (57, 2.5),
        "mobilenet-v3-small_224_0.75": (43.4, 2.04),
        "resnet50": (4089, 25.557),  # torchvision's resnet50, whose stride is in the 3×3 convolution too
    }
)
LITE = {0: (407, 4.7), 1: (631, 5.4), 2: (899, 6.1), 3: (1440, 8.2), 4: (2640, 13.0)}
# tensorflow/tpu models/official/efficientnet/lite/README.md


@pytest.mark.parametrize("name", PUBLISHED)
def test_macs_and_parameters_are_those_published(name: str) -> None:
    graph, (mmacs, parameters) = reference_graph(name), PUBLISHED[name]
    digits_lost = 1 if mmacs < 100 else 0  # the tables cut off after whole millions
    assert graph.macs / 1e6 == pytest.approx(mmacs, rel=0.02, abs=digits_lost)
    assert graph.parameters / 1e6 == pytest.approx(parameters, rel=0.02)


@pytest.mark.parametrize("number", LITE)
def test_efficientnet_lite(number: int) -> None:
    """The published count has BatchNorm and bias too: three operations for each output of a convolution."""
    graph, (mmacs, parameters) = reference_graph(f"efficientnet-lite{number}"), LITE[number]
    outputs = sum(kernel.written for kernel in graph.kernels if kernel.kind in ("conv", "depthwise", "pointwise"))
    assert (graph.macs + 3 * outputs) / 1e6 == pytest.approx(mmacs, rel=0.02)
    assert graph.parameters / 1e6 == pytest.approx(parameters, rel=0.02)


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean efficientnet-lite"):
        reference_graph("efficientnet-lite7")
