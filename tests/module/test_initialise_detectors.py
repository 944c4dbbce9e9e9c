"""How each family of detectors draws its neck and heads, and that it trains."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

import effscale as es
from effscale.growth.scale import at_resolution, with_classes
from effscale.module.drawing import INITS, initialise
from tests.module.detection import batch, flat, focal, loss

if TYPE_CHECKING:
    from collections.abc import Iterator

    from effscale.spec.values import Init

pytestmark = pytest.mark.torch


def drawn(conv: nn.Conv2d, rule: Init) -> torch.Tensor:
    torch.manual_seed(0)
    vars(conv)["init"] = rule
    initialise(conv)
    return conv.weight.detach().double().flatten()


#: A whole, a depthwise and a grouped convolution, each of many weights.
CONVS = {
    "whole": lambda: nn.Conv2d(40, 60, 3),
    "depthwise": lambda: nn.Conv2d(4000, 4000, 3, groups=4000),
    "grouped": lambda: nn.Conv2d(64, 128, 3, groups=4),
}
#: Variances, by hand. A depthwise kernel of TensorFlow is (3, 3, 4000, 1): its fan-in
#: is 9·4000, its fan-out 9 (Keras' `compute_fans`).
VARIANCES: dict[tuple[Init, str], float] = {
    ("he", "whole"): 2 / (9 * 60),
    ("he", "depthwise"): 2 / 9,
    ("he", "grouped"): 2 / (9 * 32),
    ("glorot", "whole"): 2 / (9 * 40 + 9 * 60),
    ("glorot", "depthwise"): 2 / (9 * 4000 + 9),
    ("glorot", "grouped"): 2 / (9 * 16 + 9 * 128),
    ("lecun", "whole"): 1 / (9 * 40),
    ("lecun", "depthwise"): 1 / 9,
    ("lecun", "grouped"): 1 / (9 * 16),
    ("variance_scaling", "whole"): 1 / (9 * 40),
    ("variance_scaling", "depthwise"): 1 / (9 * 4000),
    ("variance_scaling", "grouped"): 1 / (9 * 16),
    ("normal", "whole"): 1e-4,
    ("near_zero", "whole"): 1e-10,
}
#: Fourth moment over the squared variance, and the largest in deviations.
SHAPES: dict[Init, tuple[float, float]] = {
    "he": (3, math.inf),
    "glorot": (1.8, math.sqrt(3)),
    "lecun": (1.8, math.sqrt(3)),
    "variance_scaling": (2.37, 2 / 0.87962566),  # cut at two deviations
    "normal": (3, math.inf),
    "near_zero": (3, math.inf),
}


def test_every_rule_is_tried() -> None:
    assert {rule for rule, _ in VARIANCES} == {*INITS} == {*SHAPES}


@pytest.mark.parametrize(("rule", "kind"), VARIANCES)
def test_each_rule_has_its_variance_and_its_shape(rule: Init, kind: str) -> None:
    weight = drawn(CONVS[kind](), rule)
    variance, (kurtosis, largest) = VARIANCES[rule, kind], SHAPES[rule]
    n = weight.numel()
    scaled = weight / math.sqrt(variance)
    assert abs(scaled.mean()) < 5 / math.sqrt(n)
    assert abs(scaled.var() - 1) < 5 * math.sqrt(2 / n)
    assert abs((scaled**4).mean() - kurtosis) < 0.15
    assert scaled.abs().max() <= largest * (1 + 1e-6)


# Neck, heads, and what predicts: automl/efficientdet/tf2/efficientdet_keras.py
# (OpAfterCombine, ResampleFeatureMap, ClassNet.conv2d_layer); torchvision/ops/
# feature_pyramid_network.py, models/detection/retinanet.py; tpu/models/official/
# detection/modeling/architecture/nasfpn.py, heads.py.
RULES: dict[str, tuple[Init, Init, Init]] = {
    "d0": ("glorot", "variance_scaling", "variance_scaling"),
    "d7x": ("glorot", "variance_scaling", "variance_scaling"),
    "efficientdet-lite0": ("glorot", "variance_scaling", "variance_scaling"),
    "retinanet-r50": ("lecun", "normal", "normal"),
    "retinanet-r101": ("lecun", "normal", "normal"),
    "nas-fpn-r50": ("glorot", "normal", "near_zero"),
}


def convolutions(module: nn.Module) -> Iterator[tuple[str, nn.Conv2d]]:
    for name, each in module.named_modules():
        if isinstance(each, nn.Conv2d):
            yield name, each


@pytest.mark.parametrize("name", RULES)
def test_each_family_has_its_rules(name: str) -> None:
    neck, heads, predict = RULES[name]
    found: dict[str, set[str]] = {}
    for path, conv in convolutions(es.build(es.load(name), device="meta")):
        part, *rest = path.split(".")
        key = "predict" if "predict" in rest else part
        found.setdefault(key, set()).add(vars(conv)["init"])
    assert found == {
        "stem": {"he"},
        "stages": {"he"},
        "neck": {neck},
        "class_head": {heads},
        "box_head": {heads},
        "predict": {predict},
    }


def test_plain_heads_that_say_nothing_are_normal() -> None:
    # ClassNet.conv2d_layer: RandomNormal(stddev=0.01) unless separable
    d0 = es.load("d0")
    assert d0.heads is not None
    layers = [{"kernel": 3, "bias": True}]
    plain = type(d0.heads).model_validate({"layers": layers})
    assert plain.drawn == ("normal", "normal")
    assert d0.heads.drawn == ("variance_scaling", "variance_scaling")


@pytest.mark.parametrize("name", ["retinanet-r50", "d0"])
def test_training_begins_at_the_prior_and_lowers_the_loss_unclipped(name: str) -> None:
    torch.manual_seed(0)
    spec = with_classes(at_resolution(es.load(name), (64, 96)), 3)
    net = es.build(spec)
    boxes = [[8.0, 8, 40, 40], [16, 40, 60, 90], [0, 0, 24, 24]]
    given = batch(spec, torch.tensor(boxes))
    with torch.no_grad():
        logits = flat(net(given.images).classes, 3)
    # Lin et al. 2017, section 4.1: π is 0.01; 1.4 million an image before
    assert logits.sigmoid().mean().item() == pytest.approx(0.01, rel=0.02)
    nothing = 0.75 * 0.01**2 * -math.log(0.99) * logits[0].numel()
    assert focal(logits, torch.zeros_like(logits)).item() / 3 < 1.2 * nothing
    optimiser = torch.optim.SGD(net.parameters(), lr=0.004, momentum=0.9)
    losses = []
    for _ in range(8):
        optimiser.zero_grad()
        value = loss(net, given)
        value.backward()
        optimiser.step()
        losses.append(value.item())
    assert losses[0] < 3
    assert losses[-1] < 0.95 * losses[0]
    assert max(losses) <= 1.05 * losses[0]
