"""Tests of `effscale.cost.conventions`: one network in other tools' numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import effscale as es
from effscale.choices import TOOLS
from effscale.cost.conventions import (
    RULES,
    VERSIONS,
    Term,
    amounts,
    amounts_of,
    conventions,
    figure,
    terms,
)
from effscale.cost.count import Visit, visited
from effscale.errors import LayerError
from effscale.network.network import network
from effscale.network.operators.operator import Operator, Tally
from effscale.network.shapes import Shape
from effscale.spec.norm import Norm

if TYPE_CHECKING:
    from effscale.spec.models import Spec


def test_a_tiny_network_in_every_convention(tiny: Spec) -> None:
    # Batch norm puts out 4·6 thrice and 8·6 once, SiLU 4·6 twice, 1 in the gate, 8·6.
    # The gate pools 4·6, the head 8·6. Biases: the gate's 1 and 4, the classifier's 3.
    macs, norm, act, pooled = 968, 3 * 24 + 48, 2 * 24 + 1 + 48, 24 + 48
    found = conventions(network(tiny))
    assert found["paper"] == macs
    assert found["fvcore"] == macs + 2 * norm + pooled
    assert found["torch"] == 2 * macs
    assert found["torchinfo"] == macs + 5 + 3 + 2 * (3 * 4 + 8)
    assert found["ptflops"] == macs + 5 + 3 + 2 * norm + act + 2 * pooled
    assert found["thop"] == macs + 4 * norm + pooled + 4 + 8
    assert found["calflops"] == 2 * macs + 5 + 2 * norm + act + pooled


def test_layer_norms_are_counted_otherwise_than_batch_norms(tiny: Spec) -> None:
    layered = network(tiny.model_copy(update={"norm": Norm(kind="layer")}))
    by_batch, found = conventions(network(tiny)), conventions(layered)
    norm, params = 3 * 24 + 48, 2 * (3 * 4 + 8)
    assert {tool: found[tool] - by_batch[tool] for tool in TOOLS} == {
        "paper": 0,
        "fvcore": (5 - 2) * norm,
        "torch": 0,
        "torchinfo": 0,
        "ptflops": -2 * norm,
        "thop": -4 * norm,
        "calflops": (5 - 2) * norm,
    }
    met = amounts(step for part in visited(layered) for step in part.visits)
    assert Term("layer norm", 1, 5 * norm) in terms(met, "fvcore")
    assert Term("layer norm", 1, params) in terms(met, "torchinfo")


@pytest.mark.parametrize("repeats", [1, 4])
def test_each_copy_of_a_block_normalises_and_pools(tiny: Spec, repeats: int) -> None:
    stage = tiny.stages[0].model_copy(update={"repeats": repeats})
    found = conventions(network(tiny.model_copy(update={"stages": (stage,)})))
    norm, pool = (1 + 2 * repeats) * 24 + 48, repeats * 24 + 48
    assert found["fvcore"] - found["paper"] == 2 * norm + pool


# Printed by the tools, in the versions of `VERSIONS`, of the built network.
B0 = {
    "paper": 385_814_752,
    "fvcore": 401_659_392,
    "torch": 771_629_504,
    "torchinfo": 385_867_108,
    "ptflops": 410_196_896,
    "thop": 415_145_024,
    "calflops": 793_641_400,
}


def test_b0_is_what_each_tool_prints(b0: Spec) -> None:
    found = conventions(network(b0))
    assert found["paper"] == es.count(b0).macs
    assert {type(each) for each in found.values()} == {int}
    assert found == B0


def test_parts_layers_and_the_whole_add_up() -> None:
    """PolyNet shares layers, which some tools count again where they meet them."""
    net = network(es.load("polynet"))
    whole = conventions(net)
    unrolled = [step for part in visited(net, unroll=True) for step in part.visits]
    for tool in TOOLS:
        parts = [figure(amounts(part.visits), tool) for part in visited(net)]
        layers = [figure(each, tool) for _, each in amounts_of(unrolled)]
        assert sum(parts) == sum(layers) == whole[tool]


def test_every_tool_has_rules_and_a_version() -> None:
    assert set(RULES) == set(TOOLS) == {"paper", *VERSIONS}


def test_terms_that_are_nothing_are_left_out(tiny: Spec) -> None:
    found = amounts(step for part in visited(network(tiny)) for step in part.visits)
    assert [each.name for each in terms(found, "thop")] == [
        "MACs",
        "batch norm",
        "pooling",
    ]


def test_a_tally_that_no_rule_knows_is_an_error() -> None:
    class Odd(Operator):
        label = "odd"

        def tallies(self, before: Shape, after: Shape) -> dict[Tally, int]:
            del before, after
            return {"oddity": 1}  # type: ignore[dict-item]

    shape = Shape(1, 2, 2)
    visit = Visit("stem.odd", Odd(), 1, shape, shape)
    with pytest.raises(LayerError) as caught:
        amounts([visit])
    assert str(caught.value) == "stem.odd: no tool's rule knows ['oddity']"
