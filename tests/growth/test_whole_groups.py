"""What widths become around steps in groups: whole groups, whatever the multiplier."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import effscale as es
from effscale.growth.scale import numbers
from tests.examples import examples
from tests.spec.small import lines

LAYERS = (
    "[{kernel: 1, ratio: $share}, {kernel: 3, ratio: $share, $groups}, {kernel: 1}]"
)


def of(groups: str, share: float) -> es.Spec:
    """A network of 48 channels with a block whose inside is in groups."""
    layers = LAYERS.replace("$share", str(share)).replace("$groups", groups)
    return lines("{block: own, channels: 48, repeats: 2}", blocks=f"{{own: {layers}}}")


@pytest.mark.parametrize(
    ("groups", "share", "unit"),
    [
        ("groups: 12", 1, 24),
        ("groups: 3", 0.25, 24),
        ("group_width: 12", 0.5, 24),
        ("group_width: 16", 4, 8),
        ("group_width: 24", 1.5, 16),
    ],
)
@examples(10)
@given(width=st.floats(0.4, 4))
def test_shares_of_widths_are_whole_groups(
    groups: str, share: float, unit: int, width: float
) -> None:
    scaled = es.scale(of(groups, share), es.Multipliers(width=width))
    assert all(each % unit == 0 for each in numbers(scaled, "channels")) or width == 1
    assert es.count(scaled).macs > 0
