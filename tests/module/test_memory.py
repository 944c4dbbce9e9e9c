"""Peaks by arithmetic, beside those of torch: storages alive after each operator."""

from __future__ import annotations

import pytest
import torch

import effscale as es
from effscale.choices import ELEMENT_BYTES
from effscale.cost.memory import memory
from effscale.growth.scale import at_resolution
from effscale.network.network import network
from effscale.spec.geometry import least_sides
from effscale.spec.norm import Norm
from tests.module.live import peak

pytestmark = pytest.mark.torch


def test_every_type_has_its_bytes() -> None:
    kinds = {name: getattr(torch, name).itemsize for name in ELEMENT_BYTES}
    assert kinds == ELEMENT_BYTES


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", ["b0", "resnet50", "mobilenetv3-small"])
def test_the_peak_is_what_torch_shows(name: str, batch: int) -> None:
    """Within 0.1 % of what is alive in torch; ours has no numbers of one element."""
    spec = es.load(name)
    found = memory(network(spec), batch, "bfloat16" if batch > 1 else "float32")
    dtype = getattr(torch, found.dtype)
    assert found.peak == pytest.approx(peak(spec, batch, dtype), rel=1e-3)


def test_the_peak_of_a_detectors_training_is_nearly_what_torch_shows() -> None:
    spec = at_resolution(es.load("d0"), (256, 320))
    shown = peak(spec, 2, training=True)
    assert memory(network(spec), 2).training_peak == pytest.approx(shown, rel=0.04)


@pytest.mark.parametrize("name", ["b0", "resnet18", "mobilenetv3-small"])
def test_the_peak_of_training_is_what_torch_shows(name: str) -> None:
    spec = es.load(name)
    shown = peak(spec, 2, training=True)
    assert memory(network(spec), 2).training_peak == pytest.approx(shown, rel=0.01)


def layered(name: str) -> es.Spec:
    return es.load(name).model_copy(update={"norm": Norm(kind="layer")})


@pytest.mark.parametrize(("dtype", "batch"), [("float32", 3), ("bfloat16", 1)])
@pytest.mark.parametrize("name", ["b0", "resnet18"])
def test_layer_norms_put_out_statistics_too(name: str, dtype: str, batch: int) -> None:
    """A mean and a deviation of each position, in single precision."""
    spec = layered(name)
    found = memory(network(spec), batch, dtype)
    assert found.peak == pytest.approx(
        peak(spec, batch, getattr(torch, dtype)), rel=1e-4
    )


@pytest.mark.parametrize(("dtype", "batch"), [("float32", 3), ("bfloat16", 1)])
@pytest.mark.parametrize(
    ("name", "within"), [("b0", 1e-3), ("mobilenetv3-small", 0.01), ("resnet18", 0.02)]
)
def test_layer_norms_keep_their_statistics_for_the_way_back(
    name: str, within: float, dtype: str, batch: int
) -> None:
    """Behind one, channels are last; torch copies weights' gradients made like that.

    The copy of one gradient is not counted: it shows where weights outweigh maps.
    """
    spec = layered(name)
    shown = peak(spec, batch, getattr(torch, dtype), training=True)
    found = memory(network(spec), batch, dtype).training_peak
    assert found == pytest.approx(shown, rel=within)


#: Between them: shared layers, cells, dense blocks, every kind of pooling.
KINDS = (
    *("polynet", "inception-v3", "densenet121", "nasnet-a-large", "xception"),
    *("efficientnet-lite0", "regnety-200mf", "efficientnetv2-b0", "vit-s-16"),
    *("d0", "efficientdet-lite0", "nas-fpn-r50", "yolov8n", "hrnet-w18-small"),
)


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_networks_of_all_kinds_take_what_torch_shows(name: str) -> None:
    """At the least size that they take."""
    spec = es.load(name)
    rows, columns = least_sides(spec)
    spec = at_resolution(spec, (max(rows, 64), max(columns, 64)))
    assert memory(network(spec)).peak == pytest.approx(peak(spec, 1), rel=0.01)
