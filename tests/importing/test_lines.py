"""Tests of `effscale.importing.lines`: what the lines of a spec are told."""

from __future__ import annotations

from effscale.arrays import whole_share
from effscale.importing.lines import _share


def test_a_share_comes_to_the_channels_that_it_is_of() -> None:
    """Also where floats fall short of them: 1/49 of 49 is less than 1."""
    pairs = [(part, whole) for whole in range(2, 200) for part in range(1, whole)]
    assert any(whole_share(whole, part / whole) < part for part, whole in pairs)
    assert all(whole_share(whole, _share(part, whole)) == part for part, whole in pairs)
