"""Weights of a network as it is shipped, made of those that it was trained with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from effscale.module.build import Wired, build, built
from effscale.module.mapping import load_weights
from effscale.module.operators import Times
from effscale.network.deployed import deployed
from effscale.network.network import network

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.module.mapping import Given
    from effscale.spec.models import Spec


def weighed(spec: Spec, seed: int, weights: Given | None = None) -> nn.Module:
    """The network of `spec` with weights drawn by a seed, or those that are given.

    Both are of what is trained, and folded where the spec is of what is shipped.

    Raises:
        WeightsError: if the weights cannot be read, or are another network's.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trained = spec.model_copy(update={"deployed": False})
        module = build(trained, init=weights is None)
    if weights is not None:
        load_weights(module, weights)
    return deploy(spec, module) if spec.deployed else module


@torch.no_grad()
def deploy(spec: Spec, trained: nn.Module) -> nn.Module:
    """The network of `spec` as it is shipped, which gives what `trained` does.

    `trained` is built of the same spec; norms go by their running statistics.
    """
    shipped = built(deployed(network(spec)), init=False)
    tensor = next(trained.parameters())
    shipped.to(device=tensor.device, dtype=tensor.dtype)
    given = trained.state_dict()
    for name, own in shipped.state_dict().items():
        if name in given:
            own.copy_(given[name])
    for path, conv in shipped.named_modules():
        if isinstance(conv, nn.Conv2d):
            _fill(conv, _made_of(trained, shipped, path))
    return shipped.train(trained.training)


def _made_of(trained: nn.Module, shipped: nn.Module, path: str) -> list[nn.Module]:
    """What a convolution is of: its own, and the norm behind it that is gone."""
    above, _, name = path.rpartition(".")
    before = trained.get_submodule(above)._modules  # noqa: SLF001 - in their order
    kept = shipped.get_submodule(above)._modules  # noqa: SLF001
    names = [*before]
    found = [trained.get_submodule(path)]
    for after in names[names.index(name) + 1 :][:1]:
        norm = before[after]
        if isinstance(norm, nn.BatchNorm2d) and after not in kept:
            found.append(norm)
    return found


def _fill(conv: nn.Conv2d, layers: Sequence[nn.Module]) -> None:
    """Give a convolution the weights by which it does what layers in a row do."""
    weight, bias = _linear(layers, conv)
    conv.weight.copy_(weight)
    if conv.bias is not None:
        conv.bias.copy_(bias)


def _linear(
    layers: Sequence[nn.Module], like: nn.Conv2d
) -> tuple[torch.Tensor, torch.Tensor]:
    """Kernel and bias, as large as another's, of layers in a row."""
    weight, bias = _unchanged(like), like.weight.new_zeros(like.out_channels)
    for layer in layers:
        match layer:
            case nn.Conv2d():
                weight, bias = _padded(layer.weight, like), bias * 0
                if layer.bias is not None:
                    bias = layer.bias
            case nn.BatchNorm2d():
                assert layer.running_var is not None  # noqa: S101 - as it is built
                assert layer.running_mean is not None  # noqa: S101
                scale = layer.weight / (layer.running_var + layer.eps).sqrt()
                weight = weight * scale.view(-1, 1, 1, 1)
                bias = (bias - layer.running_mean) * scale + layer.bias
            case Times():
                weight, bias = weight * layer.by, bias * layer.by
            case Wired():
                weight, bias = _added(layer, like)
            case _:
                children = [*layer.children()]
                if children:
                    weight, bias = _linear(children, like)
    return weight, bias


def _added(graph: Wired, like: nn.Conv2d) -> tuple[torch.Tensor, torch.Tensor]:
    """Kernel and bias of branches that are added."""
    names = [graph.called[node.name] for node in graph.graph.nodes[:-1]]
    found = [_linear([graph.get_submodule(name)], like) for name in names]
    weights, biases = zip(*found, strict=True)
    return torch.stack(weights).sum(dim=0), torch.stack(biases).sum(dim=0)


def _padded(weight: torch.Tensor, like: nn.Conv2d) -> torch.Tensor:
    """A kernel with zeros around it, as large as another's."""
    sides = zip(like.weight.shape[2:], weight.shape[2:], strict=True)
    rows, columns = ((full - own) // 2 for full, own in sides)
    return nn.functional.pad(weight, (columns, columns, rows, rows))


def _unchanged(like: nn.Conv2d) -> torch.Tensor:
    """The kernel that hands on what comes in, where it can."""
    found = torch.zeros_like(like.weight)
    if like.in_channels == like.out_channels:
        width = like.weight.shape[1]
        rows, columns = (side // 2 for side in like.kernel_size)
        for channel in range(like.out_channels):
            found[channel, channel % width, rows, columns] = 1
    return found
