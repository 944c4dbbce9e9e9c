"""What networks put out, one tensor or several: taken apart, and named."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import keystr, tree_flatten_with_path, tree_leaves


def named(output: Any) -> dict[str, torch.Tensor]:  # noqa: ANN401 - whatever it gives
    """The tensors of an output: `output`, or by where they are, `boxes_0`."""
    leaves, _ = tree_flatten_with_path(output)
    if len(leaves) == 1:
        return {"output": leaves[0][1]}
    names = [re.sub(r"\W+", "_", keystr(path)).strip("_") for path, _ in leaves]
    return {
        f"output_{name}" if name.isdecimal() else name: leaf
        for name, (_, leaf) in zip(names, leaves, strict=True)
    }


class Leaves(nn.Module):
    """A module whose outputs are one tensor, or a tuple of tensors: all they hold."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.network = module

    def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """What the module gives, without lists or names in it."""
        leaves = tuple(tree_leaves(self.network(x)))
        return leaves[0] if len(leaves) == 1 else leaves
