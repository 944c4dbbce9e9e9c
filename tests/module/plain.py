"""Blocks once more, from their papers, as functions of torch and of named weights.

They share no code with effscale; the names are those that it gives its weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F  # noqa: N812 - its usual name

if TYPE_CHECKING:
    from collections.abc import Mapping

EPS = 1e-3


@dataclass(frozen=True)
class Weights:
    """Weights by name, those of one block by what stands before them."""

    state: Mapping[str, torch.Tensor]
    path: str = ""

    def of(self, name: str) -> Weights:
        """Those whose name begins with `name`."""
        return Weights(self.state, f"{self.path}{name}.")

    def conv(
        self,
        name: str,
        x: torch.Tensor,
        stride: int | tuple[int, int] = 1,
        groups: int = 1,
        *,
        valid: bool = False,
    ) -> torch.Tensor:
        """The convolution of that name; padded to keep the size, or not at all."""
        weight = self.state[f"{self.path}{name}.weight"]
        rows, columns = weight.shape[2:]
        padding = (0, 0) if valid else (rows // 2, columns // 2)
        bias = self.state.get(f"{self.path}{name}.bias")
        return F.conv2d(x, weight, bias, stride, padding, groups=groups)

    def norm(self, name: str, x: torch.Tensor) -> torch.Tensor:
        """The batch norm of that name."""
        mean, var, scale, shift = (
            self.state[f"{self.path}{name}.{kind}"]
            for kind in ("running_mean", "running_var", "weight", "bias")
        )
        return F.batch_norm(x, mean, var, scale, shift, eps=EPS)

    def conv_norm(
        self,
        name: str,
        x: torch.Tensor,
        stride: int | tuple[int, int] = 1,
        groups: int = 1,
        *,
        valid: bool = False,
    ) -> torch.Tensor:
        """Convolution and batch norm."""
        y = self.of(name).conv("conv", x, stride, groups, valid=valid)
        return self.of(name).norm("norm", y)


def bottleneck(
    w: Weights, x: torch.Tensor, stride: int, groups: int, *, projects: bool
) -> torch.Tensor:
    """He et al. 2015, figure 5; the stride on the 3×3, ReLU after the sum."""
    inner = w.of("residual")
    y = F.relu(inner.conv_norm("conv1", x))
    y = F.relu(inner.conv_norm("conv2", y, stride, groups))
    y = inner.conv_norm("conv3", gated(inner, y, F.relu, torch.sigmoid))
    beside = inner.of("shortcut").conv_norm("projection", x, stride) if projects else x
    return F.relu(beside + y)


def gated(w: Weights, y: torch.Tensor, act: object, gate: object) -> torch.Tensor:
    """Squeeze-and-excitation (Hu et al. 2018), where there is one."""
    if f"{w.path}se.reduce.weight" not in w.state:
        return y
    assert callable(act)
    assert callable(gate)
    pooled = y.mean(dim=(2, 3), keepdim=True)
    gates: torch.Tensor = gate(w.conv("se.expand", act(w.conv("se.reduce", pooled))))
    return y * gates


def basic(w: Weights, x: torch.Tensor, stride: int, *, projects: bool) -> torch.Tensor:
    """He et al. 2015, figure 5, left."""
    inner = w.of("residual")
    y = F.relu(inner.conv_norm("conv1", x, stride))
    y = gated(inner, inner.conv_norm("conv2", y), F.relu, torch.sigmoid)
    beside = inner.of("shortcut").conv_norm("projection", x, stride) if projects else x
    return F.relu(beside + y)


def dense(w: Weights, x: torch.Tensor) -> torch.Tensor:
    """Huang et al. 2016, equation 2: what came in, and what is made of it."""
    made = w.of("made")
    y = made.conv("conv1", F.relu(made.norm("norm1", x)))
    y = made.conv("conv2", F.relu(made.norm("norm2", y)))
    return torch.cat([x, y], dim=1)


def transition(w: Weights, x: torch.Tensor) -> torch.Tensor:
    """Huang et al. 2016: 1×1, then the mean of 2×2."""
    return F.avg_pool2d(w.conv("conv", F.relu(w.norm("norm", x))), 2)


def mobilenetv3(w: Weights, x: torch.Tensor, stride: int) -> torch.Tensor:
    """Howard et al. 2019, figure 4: hard-swish, ReLU and hard-sigmoid in the gate."""
    y = F.hardswish(w.conv_norm("expand", x))
    y = F.hardswish(w.conv_norm("depthwise", y, stride, y.shape[1]))
    y = w.conv_norm("project", gated(w, y, F.relu, F.hardsigmoid))
    return x + y if x.shape == y.shape else y


def fused(w: Weights, x: torch.Tensor, stride: int) -> torch.Tensor:
    """Tan & Le 2021, figure 2; without expansion a k×k convolution alone."""
    if f"{w.path}conv.conv.weight" in w.state:
        y = F.relu(w.conv_norm("conv", x, stride))
    else:
        y = F.relu(w.conv_norm("expand", x, stride))
        y = w.conv_norm("project", gated(w, y, F.relu, torch.sigmoid))
    return x + y if x.shape == y.shape else y


def separable(w: Weights, x: torch.Tensor, stride: int) -> torch.Tensor:
    """Howard et al. 2017, table 1."""
    y = F.relu(w.conv_norm("depthwise", x, stride, x.shape[1]))
    return F.relu(w.conv_norm("pointwise", y))


def mean3(x: torch.Tensor, stride: int = 1) -> torch.Tensor:
    """Mean of 3×3; the padding is no part of it."""
    return F.avg_pool2d(x, 3, stride, 1, count_include_pad=False)


def max3(x: torch.Tensor, stride: int = 1) -> torch.Tensor:
    """Maximum of 3×3."""
    return F.max_pool2d(x, 3, stride, 1)


def factorised_reduction(w: Weights, x: torch.Tensor) -> torch.Tensor:
    """Two grids of every second pixel, 1×1 each (slim/nets/nasnet/nasnet_utils.py)."""
    even = x[:, :, ::2, ::2]
    # The second grid begins a pixel further; what lies beyond the edge is zero.
    odd = F.pad(x, (0, 1, 0, 1))[:, :, 1::2, 1::2]
    halves = [w.conv("path0.conv", even), w.conv("path1.conv", odd)]
    return w.norm("concat", torch.cat(halves, dim=1))


def sep(w: Weights, x: torch.Tensor, stride: int = 1) -> torch.Tensor:
    """ReLU, depthwise, pointwise, norm; and again without the stride."""
    for index, step in enumerate((stride, 1)):
        y = w.conv(f"depthwise{index}", F.relu(x), step, x.shape[1])
        x = w.norm(f"norm{index}", w.conv(f"pointwise{index}", y))
    return x


def after_relu(
    w: Weights, x: torch.Tensor, stride: int | tuple[int, int] = 1
) -> torch.Tensor:
    """ReLU, convolution, norm."""
    return w.norm("norm", w.conv("conv", F.relu(x), stride))
