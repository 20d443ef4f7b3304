"""BatchNorm as part of the convolutions before it, as in exported files, which makes looking faster."""

from __future__ import annotations

import copy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batch_norm(network: nn.Module) -> nn.Module:
    """A copy in evaluation mode, on the CPU; norms that follow a convolution in an `nn.Sequential` are folded."""
    folded = copy.deepcopy(network).cpu().eval()
    for layers in [module for module in folded.modules() if isinstance(module, nn.Sequential)]:
        for i in range(len(layers) - 1):
            convolution, norm = layers[i], layers[i + 1]
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                layers[i], layers[i + 1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()
    return folded.requires_grad_()  # torch leaves the new biases out
