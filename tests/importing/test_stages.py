"""Networks that have a spec of their own come out in its stages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

import effscale as es
from effscale.importing.operators import Reading
from effscale.importing.stages import said
from effscale.importing.trace import trace
from effscale.importing.tree import strands
from effscale.module.inputs import Input
from tests.libraries import library

if TYPE_CHECKING:
    from torch import nn

#: Built-in specs, and what torchvision calls these networks.
NETWORKS = {
    "mobilenetv2": "mobilenet_v2",
    "resnet50": "resnet50",
    "b0": "efficientnet_b0",
    "mnasnet-b1": "mnasnet1_0",
    "regnety-800mf": "regnet_y_800mf",
    "densenet121": "densenet121",
}


def read(module: nn.Module) -> es.Spec:
    calls = trace(module.eval(), [Input((1, 3, 64, 64))])
    return said(strands(*Reading(calls).whole()), "read", (3, 64, 64), "code").spec


@pytest.mark.parametrize("name", NETWORKS)
def test_what_a_spec_builds_comes_out_in_its_stages(name: str) -> None:
    """Of each stage two blocks at most, as many say what recurs."""
    spec = es.load(name)
    few = [
        line.model_copy(update={"repeats": min(int(line.times or 1), 2)})
        for line in spec.stages
    ]
    spec = spec.model_copy(update={"stages": tuple(few)})
    with torch.device("meta"):
        found = read(es.build(spec))
    assert found.stem == spec.stem
    assert found.stages == spec.stages
    assert found.head == spec.head


#: torchvision's regnet_y_800mf is wider: it has no configuration of pycls.
THEIRS = {
    **{ours: theirs for ours, theirs in NETWORKS.items() if "regnet" not in ours},
    "regnety-400mf": "regnet_y_400mf",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", THEIRS)
def test_networks_of_torchvision_come_out_in_our_stages(name: str) -> None:
    models = library("torchvision.models")
    found = read(getattr(models, THEIRS[name])())
    ours = es.load(name)
    assert (found.stem, found.stages) == (ours.stem, ours.stages)
