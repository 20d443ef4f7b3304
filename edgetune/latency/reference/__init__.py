"""The networks of published latency tables, by the names used there."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from edgetune.errors import ConfigError, nearest
from edgetune.latency.from_architecture import graph_of
from edgetune.latency.graph import Graph
from edgetune.latency.probes import probe
from edgetune.latency.reference.classic import alexnet, googlenet, squeezenet, vgg16
from edgetune.latency.reference.efficientnet import efficientnet_lite
from edgetune.latency.reference.fbnet import fbnet
from edgetune.latency.reference.mobilenet import mobilenet_v1, mobilenet_v2, mobilenet_v3
from edgetune.latency.reference.nasbench201 import nasbench201
from edgetune.latency.reference.resnet import resnet18, resnet50
from edgetune.latency.reference.searched import efficientnet_b0, mnasnet, proxylessnas
from edgetune.latency.reference.shufflenet import shufflenet_v1, shufflenet_v2
from edgetune.space.mobile import MOBILE_SPACES

FIXED: dict[str, Callable[[], Graph]] = {
    "alexnet": alexnet,
    "efficientnet_b0": efficientnet_b0,
    "googlenet": googlenet,
    "mnasnet": mnasnet,
    "mobilenet": lambda: mobilenet_v1(1.0, 224),
    "mobilenet_v2": lambda: mobilenet_v2(1.0, 224),
    "mobilenet_v3": lambda: mobilenet_v3("large", 1.0, 224),
    "proxylessnasnet": proxylessnas,
    "resnet": resnet50,
    "resnet18": resnet18,
    "resnet50": resnet50,
    "shufflenet": shufflenet_v1,
    "shufflenet_v2": shufflenet_v2,
    "squeezenet": squeezenet,
    "vgg16": vgg16,
}

WIDTH, SIDE = r"(\d+(?:\.\d+)?)", r"([1-9]\d{1,3})"

PATTERNS: tuple[tuple[str, Callable[[re.Match[str]], Graph]], ...] = (
    (rf"mobilenet-v1-{WIDTH}-{SIDE}", lambda m: mobilenet_v1(float(m[1]), int(m[2]))),
    (rf"mobilenet-v2-{WIDTH}-{SIDE}", lambda m: mobilenet_v2(float(m[1]), int(m[2]))),
    (rf"mobilenet-v3-(large|small)_{SIDE}_{WIDTH}", lambda m: mobilenet_v3(m[1], float(m[3]), int(m[2]))),
    (
        rf"mobilenet-v3-(large|small)-minimalistic_{SIDE}_{WIDTH}",
        lambda m: mobilenet_v3(m[1], float(m[3]), int(m[2]), minimalistic=True),
    ),
    (r"efficientnet-lite[0-4]", lambda m: efficientnet_lite(m[0])),
    (r"(\|.+\|)", lambda m: nasbench201(m[1])),
    (r"fbnet-(\d{22})", lambda m: fbnet(m[1])),
)
DRAWN: tuple[tuple[str, Callable[[re.Match[str]], Graph]], ...] = (
    (r"probe-(\d+)", lambda m: probe(np.random.default_rng(int(m[1])))),
    (r"(mobile-(?:small|large))-(\d+)-random-(\d+)", lambda m: _drawn(m[1], int(m[2]), int(m[3]))),
)
"""Random networks, which change with the rules that they are drawn by."""

EXAMPLES = (
    "mobilenet-v1-1.0-224", "mobilenet-v2-1.0-224", "mobilenet-v3-large_224_1.0", "mobilenet-v3-small_224_1.0",
    "efficientnet-lite0", "efficientnet-lite4", *FIXED,
)  # fmt: skip


@lru_cache(maxsize=4096)
def reference_graph(name: str) -> Graph:
    """The kernels of a reference network, for example `mobilenet-v2-1.0-224`, `resnet18` or a cell of NAS-Bench-201.

    Raises
    ------
    ConfigError
        No network goes by this name.
    """
    if name in FIXED:
        return FIXED[name]()
    for patterns, what, example in (
        (PATTERNS, "width or resolution", "0.75 and 192"),
        (DRAWN, "seed or resolution", "mobile-small-28-random-3"),
    ):
        for pattern, build in patterns:
            if match := re.fullmatch(pattern, name):
                try:
                    return build(match)
                except (ValueError, ZeroDivisionError) as error:
                    raise ConfigError(f"no such {what}", where=name, mend=f"such as {example}") from error
    raise ConfigError("no reference network goes by this name", where=name, mend=nearest(name, EXAMPLES))


def is_published(name: str) -> bool:
    """Whether a name means the same network in every version of edgetune."""
    return name in FIXED or any(re.fullmatch(pattern, name) for pattern, _ in PATTERNS)


def _drawn(space: str, resolution: int, seed: int) -> Graph:
    """The network that a seed draws from a mobile space; grey pictures of 28 pixels, colour ones of other sizes."""
    mobile = MOBILE_SPACES[space]
    sample = mobile.space.draw(np.random.default_rng(seed))
    channels, classes = (1 if resolution == 28 else 3), (10 if resolution < 65 else 100)
    return graph_of(mobile.architecture(sample, channels=channels, resolution=resolution, classes=classes))


def family_of(name: str) -> str:
    """The family of a reference network: its name without width, size and resolution.

    >>> [family_of(n) for n in ("mobilenet-v2-0.5-96", "mobilenet-v3-small_224_1.0", "efficientnet-lite4", "resnet50")]
    ['mobilenet-v2', 'mobilenet-v3', 'efficientnet-lite', 'resnet']
    """
    if name.startswith("|"):
        return "nasbench201"
    match = re.match(r"mobilenet[-_]v\d|[a-z]+(-lite)?", name)
    return match[0].replace("_", "-") if match else name
