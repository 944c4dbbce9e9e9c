"""Modules of several feature maps: what detectors fuse and share between levels."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from effscale.network.layers import Network
    from effscale.network.leaves import Fuse

Maps = tuple[torch.Tensor, ...]
#: Keeps the fast fusion from a division by zero (Tan, Pang & Le 2020, section 3.3).
EPSILON = 1e-4


class Detections(NamedTuple):
    """What a detector puts out, by level, lowest first.

    Of A anchors at each position: class logits (N, A·classes, height, width), and boxes
    (N, A·4, height, width) relative to the anchors (`effscale.anchors`).
    """

    classes: Maps
    boxes: Maps


class Shared(nn.Module):
    """One module on each of several feature maps, with the same weights."""

    def __init__(self, shared: nn.Module) -> None:
        super().__init__()
        self.shared = shared

    def forward(self, maps: Maps) -> Maps:
        """Each (N, C, H, W) to what the module makes of it."""
        return tuple(self.shared(each) for each in maps)


class Fused(nn.Module):
    """Σ wᵢ·xᵢ of feature maps of one shape, by weights that are learnt."""

    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self.kind = fuse.kind
        shape = (fuse.inputs, 1 if fuse.channels is None else int(fuse.channels), 1, 1)
        self.weights = nn.Parameter(torch.ones(shape))

    def forward(self, maps: Maps) -> torch.Tensor:
        """Several (N, C, H, W) to one."""
        weights: torch.Tensor = self.weights
        if self.kind == "softmax":
            weights = weights.softmax(dim=0)
        elif self.kind == "fast":
            weights = weights.relu()
            weights = weights / (weights.sum(dim=0) + EPSILON)
        total = maps[0] * weights[0]
        for weight, each in zip(weights[1:], maps[1:], strict=True):
            total = total + each * weight
        return total

    def extra_repr(self) -> str:
        """The kind, and how many maps."""
        return f"{self.kind}, {len(self.weights)}"


class Attended(nn.Module):
    """a + b · sigmoid(max(a)), the maximum over all positions (Ghiasi et al. 2019)."""

    def forward(self, maps: Maps) -> torch.Tensor:
        """Two (N, C, H, W) to one."""
        a, b = maps
        return a + b * a.amax(dim=(2, 3), keepdim=True).sigmoid()


class Resized(nn.Module):
    """The first of two feature maps at the size of the second, nearest neighbours."""

    def forward(self, maps: Maps) -> torch.Tensor:
        """(N, C, h, w) and (N, _, H, W) to (N, C, H, W)."""
        x, like = maps
        return functional.interpolate(x, size=like.shape[2:], mode="nearest")


class Detector(nn.Module):
    """Backbone (`stem`, `stages`), `neck`, `class_head` and `box_head`."""

    def __init__(self, net: Network, children: dict[str, nn.Module]) -> None:
        super().__init__()
        self.net = net
        for name, child in children.items():
            self.add_module(name, child)

    def forward(self, images: torch.Tensor) -> Detections:
        """(N, image channels, height, width) to class logits and boxes by level."""
        done: list[torch.Tensor | Maps] = []
        for index, part in enumerate(self.net.parts):
            read = [done[each] for each in self.net.sources(index)] or [images]
            several = tuple(_newest(each) for each in read)
            taken = several if len(several) > 1 else read[0]
            done.append(self.get_submodule(part.path)(taken))
        classes, boxes = done[-2:]
        return Detections((*classes,), (*boxes,))


def _newest(flow: torch.Tensor | Maps) -> torch.Tensor:
    """The map that a part puts out; cells hand on that before it as well."""
    return flow if isinstance(flow, torch.Tensor) else flow[0]
