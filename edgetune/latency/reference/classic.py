"""Networks of the years before mobile ones: AlexNet (Krizhevsky 2012), VGG-16 (Simonyan 2014, arXiv:1409.1556),
GoogLeNet (Szegedy 2014, 1409.4842), SqueezeNet 1.1 (Iandola 2016, 1602.07360; version 1.1: the authors' repository)."""

from __future__ import annotations

from edgetune.latency.builder import IMAGENET_CLASSES, INPUT, GraphBuilder
from edgetune.latency.graph import Graph

INCEPTION = {  # 1×1, 3×3 reduce, 3×3, 5×5 reduce, 5×5, pool projection
    "3a": (64, 96, 128, 16, 32, 32), "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64), "4b": (160, 112, 224, 24, 64, 64), "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64), "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128), "5b": (384, 192, 384, 48, 128, 128),
}  # fmt: skip


def alexnet() -> Graph:
    """Caffe's, with the two groups of the paper; 227 pixels."""
    b = GraphBuilder("alexnet", (3, 227, 227))
    x = b.conv(INPUT, 96, kernel=11, stride=4, padding=0, activation="relu", name="conv1")
    x = b.pool(b.with_constant("softmax", x, name="norm1"), 3, stride=2, padding=0)
    x = b.conv(x, 256, kernel=5, groups=2, activation="relu", name="conv2")
    x = b.pool(b.with_constant("softmax", x, name="norm2"), 3, stride=2, padding=0)
    x = b.conv(x, 384, kernel=3, activation="relu", name="conv3")
    x = b.conv(x, 384, kernel=3, groups=2, activation="relu", name="conv4")
    x = b.conv(x, 256, kernel=3, groups=2, activation="relu", name="conv5")
    x = b.pool(x, 3, stride=2, padding=0)
    for name in ("fc6", "fc7"):
        x = b.linear(x, 4096, activation="relu", name=name)
    b.linear(x, IMAGENET_CLASSES, name="fc8")
    return b.graph()


def vgg16() -> Graph:
    b = GraphBuilder("vgg16", (3, 224, 224))
    x = INPUT
    for stage, (width, depth) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), 1):
        for i in range(depth):
            x = b.conv(x, width, kernel=3, activation="relu", name=f"conv{stage}_{i + 1}")
        x = b.pool(x, 2, stride=2)
    for name in ("fc6", "fc7"):
        x = b.linear(x, 4096, activation="relu", name=name)
    b.linear(x, IMAGENET_CLASSES, name="fc8")
    return b.graph()


def googlenet() -> Graph:
    """Without the auxiliary classifiers; pools round up, as Caffe's do."""
    b = GraphBuilder("googlenet", (3, 224, 224))
    x = b.conv(INPUT, 64, kernel=7, stride=2, activation="relu", name="conv1")
    x = b.with_constant("softmax", b.pool(x, 3, stride=2), name="norm1")
    x = b.conv(b.conv(x, 64, activation="relu", name="reduce2"), 192, kernel=3, activation="relu", name="conv2")
    x = b.pool(b.with_constant("softmax", x, name="norm2"), 3, stride=2)
    for name, widths in INCEPTION.items():
        if name in ("4a", "5a"):
            x = b.pool(x, 3, stride=2)
        x = _inception(b, x, name, widths)
    b.linear(b.global_pool(x), IMAGENET_CLASSES, name="classifier")
    return b.graph()


def _inception(b: GraphBuilder, x: int, name: str, widths: tuple[int, ...]) -> int:
    one, reduce3, three, reduce5, five, pooled = widths
    b.prefix = f"inception{name}."
    branches = (
        b.conv(x, one, activation="relu", name="1x1"),
        b.conv(b.conv(x, reduce3, activation="relu", name="reduce3"), three, kernel=3, activation="relu", name="3x3"),
        b.conv(b.conv(x, reduce5, activation="relu", name="reduce5"), five, kernel=5, activation="relu", name="5x5"),
        b.conv(b.pool(x, 3, stride=1), pooled, activation="relu", name="projection"),
    )
    x = b.concat(branches)
    b.prefix = ""
    return x


def squeezenet() -> Graph:
    """Version 1.1, 227 pixels."""
    b = GraphBuilder("squeezenet", (3, 227, 227))
    x = b.pool(
        b.conv(INPUT, 64, kernel=3, stride=2, padding=0, activation="relu", name="conv1"), 3, stride=2, padding=0
    )
    for number, squeeze in enumerate((16, 16, 32, 32, 48, 48, 64, 64), 2):
        if number in (4, 6):
            x = b.pool(x, 3, stride=2, padding=0)
        b.prefix = f"fire{number}."
        x = b.conv(x, squeeze, activation="relu", name="squeeze")
        one = b.conv(x, 4 * squeeze, activation="relu", name="1x1")
        x = b.concat((one, b.conv(x, 4 * squeeze, kernel=3, activation="relu", name="3x3")))
        b.prefix = ""
    b.global_pool(b.conv(x, IMAGENET_CLASSES, activation="relu", name="conv10"))
    return b.graph()
