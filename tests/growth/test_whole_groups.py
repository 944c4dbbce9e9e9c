"""What widths become around steps in groups: whole groups, whatever the multiplier."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import effscale as es
from effscale.growth.scale import numbers
from tests.examples import examples
from tests.spec.small import lines

LAYERS = "[{kernel: 1, ratio: $share}, {ratio: $share, $middle}, {kernel: 1}]"


def of(middle: str, share: float) -> es.Spec:
    """A network of 48 channels with a block whose inside is in groups."""
    layers = LAYERS.replace("$share", str(share)).replace("$middle", middle)
    return lines("{block: own, channels: 48, repeats: 2}", blocks=f"{{own: {layers}}}")


@pytest.mark.parametrize(
    ("middle", "share", "unit"),
    [
        ("kernel: 3, groups: 12", 1, 24),
        ("kernel: 3, groups: 3", 0.25, 24),
        ("kernel: 3, group_width: 12", 0.5, 24),
        ("kernel: 3, group_width: 16", 4, 8),
        ("kernel: 3, group_width: 24", 1.5, 16),
        ("block: transposed_conv, kernel: 3, stride: 1, groups: 12", 1, 24),
        ("block: transposed_conv, kernel: 3, stride: 1, group_width: 12", 0.5, 24),
    ],
)
@examples(10)
@given(width=st.floats(0.4, 4))
def test_shares_of_widths_are_whole_groups(
    middle: str, share: float, unit: int, width: float
) -> None:
    scaled = es.scale(of(middle, share), es.Multipliers(width=width))
    assert all(each % unit == 0 for each in numbers(scaled, "channels")) or width == 1
    assert es.count(scaled).macs > 0
