"""Tests of `effscale.cost.conventions`: one network in other tools' numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import effscale as es
from effscale.cost.conventions import conventions
from effscale.network.staged import network

if TYPE_CHECKING:
    from effscale.spec.models import Spec


def test_a_tiny_network_in_every_convention(tiny: Spec) -> None:
    # batch norm puts out 4·6 thrice and 8·6 once; pooling takes in 4·6 and 8·6
    macs, norm, pool = 968, 3 * 24 + 48, 24 + 48
    assert conventions(network(tiny)) == {
        "paper": macs,
        "fvcore": macs + 2 * norm + pool,
        "torch": 2 * macs,
    }


@pytest.mark.parametrize("repeats", [1, 4])
def test_each_copy_of_a_block_normalises_and_pools(tiny: Spec, repeats: int) -> None:
    stage = tiny.stages[0].model_copy(update={"repeats": repeats})
    found = conventions(network(tiny.model_copy(update={"stages": (stage,)})))
    norm, pool = (1 + 2 * repeats) * 24 + 48, repeats * 24 + 48
    assert found["fvcore"] - found["paper"] == 2 * norm + pool


def test_the_paper_s_convention_is_ours(b0: Spec) -> None:
    found = conventions(network(b0))
    assert found["paper"] == es.count(b0).macs
    assert {type(figure) for figure in found.values()} == {int}
