"""EfficientDet once more, from its paper and code alone, in functions of torch.

A backbone of four strided convolutions, a BiFPN of P2 to P6 in two cells, heads of two
repeats, as automl/efficientdet/efficientdet_arch.py has them. It shares no code with
effscale; the names are those that it gives its weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F  # noqa: N812 - its usual name

from tests.module.plain import Weights

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Maps = Sequence[torch.Tensor]


def run(
    state: Mapping[str, torch.Tensor], x: torch.Tensor, fusion: str
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Class logits and boxes, lowest level first."""
    w = Weights(state)
    maps = []
    for block in ("stem", "stages.0.0", "stages.1.0", "stages.2.0"):
        x = F.silu(w.of(block).norm("norm", w.of(block).conv("conv", x, 2)))
        maps.append(x)
    p2, p3, p4 = maps[1:]
    # efficientdet_arch.py:368-387: 1×1, then a maximum of 3×3; above, the maximum alone
    p5 = half(fitted(w, "neck.levels.p5", p4))
    levels: Maps = (p2, p3, p4, p5, half(p5))
    for cell in ("neck.0", "neck.1"):
        levels = bifpn(w.of(cell), levels, fusion)
    return head(w.of("class_head"), levels), head(w.of("box_head"), levels)


def fitted(w: Weights, place: str, x: torch.Tensor) -> torch.Tensor:
    """1×1 with bias and batch norm, where there is one."""
    inner = w.of(place).of("lateral")
    if f"{inner.path}conv.weight" not in w.state:
        return x
    return inner.norm("norm", inner.conv("conv", x))


def half(x: torch.Tensor) -> torch.Tensor:
    """The maximum of every second 3×3."""
    return F.max_pool2d(x, 3, 2, 1)


def like(x: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Nearest neighbours at the size of another map."""
    rows, columns = (
        torch.arange(n) * side // n
        for n, side in zip(other.shape[2:], x.shape[2:], strict=True)
    )
    return x[:, :, rows][:, :, :, columns]


def bifpn(w: Weights, levels: Maps, fusion: str) -> Maps:
    """A cell, node by node (tf2/fpn_configs.py:24-72); P3 is as wide as the neck."""
    p2, p3, p4, p5, p6 = levels

    def own(node: str, name: str, x: torch.Tensor) -> torch.Tensor:
        return fitted(w, f"{node}_lateral_{name}", x)

    def node(name: str, *maps: torch.Tensor) -> torch.Tensor:
        inner = w.of(name)
        x = F.silu(fuse(inner, maps, fusion))
        x = inner.conv("1.conv", x, groups=x.shape[1])
        return inner.norm("2.norm", inner.conv("2.conv", x))

    t5 = node("p5_td", own("p5_td", "p5", p5), like(p6, p5))
    t4 = node("p4_td", own("p4_td", "p4", p4), like(t5, p4))
    t3 = node("p3_td", own("p3_td", "p3", p3), like(t4, p3))
    o2 = node("p2_out", own("p2_out", "p2", p2), like(t3, p2))
    o3 = node("p3_out", own("p3_out", "p3", p3), t3, half(o2))
    o4 = node("p4_out", own("p4_out", "p4", p4), t4, half(o3))
    o5 = node("p5_out", own("p5_out", "p5", p5), t5, half(o4))
    return o2, o3, o4, o5, node("p6_out", p6, half(o5))


def fuse(w: Weights, maps: Maps, fusion: str) -> torch.Tensor:
    """Σ w·x (efficientdet_arch.py:418-475)."""
    weights = torch.ones(len(maps), dtype=maps[0].dtype)
    if fusion != "sum":
        weights = w.state[f"{w.path}fuse.weights"].flatten()
    if fusion == "softmax":
        weights = weights.exp() / weights.exp().sum()
    elif fusion == "fast":
        weights = F.relu(weights) / (F.relu(weights).sum() + 1e-4)
    return torch.einsum("k,knchw->nchw", weights, torch.stack([*maps]))


def head(w: Weights, levels: Maps) -> list[torch.Tensor]:
    """Separable convolutions of all levels, a batch norm of each (:136-249)."""
    found = []
    for level, x in enumerate(levels, 2):
        for repeat in ("0", "1"):
            inner = w.of(repeat)
            x = inner.conv("0.conv.shared", x, groups=x.shape[1])  # noqa: PLW2901
            x = inner.conv("1.conv.shared", x)  # noqa: PLW2901
            x = F.silu(inner.norm(f"1.norm.p{level}", x))  # noqa: PLW2901
        last = w.of("predict")
        x = last.conv("0.conv.shared", x, groups=x.shape[1])  # noqa: PLW2901
        found.append(last.conv("1.conv.shared", x))
    return found
