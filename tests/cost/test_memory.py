"""Tests of `effscale.cost.memory`: bytes, by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import yaml
from hypothesis import given, reject
from hypothesis import strategies as st

import effscale as es
from effscale.cost.memory import at_once, memory, tape
from effscale.errors import CandidateError
from effscale.growth.multipliers import Multipliers
from effscale.growth.scale import scale
from effscale.network.network import network
from effscale.spec.loading import loads
from tests.examples import examples
from tests.strategies import attending, detectors, graphs, specs

if TYPE_CHECKING:
    from effscale.spec.models import Spec


def test_a_tiny_network_by_hand(tiny: Spec) -> None:
    """A 2×5×4 image, 4×3×2 after the stem and the stage, 8×3×2 in the head."""
    found = memory(network(tiny))
    image, small, large = 2 * 5 * 4, 4 * 3 * 2, 8 * 3 * 2
    # The image, what came into the head, and both sides of its batch norm.
    assert found.peak == 4 * (image + small + 2 * large)
    stem, _, head = found.parts
    assert stem.peak == 4 * (image + 2 * small)
    assert stem.activations == 4 * 3 * small
    # Convolution, batch norm and SiLU read and write; weights are read beside.
    weights = 3 * 3 * 2 * 4 + 4 * 4
    assert stem.moved == 4 * (image + small + weights + 2 * small + 2 * small)
    assert stem.weights == 4 * weights
    assert head.macs == 4 * large + 8 * 3
    assert found.weights == 4 * (es.count(tiny).params + 2 * (3 * 4 + 8))


def test_batch_and_type_multiply(tiny: Spec) -> None:
    one = memory(network(tiny))
    many = memory(network(tiny), batch=8, dtype="bfloat16")
    assert many.weights == one.weights // 2
    assert many.peak == 8 * one.peak // 2
    assert many.activations == 8 * one.activations // 2
    assert many.macs == 8 * one.macs
    assert one.moved < many.moved < 4 * one.moved
    assert many.macs_per_byte > 2 * one.macs_per_byte


def test_parts_make_the_whole(b0: Spec) -> None:
    found = memory(network(b0))
    for figure in ("weights", "activations", "moved", "macs"):
        parts = [getattr(each, figure) for each in found.parts]
        assert sum(parts) == getattr(found, figure)
    assert max(each.peak for each in found.parts) == found.peak
    assert found.macs == es.count(b0).macs


def test_weights_are_those_of_the_operators() -> None:
    """But for those that a block uses twice, which it reads twice."""
    for name in ("b0", "inception-v3", "nasnet-a-large"):
        net = network(es.load(name))
        assert 4 * sum(op.params for op in tape(net)) == memory(net).weights


def test_windows_larger_than_their_map_leave_it_as_it_was() -> None:
    """What is filled up for them is cut off again."""
    filled = {"block": "attention", "head_width": 8, "over": "window", "size": 33}
    text = {
        "name": "filled",
        "resolution": 8,
        "stem": {"kernel": 3, "stride": 2, "channels": 16},
        "stages": [
            {"block": "residual", "layers": [filled]},
            {"block": "pixel_unshuffle"},
        ],
        "head": {"classes": 4},
    }
    found = memory(network(loads(yaml.safe_dump(text))))
    assert found.parts[2].moved == 4 * 2 * 16 * 4 * 4  # read and written


def test_a_network_that_begins_with_what_reads_no_map_is_trained() -> None:
    text = {
        "name": "waves",
        "resolution": 8,
        "stem": [{"block": "positions", "kind": "fourier"}],
        "stages": [{"block": "conv", "kernel": 3, "channels": 4}],
        "head": {"classes": 4},
    }
    found = memory(network(loads(yaml.safe_dump(text))))
    assert found.training_peak > found.peak


def figures(spec: Spec, given: Multipliers, *, training: bool) -> list[int]:
    """Bytes that each of the networks takes, for two images."""
    found = at_once(scale(spec, given), 2, "float32", training=training)
    return np.ravel(found).tolist()


@examples(40)
@given(
    spec=st.one_of(specs(), graphs(), attending(), detectors()),
    training=st.booleans(),
)
def test_arrays_take_what_each_candidate_takes(
    spec: Spec,
    training: bool,  # noqa: FBT001 - hypothesis gives it by name
) -> None:
    widths, sides = [1.3, 1.6, 1.3, 2.0], [1.0, 1.0, 2.0, 3.0]
    together = Multipliers(width=np.array(widths), resolution=np.array(sides))
    try:
        found = figures(spec, together, training=training)
    except CandidateError:
        reject()
    alone = [
        figures(spec, Multipliers(width=width, resolution=side), training=training)
        for width, side in zip(widths, sides, strict=True)
    ]
    assert found == [each for (each,) in alone]


@pytest.mark.parametrize("name", ["swin-t", "efficientvit-b0", "mobilevitv2-0.5"])
def test_arrays_take_what_each_network_of_attention_takes(name: str) -> None:
    widths, sides = [1.0, 1.5, 1.5], [1.0, 1.0, 1.25]
    together = Multipliers(width=np.array(widths), resolution=np.array(sides))
    alone = [
        figures(es.load(name), Multipliers(width=w, resolution=r), training=True)
        for w, r in zip(widths, sides, strict=True)
    ]
    found = figures(es.load(name), together, training=True)
    assert found == [each for (each,) in alone]
