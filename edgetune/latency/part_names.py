"""What the features of :mod:`edgetune.latency.features` are called where people read of them."""

from __future__ import annotations

PART_NAMES = {
    "network": "entering the runtime",
    "gemm.call": "calls of convolutions",
    "depthwise.call": "calls of depthwise convolutions",
    "elementwise.call": "calls of element-wise layers",
    "pointwise.macs": "arithmetic of 1×1 convolutions",
    "pointwise.read": "reads of 1×1 convolutions",
    "pointwise.write": "writes of 1×1 convolutions",
    "first.macs": "arithmetic of the first convolution",
    "first.patches": "copies of the picture's patches",
    "conv.macs": "arithmetic of convolutions that are strided or large",
    "conv3.macs": "arithmetic of 3×3 convolutions",
    "conv.patches": "copies of convolutions' patches",
    "conv.write": "writes of convolutions",
    "weights": "weights of convolutions",
    "weights.far": "weights beyond the cache",
    "activations.far": "activations beyond the cache",
    "depthwise3.macs": "arithmetic of 3×3 depthwise convolutions",
    "depthwise3s2.macs": "arithmetic of strided 3×3 depthwise convolutions",
    "depthwise5.macs": "arithmetic of depthwise convolutions of 5×5 and more",
    "depthwise.read": "reads of depthwise convolutions",
    "depthwise.write": "writes of depthwise convolutions",
    "linear.weights": "weights of linear layers",
    "matmul.macs": "arithmetic of matrix products",
    "elementwise": "element-wise layers",
    "hard-swish": "activations that are not fused, such as hard-swish",
    "pool": "pooling",
    "copy": "copies",
    "unknown": "layers of an unknown kind",
}
