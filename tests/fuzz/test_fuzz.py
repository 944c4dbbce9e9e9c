"""A short run of the fuzzer, whose long one is `make fuzz`."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy

import pytest
import yaml

from effscale.spec.lines import STAGES
from effscale.spec.loading import loads
from effscale.spec.names import names
from effscale.spec.outputs import OUTPUTS
from tests.fuzz.journey import drawn, journey
from tests.fuzz.mutants import built_in, mutant, small


@pytest.mark.slow
def test_no_mutant_is_lost() -> None:
    found = Counter(journey(0, index) for index in range(150))
    assert set(found) <= {
        *("refused", "not scaled", "without MACs", "explained", "unexplained")
    }
    assert found["refused"] > 30  # else mutants are too tame
    assert found["explained"] > 30  # or too wild


@pytest.mark.torch
@pytest.mark.slow
def test_what_is_built_of_a_mutant_costs_what_is_counted() -> None:
    built: list[int] = []
    for index in range(150, 165):
        journey(0, index, built)
    assert built  # else none is small enough


def test_a_mutant_is_the_same_every_time() -> None:
    assert mutant(drawn(1, 2)) == mutant(drawn(1, 2)) != mutant(drawn(1, 3))


def test_seeds_are_left_as_they_are() -> None:
    before = deepcopy([*small(), built_in()])
    for index in range(20):
        mutant(drawn(2, index))
    assert [*small(), built_in()] == before


def test_mutants_are_of_networks_that_load_and_together_say_all_there_is() -> None:
    for each in small():
        loads(yaml.safe_dump(each, sort_keys=False))
    written = yaml.safe_dump(list(small()))
    assert [name for name in (*STAGES, *OUTPUTS) if name not in written] == []
    assert set(built_in()) == set(names())
