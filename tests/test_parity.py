"""What other tools print of a built network is what effscale says that they print.

Those that are installed are run: the extra `parity` has them all.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import pytest
import torch
from torch import nn

import effscale as es
from effscale.cost.conventions import VERSIONS, conventions
from effscale.growth.scale import at_resolution
from effscale.network.network import network
from effscale.spec.norm import Norm

if TYPE_CHECKING:
    from effscale.choices import Tool

pytestmark = [pytest.mark.torch, pytest.mark.slow]

Print: TypeAlias = Callable[[nn.Module, torch.Tensor], int]
SIDE = 75  # odd on the way


def fvcore(net: nn.Module, image: torch.Tensor) -> int:
    from fvcore.nn import FlopCountAnalysis

    counted = FlopCountAnalysis(net, image)
    return int(counted.unsupported_ops_warnings(enabled=False).total())


def flop_counter(net: nn.Module, image: torch.Tensor) -> int:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        net(image)
    return int(counter.get_total_flops())


def torchinfo(net: nn.Module, image: torch.Tensor) -> int:
    from torchinfo import summary

    return int(summary(net, input_data=image, verbose=0).total_mult_adds)


def ptflops(net: nn.Module, image: torch.Tensor) -> int:
    from ptflops import get_model_complexity_info as info

    shape = tuple(image.shape[1:])
    found, _ = info(net, shape, as_strings=False, print_per_layer_stat=False)
    return int(found)


def thop(net: nn.Module, image: torch.Tensor) -> int:
    from thop import profile

    return int(profile(net, (image,), verbose=False)[0])


def calflops(net: nn.Module, image: torch.Tensor) -> int:
    from calflops import calculate_flops

    flops, _, _ = calculate_flops(
        net, tuple(image.shape), print_results=False, output_as_string=False
    )
    return int(flops)


PRINTED: dict[Tool, Print] = {
    "fvcore": fvcore,
    "torch": flop_counter,
    "torchinfo": torchinfo,
    "ptflops": ptflops,
    "thop": thop,
    "calflops": calflops,
}


def test_every_tool_is_run() -> None:
    assert set(PRINTED) == set(VERSIONS)


#: What built-in networks of a size for tests lack: layers that are shared, pooling of
#: either kind, GELU, ReLU6, biases, scaled residuals.
SAMPLER = """
name: sampler
resolution: 32
activation: gelu
stem: [{channels: 4, kernel: 3, bias: true}, {block: max_pool, kernel: 3, stride: 2}]
blocks:
  mixed:
    - {block: residual, scale: 0.5, layers: [{channels: 4, kernel: 3, norm: false}]}
    - block: concat
      branches:
        - - {block: avg_pool, kernel: 3, stride: 1}
          - {channels: 2, kernel: 1, activation: relu6}
        - [{channels: 4, kernel: 3, shared: f}, {channels: 4, kernel: 3, shared: f}]
        - [{channels: 4, kernel: 3, shared: f, activation: relu}]
stages:
  - {block: mixed}
  - {block: conv, kernel: 3, stride: 2, channels: 8}
head: {channels: 12, hidden: 8, classes: 5}
"""


#: Those of a layer norm in place of batch norm are of the name behind the word.
NAMES = (
    *("b0", "resnet18", "mobilenetv3-small", "sampler", "d0", "nas-fpn-r50"),
    *("layer resnet18", "layer b0", "layer sampler", "layer d0"),
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("tool", PRINTED)
def test_tools_print_what_we_say(name: str, tool: Tool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs, at import and in running
        try:
            importlib.import_module(tool)
        except ImportError:
            pytest.skip(f"{tool} is not installed")
        kind, _, of = name.rpartition(" ")
        spec = es.loads(SAMPLER) if of == "sampler" else es.load(of)
        if kind == "layer":
            spec = spec.model_copy(update={"norm": Norm(kind="layer")})
        spec = at_resolution(spec, (SIDE, SIDE + 2))
        net = es.build(spec, init=False).eval()
        image = torch.zeros(1, 3, SIDE, SIDE + 2)
        with torch.no_grad(), contextlib.redirect_stdout(io.StringIO()):
            printed = PRINTED[tool](net, image)
    assert printed == conventions(network(spec))[tool]
