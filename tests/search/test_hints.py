"""Tests of `effscale.search.explain`: a cheaper size nearby, a published relative."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import effscale as es
from effscale.growth.scale import at_resolution
from effscale.search.explain import Hint, hint
from effscale.spec.geometry import least_sides
from effscale.spec.lines import MBConv
from effscale.spec.models import Spec, Variant
from effscale.spec.outputs import Head
from effscale.spec.steps import Conv

if TYPE_CHECKING:
    from collections.abc import Mapping


def scaled(spec: Spec, phi: float) -> Spec:
    """The compound variant of `spec` at `phi`."""
    return es.scale(spec, es.compound(phi))


def related(b0: Spec, variants: Mapping[str, int]) -> Spec:
    """B0 with published relatives that differ in resolution alone."""
    given = {
        name: Variant.model_validate({"resolution": side})
        for name, side in variants.items()
    }
    return b0.model_copy(update={"variants": given})


def test_the_hint_at_phi_four_is_eight_pixels_less(b0: Spec) -> None:
    # 392 px halve to 196, 98, 49, 25, 13; 384 px to 192, 96, 48, 24, 12
    smaller = at_resolution(scaled(b0, 4), (384, 384))
    cost = es.count(smaller)
    assert cost.macs == 5696445504
    change = 5696445504 / 6319727088 - 1
    assert hint(b0, scaled(b0, 4)) == Hint(
        "resolution", "b0", (384, 384), cost, change, 1 - (384 / 392) ** 2
    )


@pytest.mark.parametrize(
    ("phi", "side"), [(-2, 160), (0.5, 224), (2, 288), (4, 384), (6, 512)]
)
def test_a_smaller_image_is_hinted_at_where_maps_are_odd(
    b0: Spec, phi: float, side: int
) -> None:
    found = hint(b0, scaled(b0, phi))
    assert found is not None
    assert (found.kind, found.resolution) == ("resolution", (side, side))
    assert found.change < 0


@pytest.mark.parametrize(
    ("phi", "name"), [(-3, "tinynet-c"), (3.5, "b4"), (5, "b5"), (7, "b7")]
)
def test_the_published_variant_of_about_the_cost_is_hinted_at(
    b0: Spec, phi: float, name: str
) -> None:
    found, relative = hint(b0, scaled(b0, phi)), es.load(name)
    assert found is not None
    assert (found.kind, found.name) == ("published", name)
    assert (found.resolution, found.cost) == (relative.resolution, es.count(relative))
    macs = int(es.count(scaled(b0, phi)).macs)
    assert found.change == int(found.cost.macs) / macs - 1


@pytest.mark.parametrize("phi", [-1, 0, 1, 3])
def test_where_nothing_pays_there_is_no_hint(b0: Spec, phi: float) -> None:
    assert hint(b0, scaled(b0, phi)) is None


def test_a_smaller_image_goes_before_a_published_relative(b0: Spec) -> None:
    near = scaled(b0, 2)  # 1.81 G MACs, as B3 has 1.83 G, and 296 px
    found = hint(b0, near)
    assert found is not None
    assert found.kind == "resolution"
    assert abs(int(es.count(es.load("b3")).macs) / int(es.count(near).macs) - 1) < 0.1


def test_a_smaller_image_may_be_oblong(b0: Spec) -> None:
    found = hint(b0, at_resolution(scaled(b0, 4), (392, 456)))
    assert found is not None
    assert found.resolution == (384, 448)


def test_no_image_is_made_smaller_than_the_total_stride() -> None:
    stages = [
        MBConv(
            block="mbconv", kernel=3, stride=8, expand_ratio=1, channels=8, repeats=1
        )
    ] * 2
    spec = Spec(
        name="steep",
        resolution=(130, 130),
        stem=(Conv(kernel=(3, 3), stride=(2, 2), channels=8),),
        stages=tuple(stages),
        head=Head(channels=8, classes=2),
    )
    assert least_sides(spec) == (128, 128)
    assert hint(spec, spec) is None


@pytest.mark.parametrize(
    ("variants", "name"),
    [
        ({"far": 192, "near": 224, "next": 232}, "near"),
        ({"next": 216, "near": 220}, "near"),
        ({"much": 256, "little": 192}, None),  # a third more, a quarter less
    ],
)
def test_the_nearest_relative_is_hinted_at(
    b0: Spec, variants: dict[str, int], name: str | None
) -> None:
    found = hint(related(b0, variants), b0)
    assert (found.name if found else None) == name


def test_a_spec_without_relatives_has_none_to_hint_at(b0: Spec) -> None:
    assert hint(related(b0, {}), scaled(b0, 3.5)) is None
