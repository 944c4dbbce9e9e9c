"""B0 as it is built: its names, its blocks, its rates."""

from __future__ import annotations

from collections import Counter

import pytest
from torch import nn

import effscale as es
from effscale.module.build import Skipping
from tests.module import reference

pytestmark = pytest.mark.torch

#: Of each stage of blocks; arXiv:1905.11946v5, table 1.
LAYERS = (1, 2, 2, 3, 3, 4, 1)


@pytest.fixture(scope="module")
def net() -> nn.Module:
    """B0 on meta: its structure, without weights."""
    return es.build(es.load("b0"), device="meta")


def blocks(net: nn.Module) -> list[nn.Module]:
    stages = net.get_submodule("stages").children()
    return [block for stage in stages for block in stage.children()]


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("stem.conv.weight", (32, 3, 3, 3)),
        ("stem.norm.running_mean", (32,)),
        ("stages.0.0.depthwise.conv.weight", (32, 1, 3, 3)),
        ("stages.1.0.expand.conv.weight", (96, 16, 1, 1)),
        ("stages.1.0.se.reduce.bias", (4,)),
        ("stages.1.0.se.expand.weight", (96, 4, 1, 1)),
        ("stages.2.0.expand.conv.weight", (144, 24, 1, 1)),
        ("stages.2.0.depthwise.conv.weight", (144, 1, 5, 5)),
        ("stages.2.1.depthwise.norm.weight", (240,)),
        ("stages.6.0.project.conv.weight", (320, 1152, 1, 1)),
        ("head.conv.weight", (1280, 320, 1, 1)),
        ("head.classifier.weight", (1000, 1280)),
        ("head.classifier.bias", (1000,)),
    ],
)
def test_names_say_where(net: nn.Sequential, name: str, shape: tuple[int, ...]) -> None:
    assert net.state_dict()[name].shape == shape


def test_parts_are_children_and_stages_are_numbered(net: nn.Sequential) -> None:
    assert [name for name, _ in net.named_children()] == ["stem", "stages", "head"]
    stages = list(net.get_submodule("stages").named_children())
    assert [name for name, _ in stages] == list("0123456")
    for (_, stage), n in zip(stages, LAYERS, strict=True):
        assert [name for name, _ in stage.named_children()] == list("0123")[:n]


def test_a_block_is_expand_depthwise_se_project(net: nn.Sequential) -> None:
    first, second, *_ = blocks(net)
    without_expand = ["depthwise", "se", "project"]  # the expand ratio of stage 1 is 1
    assert [name for name, _ in first.named_children()] == without_expand
    assert [name for name, _ in second.named_children()] == ["expand", *without_expand]


def test_a_block_skips_where_nothing_changes(net: nn.Sequential) -> None:
    skips = [isinstance(block, Skipping) for block in blocks(net)]
    # The first block of each stage has a stride or another width.
    assert skips == [k > 0 for n in LAYERS for k in range(n)]


def test_norms_and_activations_are_those_of_the_spec(net: nn.Sequential) -> None:
    # tpu/models/official/efficientnet/efficientnet_builder.py: batch_norm_epsilon=1e-3,
    # batch_norm_momentum=0.99, which torch calls 0.01; swish everywhere.
    norms = [each for each in net.modules() if isinstance(each, nn.BatchNorm2d)]
    assert {(each.eps, each.momentum) for each in norms} == {(1e-3, 0.01)}
    leaves = Counter(type(m) for m in net.modules() if not list(m.children()))
    blocks = sum(LAYERS)
    assert leaves == {
        nn.Conv2d: 1 + 5 * blocks - 1 + 1,  # the first block does not expand
        nn.BatchNorm2d: 1 + 3 * blocks - 1 + 1,
        nn.SiLU: 1 + 3 * blocks - 1 + 1,  # expand, depthwise, squeezed; not project
        nn.Sigmoid: blocks,
        nn.AdaptiveAvgPool2d: blocks + 1,
        nn.Flatten: 1,
        nn.Dropout: 1,
        nn.Linear: 1,
    }


def test_no_two_layers_share_weights(net: nn.Sequential) -> None:
    parameters = {id(each) for each in net.parameters()}
    assert len(parameters) == len(list(reference.b0().parameters()))


def test_stochastic_depth_grows_block_by_block_over_the_whole_net(
    net: nn.Sequential,
) -> None:
    # tpu/models/official/efficientnet/efficientnet_model.py: drop_connect is
    # 1 − survival_prob times idx / len(blocks), in MBConvBlock only where x is added.
    rates = {i: b.rate for i, b in enumerate(blocks(net)) if isinstance(b, Skipping)}
    expected = {i: 0.2 * i / 16 for i in (2, 4, 6, 7, 9, 10, 12, 13, 14)}
    assert rates == pytest.approx(expected, abs=0, rel=1e-12)


def test_the_first_block_is_never_dropped(b0: es.Spec) -> None:
    conv = b0.stem[0].model_copy(update={"channels": 16})  # as wide as the first block
    net = es.build(b0.model_copy(update={"stem": (conv,)}), device="meta")
    first, *_ = blocks(net)
    assert isinstance(first, Skipping)
    assert first.rate == 0


def test_a_skip_prints_its_rate(net: nn.Sequential) -> None:
    assert blocks(net)[1].extra_repr() == ""
    assert blocks(net)[2].extra_repr() == "rate=0.025"
