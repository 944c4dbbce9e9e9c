"""Gradient descent with Nesterov momentum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.optim.sgd import sgd

if TYPE_CHECKING:
    from effscale.module.train.recipe import Recipe


class Descent:
    """What moves a network's weights; those of batch norm do not decay.

    (torch's optimizers import torch._dynamo, a second before the first step; the
    function that they call does not.)
    """

    def __init__(self, net: nn.Module, recipe: Recipe) -> None:
        norms = [each for each in net.modules() if isinstance(each, nn.BatchNorm2d)]
        free = {id(parameter) for each in norms for parameter in each.parameters()}
        parameters = list(net.parameters())
        self._groups = (
            (
                [each for each in parameters if id(each) not in free],
                recipe.weight_decay,
            ),
            ([each for each in parameters if id(each) in free], 0.0),
        )
        self._recipe = recipe
        self.momenta = [
            [torch.zeros_like(each) for each in group] for group, _ in self._groups
        ]

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Move the weights against their gradients, and forget these."""
        for (group, decay), momenta in zip(self._groups, self.momenta, strict=True):
            used = [k for k, each in enumerate(group) if each.grad is not None]
            sgd(
                [group[k] for k in used],
                [each.grad for each in group if each.grad is not None],
                [momenta[k] for k in used],
                weight_decay=decay,
                momentum=self._recipe.momentum,
                lr=rate,
                dampening=0,
                nesterov=True,
                maximize=False,
                foreach=True,
            )
            for each in group:
                each.grad = None

    @torch.no_grad()
    def load(self, momenta: list[list[torch.Tensor]]) -> None:
        """Take up the momenta of another."""
        for mine, theirs in zip(self.momenta, momenta, strict=True):
            for ours, other in zip(mine, theirs, strict=True):
                ours.copy_(other)
