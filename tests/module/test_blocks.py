"""Every block as torch computes it, beside the same by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch.nn import functional as F  # noqa: N812 - its usual name

import effscale as es
from tests.module import plain
from tests.module.plain import Weights
from tests.module.test_reference import randomise
from tests.spec.small import lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

pytestmark = pytest.mark.torch

Given = tuple[torch.Tensor, Weights]


def given(*stages: str, side: int = 9, **more: str) -> tuple[nn.Module, Given]:
    """Random stages of a network of 8 channels and ReLU, an image and the weights."""
    torch.manual_seed(0)
    more = {"stem": "{kernel: 1, channels: 8}", "head": "{}", **more}
    spec = lines(*stages, activation="relu", resolution=str(side), **more)
    net = es.build(spec, init=False)
    randomise(net)
    stage = net.get_submodule("stages").double().eval()
    x = torch.randn(2, 8, side, side + 3, dtype=torch.float64)
    return stage, (x, Weights(stage.state_dict()))


def assert_same(found: Any, expected: torch.Tensor) -> None:  # noqa: ANN401
    assert expected.isfinite().all()
    assert expected.abs().sum() > 0
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@torch.no_grad()
def check(
    made: tuple[nn.Module, Given],
    by_hand: Callable[[Weights, torch.Tensor], torch.Tensor],
) -> None:
    """What the stages give is what is made by hand of their weights."""
    stages, (x, weights) = made
    assert_same(stages(x), by_hand(weights, x))


@pytest.mark.parametrize("side", [8, 9])
@pytest.mark.parametrize("squeeze", ["", ", se_ratio: 0.25"])
def test_bottlenecks(side: int, squeeze: str) -> None:
    line = "stride: 2, channels: 16, c_mid: 12, group_width: 4, repeats: 2"
    made = given(f"{{block: bottleneck, {line}{squeeze}}}", side=side)

    def by_hand(w: Weights, x: torch.Tensor) -> torch.Tensor:
        y = plain.bottleneck(w.of("0.0"), x, 2, 3, projects=True)
        return plain.bottleneck(w.of("0.1"), y, 1, 3, projects=False)

    check(made, by_hand)


def test_a_bottleneck_s_squeeze_may_be_of_its_output_and_its_shortcut_3x3() -> None:
    # SE-ResNet (Hu et al. 2018, figure 3); SENet-154's downsampling is 3×3
    line = "stride: 2, channels: 16, c_mid: 8, shortcut_kernel: 3, se_ratio: 0.25"
    made = given(
        f"{{block: bottleneck, {line}, reduce_ratio: 0.5, repeats: 1}}",
        squeeze_excite="{of: gated, at: output}",
    )

    def by_hand(w: Weights, x: torch.Tensor) -> torch.Tensor:
        w = w.of("0.0.residual")
        y = F.relu(w.conv_norm("conv2", F.relu(w.conv_norm("conv1", x)), 2))
        assert y.shape[1] == 8
        y = plain.gated(w, w.conv_norm("conv3", y), F.relu, torch.sigmoid)
        return F.relu(y + w.of("shortcut").conv_norm("projection", x, 2))

    check(made, by_hand)


def test_basic_blocks() -> None:
    made = given(
        "{block: basic, kernel: 3, stride: 1, channels: 8, repeats: 1, se_ratio: 0.5}",
        "{block: basic, kernel: 3, stride: 2, channels: 8, repeats: 2}",
    )

    def by_hand(w: Weights, x: torch.Tensor) -> torch.Tensor:
        y = plain.basic(w.of("0.0"), x, 1, projects=False)
        y = plain.basic(w.of("1.0"), y, 2, projects=True)
        return plain.basic(w.of("1.1"), y, 1, projects=False)

    check(made, by_hand)


@pytest.mark.parametrize("side", [8, 9])
def test_dense_blocks_and_a_transition(side: int) -> None:
    made = given(
        "{block: dense, growth: 4, repeats: 3}", "{block: transition}", side=side
    )

    def by_hand(w: Weights, x: torch.Tensor) -> torch.Tensor:
        for index in range(3):
            x = plain.dense(w.of(f"0.{index}"), x)
        return plain.transition(w.of("1.0"), x)

    check(made, by_hand)


def test_mobilenetv3_s_blocks() -> None:
    line = "kernel: 5, stride: 2, c_mid: [24, 40], channels: 16, repeats: 2"
    made = given(
        f"{{block: mbconv, {line}, se_ratio: 0.25, activation: hard_swish}}",
        squeeze_excite=(
            "{of: gated, divisor: 8, activation: relu, gate: hard_sigmoid}"
        ),
    )

    def by_hand(w: Weights, x: torch.Tensor) -> torch.Tensor:
        assert w.state["0.0.se.reduce.weight"].shape[:2] == (8, 24)
        assert w.state["0.1.se.reduce.weight"].shape[:2] == (16, 40)
        y = plain.mobilenetv3(w.of("0.0"), x, 2)
        skipping = plain.mobilenetv3(w.of("0.1"), y, 1)
        assert skipping.shape == y.shape
        return skipping

    check(made, by_hand)


@pytest.mark.parametrize("squeeze", ["", ", se_ratio: 0.25"])
def test_fused_blocks(squeeze: str) -> None:
    base = "{block: fused_mbconv, kernel: 3, channels: 8, repeats: 1"
    made = given(
        f"{base}, stride: 1, expand_ratio: 1}}",
        f"{base}, stride: 1, expand_ratio: 4{squeeze}}}",
        f"{base}, stride: 2, expand_ratio: 4{squeeze}}}",
    )

    def by_hand(w: Weights, x: torch.Tensor) -> torch.Tensor:
        for index, stride in enumerate((1, 1, 2)):
            x = plain.fused(w.of(f"{index}.0"), x, stride)
        return x

    check(made, by_hand)


def test_separable_blocks() -> None:
    made = given(
        "{block: separable, kernel: 3, stride: 2, channels: 12, repeats: 1}",
        "{block: separable, kernel: 5, stride: 1, channels: 12, repeats: 1}",
    )

    def by_hand(w: Weights, x: torch.Tensor) -> torch.Tensor:
        y = plain.separable(w.of("0.0"), x, 2)
        return plain.separable(w.of("1.0"), y, 1)

    check(made, by_hand)


@pytest.mark.parametrize("side", [8, 9])
def test_inception_s_branches(side: int) -> None:
    # Szegedy et al. 2015, figures 7 and 10, of few channels
    made = given(
        "{block: mixed}",
        "{block: reduced}",
        side=side,
        blocks="""{mixed: [{block: concat, branches: [
            [{kernel: 1, channels: 4}],
            [{kernel: 1, channels: 4}, {block: concat, branches: [
                [{kernel: [1, 3], channels: 5}], [{kernel: [3, 1], channels: 6}]]}],
            [{block: avg_pool, kernel: 3}, {kernel: 1, channels: 4}]]}],
          reduced: [{block: concat, branches: [
            [{kernel: 3, stride: 2, padding: valid, channels: 4}],
            [{block: max_pool, kernel: 3, stride: 2, padding: valid}]]}]}""",
    )

    def by_hand(w: Weights, x: torch.Tensor) -> torch.Tensor:
        mixed = w.of("0.0.0")
        inner = F.relu(mixed.conv_norm("branch1.0", x))
        split = mixed.of("branch1.1")
        x = torch.cat(
            [
                F.relu(mixed.conv_norm("branch0", x)),
                F.relu(split.conv_norm("branch0", inner)),
                F.relu(split.conv_norm("branch1", inner)),
                F.relu(mixed.conv_norm("branch2.1", plain.mean3(x))),
            ],
            dim=1,
        )
        y = F.relu(w.of("1.0.0").conv_norm("branch0", x, 2, valid=True))
        return torch.cat([y, F.max_pool2d(x, 3, 2)], dim=1)

    check(made, by_hand)


def test_polynet_s_poly_3_shares_its_weights() -> None:
    # Zhang et al. 2016, figure 4: I + F + F·F, one F; batch norms are each use's own
    made = given(
        "{block: poly, repeats: 2}",
        blocks="""{poly: [
            {block: residual, scale: 0.3, layers: [{block: sum, branches: [
                [{kernel: 3, shared: f}],
                [{kernel: 3, shared: f}, {kernel: 3, shared: f}]]}]},
            {block: activation}]}""",
    )

    def by_hand(w: Weights, x: torch.Tensor) -> torch.Tensor:
        for index in range(2):
            inner = w.of(f"0.{index}.0.0")
            once = F.relu(inner.conv_norm("branch0", x))
            twice = F.relu(inner.conv_norm("branch1.0", x))
            twice = F.relu(inner.conv_norm("branch1.1", twice))
            x = F.relu(x + 0.3 * (once + twice))
        return x

    check(made, by_hand)
    first, second = (
        {
            made[0].get_submodule(f"0.{index}.0.0.{name}").conv
            for name in ("branch0", "branch1.0", "branch1.1")
        }
        for index in range(2)
    )
    assert len(first) == len(second) == 1
    assert first != second


CELLS = """{normal: {nodes: [[[sep_5x5, 1], [sep_3x3, 0]],
                            [[avg_pool_3x3, 0], [identity, 1]]], concat: [1, 2, 3]},
            halving: {nodes: [[[sep_7x7, 1], [conv_1x7_7x1, 0]],
                             [[max_pool_3x3, 0], [identity, 2]],
                             [[conv_3x3, 1], [identity, 0]]], concat: [0, 3, 4]}}"""


def normal(w: Weights, state0: torch.Tensor, state1: torch.Tensor) -> torch.Tensor:
    """Two of the five nodes of NASNet-A's normal cell."""
    node2 = plain.sep(w.of("state2_0"), state1) + plain.sep(w.of("state2_1"), state0)
    return torch.cat([state1, node2, plain.mean3(state0) + state1], dim=1)


