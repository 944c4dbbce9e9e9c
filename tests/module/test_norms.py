"""Every norm, and what else is learnt for a channel, beside torch's own functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch.nn import functional as F  # noqa: N812 - its usual name

import effscale as es
from effscale.cost.memory import memory
from effscale.growth.scale import at_resolution
from effscale.module.measure import measure_spec
from effscale.network.network import network
from tests.module.live import peak
from tests.spec.small import lines

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    Weights: TypeAlias = Mapping[str, torch.Tensor]
    Function: TypeAlias = Callable[[torch.Tensor, Weights], torch.Tensor]

pytestmark = pytest.mark.torch


def spec(line: str, **more: str) -> es.Spec:
    stem = "{kernel: 1, channels: 8}"
    return lines(line, stem=stem, head="{}", resolution="7", **more)


def last(
    function: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor
) -> torch.Tensor:
    """A function of channels that are last."""
    return function(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def response(x: torch.Tensor, w: Weights) -> torch.Tensor:
    """Algorithm 1 of Woo et al. 2023."""
    norms = x.pow(2).sum(dim=(2, 3), keepdim=True).sqrt()
    share = norms / (norms.mean(dim=1, keepdim=True) + 1e-6)
    return w["weight"] * (x * share) + w["bias"] + x


BY_HAND: dict[str, Function] = {
    "{block: norm, norm: {kind: layer, eps: 0.1}}": lambda x, w: last(
        lambda y: F.layer_norm(y, (8,), w["weight"], w["bias"], 0.1), x
    ),
    "{block: norm, norm: {kind: rms, eps: 0.1}}": lambda x, w: last(
        lambda y: F.rms_norm(y, (8,), w["weight"].flatten(), 0.1), x
    ),
    "{block: norm, norm: {kind: group, groups: 2}}": lambda x, w: F.group_norm(
        x, 2, w["weight"], w["bias"], 1e-5
    ),
    "{block: norm, norm: {kind: group, group_width: 2}}": lambda x, w: F.group_norm(
        x, 4, w["weight"], w["bias"], 1e-5
    ),
    "{block: norm, norm: {kind: layer, shift: false}}": lambda x, w: last(
        lambda y: F.layer_norm(y, (8,), w["weight"], None, 1e-6), x
    ),
    "{block: norm, norm: {kind: group, groups: 2, shift: false}}": (
        lambda x, w: F.group_norm(x, 2, w["weight"], None, 1e-5)
    ),
    "{block: norm, norm: instance}": lambda x, w: F.group_norm(
        x, 8, w["weight"], w["bias"], 1e-5
    ),
    "{block: layer_scale}": lambda x, w: x * w["weight"].view(8, 1, 1),
    "{block: global_response_norm}": response,
}


@torch.no_grad()
@pytest.mark.parametrize("line", BY_HAND)
def test_a_norm_computes_what_its_paper_says(line: str) -> None:
    net = es.build(spec(line), init=False)
    norm = net.get_submodule("stages.0.0").double().eval()
    weights = dict(norm.named_parameters())
    for each in weights.values():
        each.normal_()
    x = torch.randn(2, 8, 5, 6, dtype=torch.float64)
    torch.testing.assert_close(norm(x), BY_HAND[line](x, weights), rtol=1e-9, atol=0)


@pytest.mark.parametrize("line", BY_HAND)
@pytest.mark.parametrize("engine", ["fvcore", "torch"])
def test_a_norm_is_counted_as_it_is_measured(line: str, engine: str) -> None:
    found = measure_spec(spec(line), "torch" if engine == "torch" else "fvcore")
    counted = es.count(spec(line))
    assert (found.macs, found.params) == (counted.macs, counted.params)


@pytest.mark.parametrize("line", BY_HAND)
def test_a_norm_takes_the_memory_that_torch_shows(line: str) -> None:
    large = at_resolution(spec(line), (64, 64))
    assert memory(network(large)).peak == pytest.approx(peak(large, 1), rel=1e-3)


@pytest.mark.parametrize("name", ["convnext-atto", "convnextv2-atto"])
def test_scales_and_response_norms_train_in_what_torch_shows(name: str) -> None:
    small = at_resolution(es.load(name), (64, 64))
    shown = peak(small, 2, training=True)
    assert memory(network(small), 2).training_peak == pytest.approx(shown, rel=0.02)


@torch.no_grad()
def test_scales_begin_small_and_response_norms_at_nothing() -> None:
    x = torch.randn(1, 8, 4, 4)
    scale = es.build(spec("{block: layer_scale, initial: 0.25}"))
    torch.testing.assert_close(scale.get_submodule("stages.0.0")(x), x / 4)
    response = es.build(spec("{block: global_response_norm}"))
    torch.testing.assert_close(response.get_submodule("stages.0.0")(x), x)


def test_a_network_without_norms_has_biases_in_their_place() -> None:
    line = "{block: mbconv, kernel: 3, stride: 1, expand_ratio: 2, channels: 4,"
    bare = es.build(spec(f"{line} repeats: 1}}", norm="none"), device="meta")
    names = {name for name, _ in bare.get_submodule("stages").named_parameters()}
    kinds = [f"0.0.{c}.conv" for c in ("expand", "depthwise", "project")]
    assert names == {f"{k}.{n}" for k in kinds for n in ("weight", "bias")}


def test_a_norm_of_a_line_is_that_line_s_own() -> None:
    line = "{block: depthwise, kernel: 3, norm: group}"
    line = line.replace("group", "{kind: group, groups: 4}")
    net = es.build(spec(line, norm="layer"), device="meta")
    norms = [each for each in net.modules() if isinstance(each, torch.nn.GroupNorm)]
    assert [(each.num_groups, each.eps) for each in norms] == [(4, 1e-5)]
