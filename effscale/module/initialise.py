"""From a module without storage to one with weights, drawn as the reference does."""

from __future__ import annotations

import math

import torch
from torch import nn

from effscale.module.levels import Fused


def materialise(module: nn.Module, device: str | torch.device) -> None:
    """Give each parameter and buffer of a module on meta its storage, all zeros.

    In place. (`Module.to_empty` would import sympy on the way: half a second.)
    """
    for each in module.modules():
        for name, parameter in list(each.named_parameters(recurse=False)):
            zeros = torch.zeros(parameter.shape, dtype=parameter.dtype, device=device)
            each.register_parameter(name, nn.Parameter(zeros))
        for name, buffer in list(each.named_buffers(recurse=False)):
            zeros = torch.zeros(buffer.shape, dtype=buffer.dtype, device=device)
            each.register_buffer(name, zeros)


@torch.no_grad()
def initialise(module: nn.Module) -> None:
    """Fill every parameter and buffer in place.

    Convolutions: normal, variance 2 / (k²·c_out/groups). Linear: uniform up to
    1/√c_out. Biases 0, but where a class head begins. Batch norm: the
    identity. Fusions: 1.

    Source: tpu/models/official/efficientnet/efficientnet_model.py:63-103.
    """
    for each in module.modules():
        match each:
            case nn.Conv2d():
                fan_out = each.weight[:, 0].numel() // each.groups
                each.weight.normal_(0, math.sqrt(2 / fan_out))
                if each.bias is not None:
                    each.bias.fill_(vars(each).get("bias_init", 0.0))
            case Fused():
                each.weights.fill_(1)
            case nn.Linear():
                bound = 1 / math.sqrt(each.out_features)
                each.weight.uniform_(-bound, bound)
                each.bias.zero_()
            case nn.BatchNorm2d():
                each.reset_parameters()
            case _:
                pass