def halving(w: Weights, state0: torch.Tensor, state1: torch.Tensor) -> torch.Tensor:
    """A reduction cell that puts out its own input, as AmoebaNet-C's does."""
    bottleneck = plain.after_relu(w.of("state2_1.reduce"), state0)
    bottleneck = plain.after_relu(w.of("state2_1.conv0"), bottleneck, (1, 2))
    bottleneck = plain.after_relu(w.of("state2_1.conv1"), bottleneck, (2, 1))
    bottleneck = plain.after_relu(w.of("state2_1.expand"), bottleneck)
    node2 = plain.sep(w.of("state2_0"), state1, 2) + bottleneck
    node3 = plain.max3(state0, 2) + node2
    other = plain.after_relu(w.of("state4_0.reduce"), state1)
    other = plain.after_relu(w.of("state4_0.conv0"), other, 2)
    other = plain.after_relu(w.of("state4_0.expand"), other)
    node4 = other + plain.after_relu(w.of("state4_1.fit"), state0, 2)
    out0 = plain.factorised_reduction(w.of("out0"), state0)
    return torch.cat([out0, node3, node4], dim=1)


@pytest.mark.parametrize("side", [8, 9, 10, 11])
def test_cells_read_the_two_outputs_before_them(side: int) -> None:
    made = given(
        "{block: cell, cell: normal, channels: 8, repeats: 2}",
        "{block: cell, cell: halving, channels: 12, stride: 2}",
        "{block: cell, cell: normal, channels: 12, repeats: 2}",
        side=side,
        cells=CELLS,
    )

    def by_hand(w: Weights, x: torch.Tensor) -> torch.Tensor:
        def state0(path: str, newest: torch.Tensor) -> torch.Tensor:
            return plain.after_relu(w.of(f"{path}.state0"), newest)

        def fitted(path: str, older: torch.Tensor) -> torch.Tensor:
            return plain.after_relu(w.of(f"{path}.state1.fit"), older)

        # the first finds but one output, as wide as the cell
        first = normal(w.of("0.0"), state0("0.0", x), x)
        second = normal(w.of("0.1"), state0("0.1", first), x)
        half = halving(w.of("1.0"), state0("1.0", second), fitted("1.0", first))
        older = plain.factorised_reduction(
            w.of("2.0.state1.halve.halves"), F.relu(second)
        )
        third = normal(w.of("2.0"), state0("2.0", half), older)
        return normal(w.of("2.1"), state0("2.1", third), fitted("2.1", half))

    stages, (x, weights) = made
    with torch.no_grad():
        newest, before = stages(x)
        expected = by_hand(weights, x)
    assert_same(newest, expected)
    assert before.shape[1:] == (3 * 12, *expected.shape[2:])


