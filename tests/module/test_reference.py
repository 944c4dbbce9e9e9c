"""The built network beside two others: one from the paper, and a well-known one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import assume, given
from torch import nn

import effscale as es
from tests.examples import examples
from tests.module import reference
from tests.strategies import mobiles

if TYPE_CHECKING:
    from effscale.module.measure import Engine

pytestmark = pytest.mark.torch

LAYERS_OF_B0 = (1, 2, 2, 3, 3, 4, 1)  # arXiv:1905.11946v5, table 1
# efficientnet_pytorch 0.7.1, model.py: names of EfficientNet, then of MBConvBlock.
OUTSIDE = {
    "_conv_stem": "stem.conv",
    "_bn0": "stem.norm",
    "_conv_head": "head.conv",
    "_bn1": "head.norm",
    "_fc": "head.classifier",
}
INSIDE = {
    "_expand_conv": "expand.conv",
    "_bn0": "expand.norm",
    "_depthwise_conv": "depthwise.conv",
    "_bn1": "depthwise.norm",
    "_se_reduce": "se.reduce",
    "_se_expand": "se.expand",
    "_project_conv": "project.conv",
    "_bn2": "project.norm",
}


@torch.no_grad()
def randomise(net: nn.Module) -> None:
    """Weights that neither fade nor explode, and a past for every batch norm."""
    for each in net.modules():
        if isinstance(each, nn.Conv2d):
            fan_in = each.weight[0].numel()
            each.weight.normal_(0, (2 / fan_in) ** 0.5)
        elif isinstance(each, nn.BatchNorm2d):
            assert each.running_mean is not None
            assert each.running_var is not None
            each.weight.uniform_(0.5, 1.5)
            each.bias.normal_(0, 0.5)
            each.running_mean.normal_(0, 0.5)
            each.running_var.uniform_(0.5, 1.5)
    for weight in net.parameters():
        if not weight.any():  # a head that starts at zero tells nothing apart
            weight.normal_(0, 0.1)


def assert_same_outputs(
    spec: es.Spec, theirs: nn.Module, state: reference.State, side: int | None = None
) -> None:
    """Equal logits of two random images, by weights copied from theirs to ours."""
    ours = es.build(spec, init=False)
    ours.load_state_dict(dict(state))  # strict: every name of either is of both
    height, width = (side, side) if side else spec.resolution
    shape = (2, int(spec.image_channels), int(height), int(width))
    images = torch.randn(shape, dtype=torch.float64)
    with torch.no_grad():
        expected = theirs.eval().double()(images)
        found = ours.eval().double()(images)
    assert expected.isfinite().all()
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def numbers(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def test_b0_of_the_paper_has_our_layers_figures_and_outputs(b0: es.Spec) -> None:
    torch.manual_seed(0)
    theirs = reference.b0()
    randomise(theirs)
    assert tuple(row.layers for row in theirs.rows) == LAYERS_OF_B0
    assert numbers(theirs) == es.count(b0).params
    state = reference.renamed(theirs.state_dict(), LAYERS_OF_B0)
    # The paper says nothing of padding; this reference has torch's.
    centred = b0.model_copy(update={"padding": "centred"})
    assert_same_outputs(centred, theirs, state, side=64)


@pytest.mark.parametrize("engine", ["fvcore", "torch"])
def test_b0_of_the_paper_measures_what_we_count(b0: es.Spec, engine: Engine) -> None:
    measured = es.measure(reference.b0(), 224, engine=engine)
    counted = es.count(b0)
    assert measured.macs == counted.macs
    assert measured.params == counted.params
    assert measured.activations == counted.activations


@examples(15)
@given(spec=mobiles())
def test_any_small_network_has_the_outputs_of_the_reference(spec: es.Spec) -> None:
    assume(spec.activation in reference.FUNCTIONS)  # none has weights there
    torch.manual_seed(0)
    theirs = reference.of(spec)
    randomise(theirs)
    layers = [row.layers for row in theirs.rows]
    assert_same_outputs(spec, theirs, reference.renamed(theirs.state_dict(), layers))


@pytest.mark.parametrize("side", [64, 65, 50])
def test_b0_has_the_outputs_of_efficientnet_pytorch(b0: es.Spec, side: int) -> None:
    # At 65 pixels every side that meets a stride is odd (65, 33, 17, 9, 5), and padded
    # alike on both sides; at 64 each is even, at 50 some are (50, 25, 13, 7, 4).
    library = pytest.importorskip("efficientnet_pytorch")
    torch.manual_seed(0)
    theirs = library.EfficientNet.from_name("efficientnet-b0", image_size=side)
    randomise(theirs)
    state = reference.renamed(theirs.state_dict(), LAYERS_OF_B0, OUTSIDE, INSIDE)
    assert_same_outputs(b0, theirs, state, side)
