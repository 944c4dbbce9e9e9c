"""Initial weights of each operator's module, and those of them that decay.

Keyed by class, as modules are made; weights of an unknown class are an error.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from effscale.errors import LayerError
from effscale.module.attention import Attending, Placed, QueriesValuesBiased, Tokened
from effscale.module.operators import (
    BinsOfSides,
    Blurred,
    ChannelConv1d,
    Fused,
    LayerNorm2d,
    ResponseNorm2d,
    RMSNorm2d,
    Scaled,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from effscale.spec.values import Init


@torch.no_grad()
def initialise(module: nn.Module) -> None:
    """Fill every parameter and buffer in place.

    Raises:
        LayerError: if a module has parameters that no rule draws.
    """
    for each in module.modules():
        draw = DRAWN.get(type(each))
        if draw is not None:
            draw(each)
        elif [*each.parameters(recurse=False), *each.buffers(recurse=False)]:
            name = type(each).__name__
            raise LayerError(f"build: no rule draws the weights of {name}")


def _draw_conv(module: nn.Conv2d) -> None:
    """By its rule; biases 0, but where a class head begins."""
    rule: Init = vars(module).get("init", "he")
    INITS[rule](module)
    if module.bias is not None:
        module.bias.fill_(vars(module).get("bias_init", 0.0))


def _fans(module: nn.Conv2d) -> tuple[int, int]:
    """Weights into and out of a position, as TensorFlow counts them.

    Its depthwise kernels are (k, k, c_in, 1): k²·c_in in, k² out.
    """
    area = math.prod(module.kernel_size)
    if module.groups == module.in_channels:
        return area * module.in_channels, area * module.out_channels // module.groups
    return area * module.in_channels // module.groups, area * module.out_channels


def _draw_he(module: nn.Conv2d) -> None:
    """Normal, variance 2 / (k²·c_out/groups).

    Source: tpu/models/official/efficientnet/efficientnet_model.py:63-103; of whole
    convolutions as torchvision/models/resnet.py (`kaiming_normal_`, fan_out).
    """
    fan_out = module.weight[:, 0].numel() // module.groups
    module.weight.normal_(0, math.sqrt(2 / fan_out))


def _draw_glorot(module: nn.Conv2d) -> None:
    """Uniform, variance 2 / (in + out): what Keras draws where nothing is said."""
    bound = math.sqrt(6 / sum(_fans(module)))
    module.weight.uniform_(-bound, bound)


def _draw_lecun(module: nn.Conv2d) -> None:
    """Uniform, variance 1 / (k²·c_in/groups).

    Source: torchvision/ops/feature_pyramid_network.py (`kaiming_uniform_`, a = 1).
    """
    bound = math.sqrt(3 / module.weight[0].numel())
    module.weight.uniform_(-bound, bound)


#: The standard deviation of a standard normal that is cut at ±2.
_CUT = 0.87962566103423978


def _draw_variance_scaling(module: nn.Conv2d) -> None:
    """Normal, cut at two deviations, variance 1 / in.

    Source: `VarianceScaling` of keras/src/initializers/random_initializers.py.
    """
    deviation = math.sqrt(1 / _fans(module)[0]) / _CUT
    nn.init.trunc_normal_(module.weight, 0, deviation, -2 * deviation, 2 * deviation)


#: How each rule draws a convolution's weights.
INITS: Mapping[Init, Callable[[nn.Conv2d], object]] = {
    "he": _draw_he,
    "glorot": _draw_glorot,
    "lecun": _draw_lecun,
    "variance_scaling": _draw_variance_scaling,
    # Lin et al. 2017, arXiv:1708.02002, section 4.1
    "normal": lambda module: nn.init.normal_(module.weight, 0, 0.01),
    # tpu/models/official/detection/modeling/architecture/heads.py (`RetinanetHead`)
    "near_zero": lambda module: nn.init.normal_(module.weight, 0, 1e-5),
}


def _draw_transposed(module: nn.ConvTranspose2d) -> None:
    """Normal, variance 2 / (k²·c_in/groups/stride²): what makes a position."""
    rows, columns = module.stride
    fan_in = module.weight[:, 0].numel() // module.groups
    module.weight.normal_(0, math.sqrt(2 * rows * columns / fan_in))
    if module.bias is not None:
        module.bias.zero_()


def _draw_linear(module: nn.Linear) -> None:
    """Uniform up to 1/√c_out; biases 0. Source: as `_draw_he`."""
    bound = 1 / math.sqrt(module.out_features)
    module.weight.uniform_(-bound, bound)
    if module.bias is not None:
        module.bias.zero_()


def _draw_norm(module: nn.GroupNorm) -> None:
    """Scales of 1; torch's own rule asks for shifts."""
    module.weight.fill_(1)
    if module.bias is not None:
        module.bias.zero_()


#: Modules whose weights do not decay while a network trains.
NORMS: tuple[type[nn.Module], ...] = (
    *(nn.BatchNorm2d, LayerNorm2d, RMSNorm2d, nn.GroupNorm, nn.InstanceNorm2d),
    *(Scaled, ResponseNorm2d, Tokened, Placed, QueriesValuesBiased, nn.PReLU),
)


#: How the weights of each module that has some are drawn.
DRAWN: Mapping[type[nn.Module], Callable[[Any], None]] = {
    nn.Conv2d: _draw_conv,
    nn.ConvTranspose2d: _draw_transposed,
    ChannelConv1d: nn.Conv1d.reset_parameters,
    nn.Linear: _draw_linear,
    nn.BatchNorm2d: nn.BatchNorm2d.reset_parameters,
    LayerNorm2d: LayerNorm2d.reset_parameters,
    RMSNorm2d: RMSNorm2d.reset_parameters,
    nn.GroupNorm: _draw_norm,
    nn.InstanceNorm2d: nn.InstanceNorm2d.reset_parameters,
    nn.PReLU: nn.PReLU.reset_parameters,
    Scaled: Scaled.reset_parameters,
    ResponseNorm2d: ResponseNorm2d.reset_parameters,
    Fused: Fused.reset_parameters,
    Tokened: Tokened.reset_parameters,
    Placed: Placed.reset_parameters,
    Attending: Attending.reset_parameters,
    QueriesValuesBiased: QueriesValuesBiased.reset_parameters,
    BinsOfSides: BinsOfSides.reset_parameters,
    Blurred: Blurred.fix,
}
