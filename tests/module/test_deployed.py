"""Tests of `effscale.network.deployed` and of the weights that it is given."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

import effscale as es
from effscale.growth.scale import at_resolution
from effscale.module.deployed import deploy
from effscale.module.measure import measure_spec
from tests.module.test_reference import randomise

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Run

pytestmark = pytest.mark.torch

#: Parameters and MACs as they are shipped: timm 1.0.31, `reparameterize_model`, with
#: what torch's counter has of it.
SHIPPED = {
    "repvgg-a0": (8309384, 1361451008),
    "mobileone-s0": (2078504, 275110400),
    "mobileone-s4": (14838352, 2979269760),
    "fastvit-t8": (3996040, 524773248),
}
SUMS = """name: small
resolution: 32
activation: none
stem: {kernel: 3, channels: 8}
stages:
  - {block: sum, branches: [[{kernel: [1, 3]}], [{kernel: [3, 1]}]]}
  - {block: sum, branches: [[{kernel: 3, activation: relu}], [{kernel: 1}]]}
  - {block: sum, branches: [[{kernel: 3, groups: 2}], [{kernel: 1}]]}
  - {block: sum, branches: [[], [{block: norm}], [{kernel: 3}]]}
  - {block: sum, branches: [[{block: norm}, {block: multiply, by: -1}], [{kernel: 3}]]}
head: {classes: 10}
"""


def shipped(spec: es.Spec, side: int) -> es.Spec:
    update = {"deployed": True}
    return at_resolution(spec, (side, side)).model_copy(update=update)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_network_has_fewer_layers(name: str) -> None:
    spec = shipped(es.load(name), 224)
    cost = es.count(spec)
    assert (cost.params, cost.macs) == SHIPPED[name]
    assert measure_spec(spec, "torch").macs == cost.macs
    built = es.build(spec, device="meta")
    assert not [each for each in built.modules() if isinstance(each, nn.BatchNorm2d)]


@pytest.mark.parametrize(
    "name", ["repvgg-a0", "fastvit-t8", "b0", "densenet121", "hgnetv2-b0"]
)
@torch.no_grad()
def test_a_shipped_network_gives_the_same(name: str) -> None:
    torch.manual_seed(0)
    spec = at_resolution(es.load(name), (64, 64))
    trained = es.build(spec, init=False)
    randomise(trained)
    trained = trained.double().eval()
    image = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    found = deploy(spec, trained)(image)
    torch.testing.assert_close(found, trained(image), rtol=1e-9, atol=1e-9)


def test_what_would_cost_more_or_is_no_sum_of_convolutions_stays() -> None:
    spec = shipped(es.loads(SUMS), 32)
    stages = es.build(spec, device="meta").get_submodule("stages").children()
    convs = [
        len([each for each in stage.modules() if isinstance(each, nn.Conv2d)])
        for stage in stages
    ]
    assert convs == [2, 2, 2, 1, 1]


def test_profile_and_export_of_what_is_shipped(run: Run, tmp_path: Path) -> None:
    asked = ("repvgg-a0", "--deploy")
    profiled = run("profile", *asked, "--measure", "torch", "--format", "json")
    assert (profiled.exit_code, profiled.stderr) == (0, "")
    assert f'"params": {SHIPPED["repvgg-a0"][0]}' in profiled.stdout
    assert json.loads(profiled.stdout)
    path = tmp_path / "net.pth"
    written = run("export", *asked, "--resolution", "32", "--output", str(path))
    assert (written.exit_code, written.stderr) == (0, "")
    net = es.build(shipped(es.load("repvgg-a0"), 32), init=False)
    net.load_state_dict(torch.load(path, weights_only=True))
