"""A network small enough to count by hand."""

from __future__ import annotations

import pytest

from effscale.spec.lines import MBConv
from effscale.spec.models import Spec
from effscale.spec.outputs import Head
from effscale.spec.steps import Conv


@pytest.fixture(scope="session")
def tiny() -> Spec:
    """A stem to 3×2 positions of 4 channels, one block that keeps them, a head."""
    stage = MBConv(
        block="mbconv",
        kernel=3,
        stride=1,
        expand_ratio=1,
        channels=4,
        repeats=1,
        se_ratio=0.25,
    )
    return Spec(
        name="tiny",
        resolution=(5, 4),
        image_channels=2,
        stem=(Conv(kernel=(3, 3), stride=(2, 2), channels=4),),
        stages=(stage,),
        head=Head(channels=8, classes=3),
    )
