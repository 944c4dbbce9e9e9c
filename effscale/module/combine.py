"""Modules that combine others: gates, residuals, graphs; and those that torch lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from effscale.network.layers import Graph, Merge


class Gated(nn.Sequential):
    """x · f(x), f being the children in order."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to the same shape; f(x) is (N, C, 1, 1)."""
        y: torch.Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return x * y


class Skipping(nn.Module):
    """shortcut(x) + scale · f(x), f being the other children in order.

    In training f is dropped at `rate`, stochastic depth (Huang et al. 2016) by image:
    what stays is scaled by 1/(1 − rate).
    """

    rate: float = 0.0

    def __init__(
        self, layers: dict[str, nn.Module], shortcut: nn.Module | None, scale: float
    ) -> None:
        super().__init__()
        self.scale, self.order = scale, tuple(layers)
        for name, layer in layers.items():
            self.add_module(name, layer)
        if shortcut is not None:
            self.add_module("shortcut", shortcut)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to what both branches make of it."""
        y = x
        for name in self.order:
            y = self.get_submodule(name)(y)
        if self.scale != 1:
            y = y * self.scale
        if self.training and self.rate > 0:
            keep = y.new_empty(y.shape[0], 1, 1, 1).bernoulli_(1 - self.rate)
            y = y * keep.div_(1 - self.rate)
        beside = self._modules.get("shortcut")
        return (x if beside is None else beside(x)) + y

    def extra_repr(self) -> str:
        """The rate, and the scale where there is one."""
        scale = "" if self.scale == 1 else f", scale={self.scale}"
        return f"rate={self.rate:.3f}{scale}"


class Wired(nn.Module):
    """A graph of modules, one a node; takes and gives a feature map or a tuple."""

    def __init__(self, graph: Graph, nodes: dict[str, nn.Module]) -> None:
        super().__init__()
        self.graph, self.called = graph, dict[str, str]()
        for name, node in nodes.items():
            self.called[name] = name
            while hasattr(self, self.called[name]):  # `half`, which all modules have
                self.called[name] += "_"
            self.add_module(self.called[name], node)

    def forward(
        self, x: torch.Tensor | tuple[torch.Tensor, ...]
    ) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """Each node on what it reads, summed or concatenated."""
        maps: list[Any] = [x] if isinstance(x, torch.Tensor) else list(x)
        for node in self.graph.nodes:
            read = [maps[k] for k in node.reads]
            layer = self._modules.get(self.called.get(node.name, ""))
            merged = _merged(read, node.merge)
            maps.append(merged if layer is None else layer(merged))
        outputs = tuple(maps[k] for k in self.graph.outputs)
        return outputs[0] if len(outputs) == 1 else outputs


def _merged(
    read: list[torch.Tensor], merge: Merge
) -> torch.Tensor | tuple[torch.Tensor, ...]:
    if merge == "apart":
        return tuple(read)
    if merge == "concat" and len(read) > 1:
        return torch.cat(read, dim=1)
    total = read[0]
    for each in read[1:]:
        total = total + each
    return total


class Shifted(nn.Module):
    """The feature map moved up and left by a position, zeros moved in."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to the same shape."""
        return functional.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
