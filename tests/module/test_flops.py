"""The registry's mode beside torch's own mode, and beside torch's own meta kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest
import torch
from hypothesis import given
from torch import nn
from torch.nn import functional as F  # noqa: N812 - its usual name
from torch.utils.flop_counter import FlopCounterMode

import effscale as es
from effscale.module.flops import FlopRegistry
from tests.examples import examples
from tests.strategies import specs

pytestmark = pytest.mark.torch

Function: TypeAlias = Callable[[torch.Tensor], torch.Tensor]


def on_meta(spec: es.Spec) -> tuple[nn.Module, torch.Tensor]:
    height, width = map(int, spec.resolution)
    image = torch.zeros(1, int(spec.image_channels), height, width, device="meta")
    return es.build(spec, device="meta").eval(), image


#: Functions of a (2, 4, 9, 7) feature map.
FUNCTIONS: dict[str, Function] = {
    "conv": nn.Conv2d(4, 6, 3, device="meta"),
    "conv with all": nn.Conv2d(
        4, 6, 3, stride=2, padding=2, dilation=2, groups=2, device="meta"
    ),
    "conv of unequal sides": nn.Conv2d(4, 1, (5, 3), (3, 1), (0, 1), device="meta"),
    "conv as large as the map": nn.Conv2d(4, 1, (9, 7), device="meta"),
    "conv of one image": lambda x: F.conv2d(x[0], x.new_empty(3, 4, 5, 5)),
    "conv of one dimension": lambda x: F.conv1d(x[0].mT, x.new_empty(3, 7, 5)),
    "transposed conv": lambda x: F.conv_transpose2d(
        x, x.new_empty(4, 5, 3, 3), None, 2
    ),
    "batch norm": lambda x: F.batch_norm(x, x.new_empty(4), x.new_empty(4)),
    "batch norm in training": lambda x: F.batch_norm(x, None, None, training=True),
    "layer norm": lambda x: F.layer_norm(x, (7,), x.new_empty(7), x.new_empty(7)),
    "layer norm of channels last": lambda x: F.layer_norm(x.mT, (9,)).mT,
    "layer norm of two dimensions": lambda x: F.layer_norm(x, (9, 7)),
    "product with a gate": lambda x: x * x[:, :, :1, :1].sigmoid(),
    "product with a number": lambda x: 2 * x,
    "product with an imaginary number": lambda x: 1j * x,
    "product of a gate": lambda x: x[:, :, :1, :1] * x,
    "product with a mask": lambda x: (x > 0) * x,
    "quotient of whole numbers": lambda x: (x > 0) / (x > 1),
    "sum in place": lambda x: x.clone().add_(1),
    "gelu": F.gelu,
    "hard swish": F.hardswish,
    "relu6": F.relu6,
    "linear": lambda x: F.linear(x.flatten(1), x.new_empty(5, 252), x.new_empty(5)),
    "linear without bias": lambda x: F.linear(x.flatten(1), x.new_empty(5, 252)),
    "linear of a map": lambda x: F.linear(x, x.new_empty(5, 7), x.new_empty(5)),
    "pool": lambda x: F.adaptive_avg_pool2d(x, 1),
    "mean kept": lambda x: x.mean((-1, 1), keepdim=True),
    "mean not kept": lambda x: x.mean((2, 3)),
    "mean of all": lambda x: x.mean(),
    "mean of all kept": lambda x: x.mean(dim=None, keepdim=True),
    "mean over no dimension kept": lambda x: x.mean(dim=[], keepdim=True),
    "joined": lambda x: torch.cat([x, x[:, :1]], dim=1),
    "joined from behind": lambda x: torch.cat([x, x], dim=-3),
    "average pool": lambda x: F.avg_pool2d(x, 3, 2, 1),
    "average pool rounded up": lambda x: F.avg_pool2d(x, 2, ceil_mode=True),
    "max pool": lambda x: F.max_pool2d(x, 3, 2),
    "max pool of its own stride": lambda x: F.max_pool2d(x, 2),
    "max pool rounded up": lambda x: F.max_pool2d(x, 2, 2, 0, 1, ceil_mode=True),
    "max pool rounded up in padding": lambda x: F.max_pool2d(
        x, 2, 4, 1, ceil_mode=True
    ),
    "max pool by rows": lambda x: F.max_pool2d(x, (3, 1), (2, 1), (1, 0)),
    "max pool dilated": lambda x: F.max_pool2d(x, 3, 1, 1, 2),
    "max pool of an image": lambda x: F.max_pool2d(x[0], 3, 2, 1),
    "upsampling to a size": lambda x: F.interpolate(x, size=(17, 14)),
    "upsampling by a factor": lambda x: F.interpolate(x, scale_factor=2),
    "softmax": lambda x: x.softmax(0),
    "maximum of positions": lambda x: x.amax((2, 3), keepdim=True),
    "concatenation": lambda x: torch.cat([x, x], 1),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_results_are_shaped_as_torch_shapes_them(name: str) -> None:
    x = torch.empty(2, 4, 9, 7, device="meta")
    expected = FUNCTIONS[name](x)
    with FlopRegistry(nn.Identity()):
        found = FUNCTIONS[name](x)
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    assert found.is_meta


@pytest.mark.parametrize(
    "net",
    [
        nn.Conv2d(5, 4, 1),
        nn.Sequential(nn.Conv2d(4, 3, 1), nn.BatchNorm2d(4)),
        nn.Linear(6, 5),
        nn.Conv2d(4, 4, 11),
        nn.LayerNorm(9),
    ],
    ids=["channels", "norm", "features", "kernel", "layer norm"],
)
def test_what_cannot_run_is_refused_as_torch_refuses_it(net: nn.Module) -> None:
    net.eval().to("meta")
    x = torch.empty(2, 4, 9, 7, device="meta")
    with pytest.raises(RuntimeError):
        net(x)
    with pytest.raises(RuntimeError), FlopRegistry(net):
        net(x)


def test_elsewhere_than_on_meta_results_are_torchs(b0: es.Spec) -> None:
    torch.manual_seed(0)
    net, image = es.build(b0).eval(), torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        expected = net(image)
        with FlopRegistry(net) as registry:
            found = net(image)
    assert torch.equal(found, expected)
    small = es.count(b0.model_copy(update={"resolution": (32, 32)}))
    assert sum(registry.flops.values()) == 2 * small.macs


@examples(8)
@given(spec=specs())
def test_the_flops_are_those_of_flop_counter_mode(spec: es.Spec) -> None:
    net, image = on_meta(spec)
    with torch.no_grad():
        with FlopCounterMode(display=False, depth=99) as theirs:
            net(image)
        with FlopRegistry(net) as ours:
            net(image)
    assert sum(ours.flops.values()) == theirs.get_total_flops()
    counts = theirs.get_flop_counts()
    by_operator = {op.__name__: n for op, n in counts.pop("Global").items()}
    assert ours.flops == by_operator
    if "poly" not in spec.blocks:  # of shared convolutions the two name another place
        assert ours.modules == {
            path.removeprefix("Sequential").removeprefix("."): sum(by.values())
            for path, by in counts.items()
        }


def test_torch_itself_counts_twice_the_macs_of_b0(b0: es.Spec) -> None:
    net, image = on_meta(b0)
    with torch.no_grad(), FlopCounterMode(display=False) as theirs:
        net(image)
    assert theirs.get_total_flops() == 2 * es.count(b0).macs


def test_what_has_no_formula_is_listed_with_its_calls() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.SiLU(), nn.SiLU(), nn.MaxPool2d(2))
    with FlopRegistry(net) as registry:
        net.to("meta")(torch.zeros(1, 1, 4, 4, device="meta"))
    assert registry.flops == {"convolution": 32}
    assert registry.free["silu"] == 2
    assert registry.free["max_pool2d_with_indices"] == 1
    assert registry.activations == 16


def test_a_layer_used_twice_counts_twice() -> None:
    shared = nn.Conv2d(2, 2, 1, device="meta")
    net = nn.Sequential(shared, nn.Sequential(shared))
    with FlopRegistry(net) as registry:
        net(torch.zeros(1, 2, 4, 4, device="meta"))
    once = 2 * 2 * 2 * 16
    assert registry.modules == {"": 2 * once, "0": 2 * once, "1": once}


def test_flops_of_no_submodule_are_those_of_the_whole() -> None:
    with FlopRegistry(nn.Identity()) as registry:
        x = torch.zeros(3, 3, device="meta")
        _ = x @ x
    assert registry.modules == {"": 2 * 27}


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt])
def test_no_hook_and_no_mode_stays(error: type[BaseException] | None) -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 1, device="meta"))
    image = torch.zeros(1, 1, 4, 4, device="meta")
    registry = FlopRegistry(net)
    try:
        with registry:
            net(image)
            if error:
                raise error
    except (RuntimeError, KeyboardInterrupt):
        pass
    for each in net.modules():
        assert not getattr(each, "_forward_hooks")  # noqa: B009 - private
        assert not getattr(each, "_forward_pre_hooks")  # noqa: B009
    net(image)
    assert registry.flops == {"convolution": 32}
