"""Modules of several feature maps, against plain torch and by formula."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F  # noqa: N812 - its usual name

import effscale as es
from effscale.module.build import Detections, Shared, build
from effscale.module.operators import Attended, Fused, Resized
from effscale.network.operators.fusion import Fuse, Resize
from effscale.spec.models import Spec
from effscale.spec.neck import Neck
from tests.examples import examples
from tests.module import plain_detector

if TYPE_CHECKING:
    from effscale.spec.neck import Fusion

pytestmark = pytest.mark.torch

SMALL: dict[str, Any] = {
    "name": "small",
    "resolution": [40, 56],
    "stem": [{"kernel": 3, "stride": 2, "channels": 4}],
    "stages": [
        {"block": "conv", "kernel": 3, "stride": 2, "channels": 6},
        {"block": "conv", "kernel": 3, "stride": 2, "channels": 8},
        {"block": "conv", "kernel": 3, "stride": 2, "channels": 12},
    ],
    "neck": {"levels": [2, 6], "channels": 8, "repeats": 2, "wiring": "bifpn"},
    "heads": {"repeats": 2, "classes": 3, "anchors": {"scales": 2, "ratios": [1.0]}},
}


def detector(**changes: Any) -> Spec:  # noqa: ANN401 - as a file would write them
    """A small detector of P2 to P6, of which the backbone has three."""
    data = {key: value for key, value in SMALL.items() if key not in changes}
    for key, value in changes.items():
        data[key] = {**SMALL[key], **value} if isinstance(value, dict) else value
    return Spec.model_validate(data)


def built(spec: Spec) -> nn.Module:
    """Its module in double precision, every weight and statistic another number."""
    torch.manual_seed(0)
    net = build(spec).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        for name, buffer in net.named_buffers():
            if buffer.is_floating_point():
                buffer.add_(0.1 * torch.rand_like(buffer))
            assert name.endswith(("running_mean", "running_var", "num_batches_tracked"))
    return net


def images(height: int, width: int, count: int = 2) -> torch.Tensor:
    return torch.randn(count, 3, height, width, dtype=torch.float64)


def maps(count: int, channels: int = 3) -> tuple[torch.Tensor, ...]:
    return tuple(torch.randn(2, channels, 5, 4) for _ in range(count))


def fused(kind: Fusion, count: int, channels: int | None = None) -> Fused:
    module = Fused(Fuse(count, kind, channels))
    with torch.no_grad():
        module.weights.copy_(torch.randn_like(module.weights))
    return module


@pytest.mark.parametrize("channels", [None, 3])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_fusions_are_those_of_the_paper(count: int, channels: int | None) -> None:
    # Tan, Pang & Le 2020, section 3.3: unbounded, softmax-based, fast normalised
    x = maps(count)
    for kind in ("unbounded", "softmax", "fast"):
        module = fused(kind, count, channels)
        w = [each.reshape(-1) for each in module.weights]
        if kind == "softmax":
            total = sum(torch.exp(each) for each in w)
            w = [torch.exp(each) / total for each in w]
        if kind == "fast":
            positive = [each.clamp(min=0) for each in w]
            w = [each / (sum(positive) + 1e-4) for each in positive]
        pairs = zip(w, x, strict=True)
        expected = torch.stack([a[None, :, None, None] * b for a, b in pairs]).sum(0)
        torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize("kind", ["unbounded", "softmax", "fast"])
def test_fusion_weights_begin_alike_and_learn(kind: Fusion) -> None:
    module = Fused(Fuse(3, kind))
    assert torch.equal(module.weights, torch.ones(3, 1, 1, 1))
    x = maps(3)
    out = module(x)
    scale = {"unbounded": 1.0, "softmax": 1 / 3, "fast": 1 / (3 + 1e-4)}[kind]
    torch.testing.assert_close(out, scale * (x[0] + x[1] + x[2]))
    out.square().sum().backward()
    assert module.weights.grad is not None
    assert bool((module.weights.grad != 0).all())


def test_a_fast_fusion_of_weights_below_zero_is_zero_and_no_division_by_it() -> None:
    module = Fused(Fuse(2, "fast"))
    with torch.no_grad():
        module.weights.fill_(-1.0)
    assert torch.equal(module(maps(2)), torch.zeros(2, 3, 5, 4))


def test_an_attention_adds_what_the_coarser_map_lets_through() -> None:
    a, b = maps(2)
    most = torch.tensor([[each.max() for each in image] for image in a])
    expected = a + b * torch.sigmoid(most)[:, :, None, None]
    torch.testing.assert_close(Attended()((a, b)), expected)


@examples(30)
@given(
    sides=st.tuples(*[st.integers(1, 9)] * 2),
    target=st.tuples(*[st.integers(1, 20)] * 2),
)
def test_resizing_takes_the_nearest_position_of_any_size(
    sides: tuple[int, int], target: tuple[int, int]
) -> None:
    x, like = torch.randn(1, 2, *sides), torch.zeros(1, 5, *target)
    (h, w), (height, width) = sides, target
    rows = [row * h // height for row in range(height)]
    columns = [column * w // width for column in range(width)]
    assert torch.equal(Resized(Resize())((x, like)), x[:, :, rows][:, :, :, columns])


def test_shared_modules_have_one_set_of_weights() -> None:
    module = Shared(nn.Conv2d(3, 2, 1))
    assert len(list(module.parameters())) == 2
    x = maps(3)
    expected = [module.shared(each) for each in x]
    assert all(map(torch.equal, module(x), expected))


@pytest.mark.parametrize("fusion", ["fast", "sum", "softmax", "unbounded"])
@pytest.mark.parametrize("sides", [(64, 64), (40, 56), (33, 47), (17, 90)])
def test_a_detector_computes_what_plain_torch_does(
    fusion: Fusion, sides: tuple[int, int]
) -> None:
    net = built(detector(neck={"fusion": fusion})).eval()
    x = images(*sides)
    with torch.no_grad():
        found = net(x)
        classes, boxes = plain_detector.run(net.state_dict(), x, fusion)
    for ours, theirs in (*zip(found.classes, classes), *zip(found.boxes, boxes)):  # noqa: B905
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("sides", [(64, 64), (40, 56), (33, 47), (1, 70)])
def test_outputs_are_by_level_each_half_as_large(sides: tuple[int, int]) -> None:
    found = build(detector()).eval()(images(*sides).float())
    assert isinstance(found, Detections)
    expected = [tuple(-(-side // 2**level) for side in sides) for level in range(2, 7)]
    for each, channels in ((found.classes, 2 * 3), (found.boxes, 2 * 4)):
        assert [tuple(one.shape) for one in each] == [
            (2, channels, *size) for size in expected
        ]


def test_every_weight_learns_and_a_few_steps_lower_a_loss() -> None:
    torch.manual_seed(0)
    net = build(detector())
    x, losses = images(40, 56).float(), list[float]()
    optimiser = torch.optim.SGD(net.parameters(), lr=0.02)
    for _ in range(6):
        found = net(x)
        entropy = F.binary_cross_entropy_with_logits
        terms = [entropy(each, torch.zeros_like(each)) for each in found.classes]
        terms += [(each - 1).square().mean() for each in found.boxes]
        loss = torch.stack(terms).sum()
        optimiser.zero_grad()
        loss.backward()
        if not losses:
            still = [name for name, p in net.named_parameters() if p.grad is None]
            assert still == []
        losses.append(loss.item())
        optimiser.step()
    assert losses[-1] < losses[0]
    weights = [each.weights for each in net.modules() if isinstance(each, Fused)]
    assert len(weights) == 2 * 8
    assert all(bool((each != 1).any()) for each in weights)


def test_class_logits_begin_at_one_in_a_hundred() -> None:
    net = build(es.load("d0"))
    bias = dict(net.named_parameters())["class_head.predict.1.conv.shared.bias"]
    assert bias.shape == (9 * 90,)
    torch.testing.assert_close(bias, torch.full((810,), -math.log(99)))
    boxes = dict(net.named_parameters())["box_head.predict.1.conv.shared.bias"]
    assert torch.equal(boxes, torch.zeros(36))


def test_names_of_weights_say_where_they_are() -> None:
    names = list(build(detector(), device="meta").state_dict())
    assert len(set(names)) == len(names)
    assert {
        "stages.2.0.conv.weight",
        "neck.levels.p5.lateral.conv.bias",
        "neck.0.p3_td.fuse.weights",
        "neck.0.p4_out_lateral_p4.lateral.norm.weight",
        "neck.1.p6_out.2.conv.weight",
        "class_head.1.1.norm.p6.weight",
        "box_head.predict.0.conv.shared.weight",
    } < set(names)


@pytest.mark.parametrize("name", ["half", "forward", "training", "graph"])
def test_a_node_may_be_called_as_modules_of_torch_call_theirs(name: str) -> None:
    nodes = {
        name: {"level": 2, "reads": ["p2", "p3", "p4"]},
        "up": {"level": 3, "reads": ["p3", name]},
    }
    neck = {"levels": [2, 4], "channels": 8, "nodes": nodes}
    spec = detector().model_copy(update={"neck": Neck.model_validate(neck)})
    net = build(spec).eval()
    assert f"neck.0.{name}_.1.conv.weight" in net.state_dict()
    assert sum(p.numel() for p in net.parameters()) == es.count(spec).params
    assert len(net(images(40, 56).float()).classes) == 3


def test_torch_exports_a_detector() -> None:
    net = build(detector()).eval()
    x = images(40, 56).float()
    with torch.no_grad():
        expected = net(x)
        exported = torch.export.export(net, (x,)).module()(x)
    for ours, theirs in zip(expected, exported, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other)
