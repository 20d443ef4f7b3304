"""How an architecture becomes a torch module."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from edgetune.nets.layers import Normalize, SqueezeExcite, conv_bn, depthwise_bn
from edgetune.space.architecture import Architecture, Block


class MobileBlock(nn.Module):
    """An inverted residual block or its fused form; see :class:`edgetune.space.architecture.Block`."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        hidden, act = block.hidden_width, block.activation
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if block.kind == "fused":
            layers["fused"] = conv_bn(block.in_width, hidden, block.kernel, stride=block.stride, act=act)
        else:
            if block.expansion != 1:
                layers["expand"] = conv_bn(block.in_width, hidden, 1, act=act)
            layers["depthwise"] = depthwise_bn(hidden, block.kernel, stride=block.stride, act=act)
        if block.squeeze_excite:
            layers["squeeze_excite"] = SqueezeExcite(hidden, block.squeeze_width)
        layers["project"] = conv_bn(hidden, block.out_width, 1)
        self.layers = nn.Sequential(layers)
        self.residual = block.residual

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


class Network(nn.Module):
    """Raw pixels (N, C, H, W), 0…255, to logits (N, classes)."""

    def __init__(self, architecture: Architecture, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        a = architecture
        self.architecture = a
        self.normalize = Normalize(mean, std)
        self.stem = conv_bn(a.channels, a.stem_width, 3, stride=a.stem_stride, act=a.activation)
        self.blocks = nn.Sequential(OrderedDict((block.name, MobileBlock(block)) for block in a.blocks))
        self.head = conv_bn(a.last_width, a.head_width, 1, act=a.activation)
        self.classifier = nn.Linear(a.head_width, a.classes)

    def features(self, pixels: Tensor) -> Tensor:
        """The pooled features before the classifier, (N, head width)."""
        return self.head(self.blocks(self.stem(self.normalize(pixels)))).mean((2, 3))

    def forward(self, pixels: Tensor) -> Tensor:
        return self.classifier(self.features(pixels))


def build_network(
    architecture: Architecture, *, mean: tuple[float, ...] | None = None, std: tuple[float, ...] | None = None
) -> Network:
    """A freshly initialised network; without `mean` and `std` (0…1 scale) pixels are only scaled to 0…1."""
    channels = architecture.channels
    return Network(architecture, mean or (0.0,) * channels, std or (1.0,) * channels)
