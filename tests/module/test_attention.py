"""Attention as torch computes it, beside the same by hand, position by position."""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING, TypeAlias

import pytest
import torch
from torch.nn import functional as F  # noqa: N812 - its usual name

import effscale as es
from effscale.module.attention import Attending, Filled, Waves
from effscale.network.operators.attention import Attention, Fill, Fourier
from effscale.network.shapes import Shape
from tests.module.test_blocks import assert_same
from tests.spec.small import lines

if TYPE_CHECKING:
    from effscale.spec.values import Attending as Kind
    from effscale.spec.values import Over

pytestmark = pytest.mark.torch

Place: TypeAlias = tuple[int, int]
HEADS, KEY, VALUE = 2, 3, 5
SIDES = 4, 6


def made(attend: Attention, sides: Place = SIDES) -> Attending:
    """The module for a map of these sides, its weights drawn."""
    torch.manual_seed(0)
    module = Attending(attend)
    channels = int(attend.widths()[0])
    module.fit(Shape(channels, *sides))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
    return module.double().eval()


def by_hand(
    module: Attending, x: torch.Tensor, groups: dict[Place, list[Place]]
) -> torch.Tensor:
    """What each position makes of those of its group, head by head."""
    n, _, height, width = x.shape
    heads = x.reshape(n, HEADS, 2 * KEY + VALUE, height, width)
    q, k, v = heads.split((KEY, KEY, VALUE), dim=2)
    out = x.new_zeros(n, HEADS, VALUE, height, width)
    for (y, x_), seen in groups.items():
        query = q[:, :, :, y, x_]
        keys = torch.stack([k[:, :, :, a, b] for a, b in seen], dim=-1)
        values = torch.stack([v[:, :, :, a, b] for a, b in seen], dim=-1)
        if module.attend.kind == "cosine":
            query, keys = F.normalize(query, dim=2), F.normalize(keys, dim=2)
            query = query * module.scale[:, 0].clamp(max=math.log(100)).exp()
        else:
            query = query / math.sqrt(KEY)
        scores = (query.unsqueeze(-1) * keys).sum(dim=2)
        out[:, :, :, y, x_] = (scores.softmax(-1).unsqueeze(2) * values).sum(-1)
    return out.flatten(1, 2)


