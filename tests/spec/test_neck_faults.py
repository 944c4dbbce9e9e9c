"""Tests of `effscale.spec.neck_faults`, beside the files in tests/bad.

Those have a fault each; here are several at once, and what scaling brings about.
"""

from __future__ import annotations

import pytest

import effscale as es
from effscale.errors import ScaleError, SpecError

HEAD = "name: small\nbackbone: b0\nresolution: 128\nheads: {classes: 4}\n"


def refused(neck: str, more: str = "") -> list[str]:
    """What is wrong with a detector of this neck."""
    with pytest.raises(SpecError) as caught:
        es.loads(f"{HEAD}neck: {{channels: 16, {neck}}}\n{more}")
    return [line.partition(" ")[2] for line in str(caught.value).splitlines()]


def test_every_fault_of_a_graph_is_said_at_once() -> None:
    nodes = (
        "{a: {level: 3, reads: [p3, q]}, b: {level: 9, reads: [p4, p5, p6, p7, c]}, "
        "c: {level: 4, reads: [p4], merge: attention}}"
    )
    assert refused(f"levels: [3, 7], nodes: {nodes}") == [
        "neck.nodes.a.reads[1]: expected one of p3, p4, p5, p6, p7, got 'q'",
        "neck.nodes.b.level: expected a level from 3 to 7, got 9",
        "neck.nodes.b.reads[4]: expected a map that is there already, got 'c'",
        "neck.nodes.c.reads: expected 2 for an attention, got 1",
    ]


def test_layers_of_a_neck_are_followed_as_the_backbone_s_are() -> None:
    layers = (
        "[{kernel: 3, groups: 5}, {block: residual, layers: [{kernel: 2}]}, "
        "{block: own}]"
    )
    own = "blocks: {own: [{block: depthwise, kernel: 4}]}\n"
    assert refused(f"wiring: bifpn, layers: {layers}", own) == [
        "neck.layers[0].groups: expected a divisor of 16 channels, got 5",
        (
            "neck.layers[1].layers[0].kernel: expected odd sides, or padding: valid, "
            "got 2×2"
        ),
        (
            "neck.layers[2]: block own: [0].kernel: expected odd sides, or padding: "
            "valid, got 4×4"
        ),
    ]


@pytest.mark.parametrize("name", ["inception-v3", "inception-v4", "polynet"])
def test_a_backbone_without_padding_cannot_be_halved_exactly(name: str) -> None:
    neck = "neck: {levels: [3, 5], channels: 16, wiring: bifpn}\n"
    with pytest.raises(SpecError) as caught:
        es.loads(HEAD.replace("b0", name) + neck)
    assert "px for P4, half of P3, got " in str(caught.value)
    assert {fault.code for fault in caught.value.faults} == {"EFF402"}


def test_scaling_a_neck_that_cannot_repeat_is_refused() -> None:
    neck = "neck: {channels: 16, wiring: retinanet}\n"
    spec = es.loads(HEAD + neck)
    with pytest.raises(ScaleError) as caught:
        es.scale(spec, es.Multipliers(neck_depth=2.0))
    assert str(caught.value) == (
        "<text>:5:7: small scaled: neck.repeats: expected 1, as no node of "
        "retinanet reads p6, got 2"
    )
    assert es.count(es.scale(spec, es.Multipliers(neck_width=2.0))).params > 0


def test_a_variant_is_held_to_what_its_own_neck_would_be() -> None:
    change = "variants: {v: {resolution: 128, neck: {levels: [3, 8]}}}\n"
    assert refused("wiring: nas_fpn", change) == [
        "variants.v.neck.levels: expected 5 levels for nas_fpn, got 6"
    ]
    spec = es.loads(f"{HEAD}neck: {{channels: 16, wiring: bifpn}}\n{change}")
    variant = es.variant(spec, "v")
    assert variant.neck is not None
    assert variant.neck.levels == (3, 8)
    assert es.count(variant).params > es.count(spec).params