@pytest.mark.parametrize("side", [6, 7])
@pytest.mark.parametrize(
    ("pool", "by_hand"),
    [
        ("max_pool, kernel: 3, stride: 2", lambda x: plain.max3(x, 2)),
        ("avg_pool, kernel: 3, stride: 2", lambda x: plain.mean3(x, 2)),
        ("avg_pool, kernel: 3", plain.mean3),
        (
            "max_pool, kernel: 3, stride: 2, padding: valid",
            lambda x: F.max_pool2d(x, 3, 2),
        ),
        ("avg_pool, kernel: 2, padding: valid", lambda x: F.avg_pool2d(x, 2, 1)),
    ],
)
def test_pools(
    side: int, pool: str, by_hand: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    check(given(f"{{block: {pool}}}", side=side), lambda _, x: by_hand(x))


def test_windows_apart_are_padded_at_the_end_alone() -> None:
    stages, (x, _) = given("{block: avg_pool, kernel: 2, stride: 2}", side=9)
    found = stages(x)
    assert found.shape[2:] == (5, 6)
    assert_same(found[:, :, :4], F.avg_pool2d(x, 2))
    # of the last row there is but one, and the mean is of that one
    assert_same(found[:, :, 4:], F.avg_pool2d(x[:, :, 8:], (1, 2)))