def alike(
    over: Over | None, size: Place, moved: Place, sides: Place
) -> list[tuple[object, ...]]:
    """For each position, what those have in common that see each other."""
    found: list[tuple[object, ...]] = []
    for y, x in product(*map(range, sides)):
        keys: list[object] = []
        for at, side, unit, step in zip((y, x), sides, size, moved, strict=True):
            match over:
                case "window":
                    keys.append(((at - step) % side // unit, at < step))
                case "grid":
                    keys.append(at % (side // unit))
                case "patch":
                    keys.append(at % unit)
                case None:
                    keys.append(0)
        found.append(tuple(keys))
    return found


@torch.no_grad()
@pytest.mark.parametrize("kind", ["softmax", "cosine"])
@pytest.mark.parametrize(
    ("over", "size", "shift"),
    [
        (None, (1, 1), None),
        ("window", (2, 3), None),
        ("window", (2, 3), (1, 1)),
        ("window", (4, 2), (0, 1)),  # a window of the whole height stays
        ("grid", (2, 3), None),
        ("patch", (2, 3), None),
    ],
)
def test_positions_see_those_of_their_group(
    kind: Kind, over: Over | None, size: Place, shift: Place | None
) -> None:
    attend = Attention(
        HEADS,
        KEY,
        VALUE,
        kind,
        over=over,
        size=size,
        shift=shift,  # type: ignore[arg-type]
    )
    module = made(attend)
    x = torch.randn(2, HEADS * (2 * KEY + VALUE), *SIDES, dtype=torch.float64)
    places: list[Place] = [(y, x) for y in range(SIDES[0]) for x in range(SIDES[1])]
    marks = alike(over, size, shift or (0, 0), SIDES)
    groups = {
        place: [b for b, other in zip(places, marks, strict=True) if other == mark]
        for place, mark in zip(places, marks, strict=True)
    }
    assert_same(module(x), by_hand(module, x, groups))


@torch.no_grad()
def test_positions_of_an_area_see_each_other_row_by_row() -> None:
    module = made(Attention(HEADS, KEY, VALUE, areas=3))
    places: list[Place] = [(y, x) for y in range(SIDES[0]) for x in range(SIDES[1])]
    x = torch.randn(2, HEADS * (2 * KEY + VALUE), *SIDES, dtype=torch.float64)
    areas = [places[:8], places[8:16], places[16:]]
    groups = {place: area for area in areas for place in area}
    assert_same(module(x), by_hand(module, x, groups))


@torch.no_grad()
def test_relative_tables_have_a_weight_for_each_offset() -> None:
    module = made(Attention(HEADS, KEY, VALUE, position="relative"))
    found = module.biases(torch.Size(SIDES))
    places = [*product(*map(range, SIDES))]
    for i, j in product(range(len(places)), repeat=2):
        (y, x), (b, a) = places[i], places[j]
        at = (y - b + SIDES[0] - 1) * (2 * SIDES[1] - 1) + x - a + SIDES[1] - 1
        assert (found[:, i, j] == module.table[:, at]).all()


@torch.no_grad()
def test_offset_tables_have_a_weight_for_each_distance() -> None:
    module = made(Attention(HEADS, KEY, VALUE, position="offset"))
    found = module.biases(torch.Size(SIDES))
    places = [*product(*map(range, SIDES))]
    for i, j in product(range(len(places)), repeat=2):
        (y, x), (b, a) = places[i], places[j]
        at = abs(y - b) * SIDES[1] + abs(x - a)
        assert (found[:, i, j] == module.table[:, at]).all()


@torch.no_grad()
def test_a_perceptron_makes_biases_of_log_spaced_offsets() -> None:
    module = made(Attention(HEADS, KEY, VALUE, "cosine", position="continuous"))
    found = module.biases(torch.Size(SIDES))
    places = [*product(*map(range, SIDES))]
    for i, j in product(range(0, len(places), 5), repeat=2):
        steps = [
            (a - b) / (side - 1) * 8
            for a, b, side in zip(places[i], places[j], SIDES, strict=True)
        ]
        near = [math.copysign(math.log2(abs(d) + 1) / 3, d) for d in steps]
        inside = module.hidden(torch.tensor(near, dtype=torch.float64)).relu()
        assert_same(found[:, i, j], 16 * module.bias(inside).sigmoid())


@torch.no_grad()
def test_a_perceptron_without_a_sigmoid_adds_what_it_makes() -> None:
    module = made(Attention(HEADS, KEY, VALUE, position="unbounded"))
    found = module.biases(torch.Size(SIDES))
    places = [*product(*map(range, SIDES))]
    for i, j in product(range(0, len(places), 5), repeat=2):
        steps = [a - b for a, b in zip(places[i], places[j], strict=True)]
        near = [math.copysign(math.log(abs(d) + 1), d) for d in steps]
        inside = module.hidden(torch.tensor(near, dtype=torch.float64)).relu()
        assert_same(found[:, i, j], module.bias(inside))


@torch.no_grad()
def test_covariance_is_of_channels() -> None:
    module = made(Attention(HEADS, KEY, KEY, "covariance"))
    x = torch.randn(2, HEADS * 3 * KEY, *SIDES, dtype=torch.float64)
    q, k, v = x.reshape(2, HEADS, 3 * KEY, -1).chunk(3, dim=2)
    q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
    shares = (torch.einsum("nhil,nhjl->nhij", q, k) * module.scale).softmax(-1)
    expected = torch.einsum("nhij,nhjl->nhil", shares, v)
    assert_same(module(x), expected.reshape(2, HEADS * KEY, *SIDES))


@torch.no_grad()
def test_linear_attention_is_what_all_pairs_give() -> None:
    module = made(Attention(HEADS, KEY, VALUE, "linear"))
    x = torch.randn(2, HEADS * (2 * KEY + VALUE), *SIDES, dtype=torch.float64)
    heads = x.reshape(2, HEADS, 2 * KEY + VALUE, -1)
    q, k, v = heads.split((KEY, KEY, VALUE), dim=2)
    weights = torch.einsum("nhil,nhim->nhlm", q.relu(), k.relu())
    above = torch.einsum("nhlm,nhim->nhil", weights, v)
    expected = above / (weights.sum(-1).unsqueeze(2) + 1e-5)
    assert_same(module(x), expected.reshape(2, HEADS * VALUE, *SIDES))


@torch.no_grad()
def test_all_heads_may_have_the_keys_of_one() -> None:
    module = made(Attention(HEADS, KEY, VALUE, multi_query=True, apart=True))
    q = torch.randn(2, HEADS * KEY, *SIDES, dtype=torch.float64)
    k = torch.randn(2, KEY, 2, 3, dtype=torch.float64)
    v = torch.randn(2, VALUE, 2, 3, dtype=torch.float64)
    expected = F.scaled_dot_product_attention(
        *(
            each.flatten(2)
            .unflatten(1, (-1, width))
            .transpose(2, 3)
            .expand(-1, 2, -1, -1)
            for each, width in ((q, KEY), (k, KEY), (v, VALUE))
        )
    )
    expected = expected.transpose(2, 3).reshape(2, HEADS * VALUE, *SIDES)
    assert_same(module((q, k, v)), expected)


@torch.no_grad()
def test_an_encoder_is_torchs_own() -> None:
    """Tokens, their positions, attention and perceptron, beside torch's layer."""
    block = (
        "{own: [{block: residual, layers: [{block: norm}, "
        "{block: attention, heads: 2}]}, {block: residual, layers: [{block: norm}, "
        "{kernel: 1, ratio: 3, bias: true, norm: false}, "
        "{kernel: 1, bias: true, norm: false, activation: none}]}]}"
    )
    spec = lines(
        "{block: class_token}",
        "{block: positions}",
        "{block: own, repeats: 1}",
        blocks=block,
        norm="{kind: layer}",
        activation="gelu",
        resolution="[4, 6]",
        stem="{kernel: 1, channels: 8}",
        head="{}",
    )
    torch.manual_seed(0)
    net = es.build(spec).double().eval()
    stages = net.get_submodule("stages")
    layer = torch.nn.TransformerEncoderLayer(
        8, 2, 24, 0.0, "gelu", 1e-6, batch_first=True, norm_first=True
    )
    layer = layer.double().eval()
    state = {
        k: each + torch.randn_like(each) for k, each in stages.state_dict().items()
    }
    stages.load_state_dict(state)
    flat = [each for k, each in state.items() if k.startswith("2.")]
    ours = iter([each.flatten(1) if each.dim() == 4 else each for each in flat])
    norm1, norm1_bias, qkv, qkv_bias, out, out_bias = (next(ours) for _ in range(6))
    by_part = [
        each.unflatten(0, (2, 3, 4)).transpose(0, 1).flatten(0, 2)
        for each in (qkv, qkv_bias)
    ]
    norm2, norm2_bias, *perceptron = ours
    order = [*by_part, out, out_bias, *perceptron, norm1, norm1_bias, norm2, norm2_bias]
    layer.load_state_dict(dict(zip(layer.state_dict(), order, strict=True)))
    x = torch.randn(2, 8, 4, 6, dtype=torch.float64)
    column = torch.cat(
        (state["0.0.tokens"].expand(2, -1, -1, -1), x.reshape(2, 8, 24, 1)), 2
    )
    column = column + state["1.0.places"]
    expected = layer(column.squeeze(3).transpose(1, 2))
    assert_same(stages(x), expected.transpose(1, 2).unsqueeze(3))


def test_windows_are_filled_where_they_are_not_whole() -> None:
    x = torch.ones(1, 2, 3, 4)
    found = Filled(Fill((2, 4)))(x)
    assert found.shape == (1, 2, 4, 4)
    assert found.sum() == x.sum()
    assert Filled(Fill((3, 2)))(x) is x


@torch.no_grad()
def test_one_query_for_all_is_a_mean_of_keys_at_each_place_of_patches() -> None:
    width, patch = 4, 2
    attend = Attention(1, width, width, "separable", over="patch", size=(patch, patch))
    module = made(attend)
    x = torch.randn(2, 1 + 2 * width, *SIDES, dtype=torch.float64)
    query, keys, values = x.split((1, width, width), dim=1)
    expected = torch.empty_like(values)
    for y, x_ in product(range(patch), range(patch)):
        at = (..., slice(y, None, patch), slice(x_, None, patch))
        shares = query[at].flatten(2).softmax(-1)
        context = (keys[at].flatten(2) * shares).sum(-1)[..., None, None]
        expected[at] = values[at].relu() * context
    assert_same(module(x), expected)


@torch.no_grad()
def test_layers_make_the_first_token_alone() -> None:
    block = "{own: [{block: into_first, layers: [{block: first_token}, {kernel: 1}]}]}"
    net = es.build(
        lines(
            "{block: class_token}",
            "{block: own, repeats: 1}",
            blocks=block,
            resolution="[4, 6]",
            stem="{kernel: 1, channels: 8}",
            head="{}",
        )
    )
    net = net.double().eval()
    token, own = net.get_submodule("stages").children()
    x = torch.randn(2, 8, 4, 6, dtype=torch.float64)
    before, after = token(x), own(token(x))
    assert_same(after[:, :, 1:], before[:, :, 1:])
    assert not torch.equal(after[:, :, :1], before[:, :, :1])


def test_waves_are_of_rows_then_columns_a_sine_and_a_cosine_in_turn() -> None:
    found = Waves(Fourier())(torch.zeros(3, 8, 2, 5, dtype=torch.float64))
    assert found.shape == (1, 64, 2, 5)
    assert found[0, 0, 0, 0].item() == pytest.approx(math.sin(math.pi), abs=1e-5)
    assert found[0, 1, 1, 0].item() == pytest.approx(1.0)
    assert found[0, 32, 0, 0].item() == pytest.approx(math.sin(0.4 * math.pi), abs=1e-5)
    length = 10000 ** (2 / 32)
    expected = math.cos(2 * math.pi * 3 / 5 / length)
    assert found[0, 35, 1, 2].item() == pytest.approx(expected, abs=1e-5)


@torch.no_grad()
def test_several_classifiers_put_out_their_mean() -> None:
    stages = "{block: max_pool, kernel: 2, stride: 2}"
    head = "{classes: 3, classifiers: 2, bias: false}"
    net = es.build(lines(stages, head=head)).double().eval()
    channels = next(
        each.in_features for each in net.modules() if isinstance(each, torch.nn.Linear)
    )
    both = [each for each in net.modules() if isinstance(each, torch.nn.Linear)]
    assert [each.bias for each in both] == [None, None]
    classify = net.get_submodule("head.classifier")
    x = torch.randn(2, channels, dtype=torch.float64)
    assert_same(classify(x), (both[0](x) + both[1](x)) / 2)


@torch.no_grad()
def test_keys_and_values_are_of_one_context() -> None:
    """Wang et al. 2021, arXiv:2106.13797, section 3.1, beside torch's own product."""
    context = "[{kernel: 2, stride: 2, padding: valid, norm: layer, activation: none}]"
    line = f"{{block: attention, heads: 2, context: {context}}}"
    stem = "{kernel: 1, channels: 8}"
    net = es.build(lines(line, stem=stem, head="{}", resolution="[4, 6]"))
    net = net.get_submodule("stages.0.0").double().eval()
    of = dict(net.named_children())
    assert [*of] == ["query", "context", "key", "value", "attend", "project"]
    x = torch.randn(2, 8, 4, 6, dtype=torch.float64)
    seen = of["context"](x)
    assert seen.shape == (2, 8, 2, 3)
    query, key, value = (
        made.unflatten(1, (2, 4)).flatten(3).mT
        for made in (of["query"](x), of["key"](seen), of["value"](seen))
    )
    found = F.scaled_dot_product_attention(query, key, value).mT.reshape(2, 8, 4, 6)
    assert_same(net(x), of["project"](found))
