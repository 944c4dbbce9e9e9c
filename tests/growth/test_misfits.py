"""What no longer fits at another size or width is a fault of its line."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import pytest
import yaml

from effscale.cost.count import count
from effscale.errors import ScaleError, SpecError
from effscale.growth.multipliers import Multipliers
from effscale.growth.scale import at_resolution, scale, variant
from effscale.search.networks import LeftOut, scaled
from effscale.spec.loading import examine, loads
from tests.fuzz.mutants import small

STEM = {"kernel": 3, "stride": 2, "channels": 16}
GROUPS = {"kind": "group", "groups": 8}


def spec(*stages: dict[str, Any], resolution: int = 64, **more: Any) -> str:  # noqa: ANN401
    data = {"name": "net", "resolution": resolution, "stem": STEM, "stages": stages}
    return yaml.safe_dump({**data, "head": {"classes": 4}, **more}, sort_keys=False)


UNSHUFFLED = {"block": "pixel_unshuffle", "factor": 2}
BRANCHED = {
    "block": "concat",
    "branches": [
        [{"kernel": 2, "stride": 2, "padding": "valid"}],
        [{"kernel": 3, "stride": 2}],
    ],
}
READ = (
    {"name": "half", "block": "conv", "kernel": 3, "stride": 2, "channels": 8},
    {"block": "upsample", "factor": 2, "reads": "half"},
    {"name": "both", "block": "join", "reads": ["stem", "stage 2"]},
)


def test_which_sides_fit_is_said() -> None:
    with pytest.raises(ScaleError, match=r"; multiples of 4 px fit$"):
        at_resolution(loads(spec(*READ)), (70, 70))
    net = loads(spec(*READ, rounding={"resolution_multiple": 2}))
    said = r"fit, and rounding: \{resolution_multiple: 4\} scales to them$"
    with pytest.raises(ScaleError, match=said):
        scale(net, Multipliers(resolution=70 / 64))


@pytest.mark.parametrize(
    ("stages", "side", "said"),
    [
        ((UNSHUFFLED,), 70, "stages[0].factor: expected one that divides 35×35 px"),
        ((BRANCHED,), 54, "stages[0].branches[1]: expected 13×13 px, got 14×14 px"),
        (READ, 70, "stages[2].reads[1]: expected 35×35 px (of stem), got 36×36 px"),
    ],
)
def test_lines_that_do_not_fit_at_another_size_are_named(
    stages: tuple[dict[str, Any], ...], side: int, said: str
) -> None:
    net = loads(spec(*stages))
    with pytest.raises(ScaleError, match=re.escape(f"net at {side}×{side} px: {said}")):
        at_resolution(net, (side, side))
    listed = {"big": {"resolution": side}}
    with pytest.raises(ScaleError, match=re.escape(said)):
        variant(loads(spec(*stages, variants=listed)), "big")


BASIC = {"block": "basic", "kernel": 3, "stride": 1, "channels": 16, "repeats": 2}
TWICE = {"block": "twice", "channels": 16, "wide": 24, "repeats": 2}
LAYERS = [{"kernel": 1, "channels": "$wide"}, {"kernel": 1}]
OWN = {"twice": {"parameters": {"wide": None}, "layers": LAYERS}}


@pytest.mark.parametrize(
    ("stages", "given", "place", "said"),
    [
        (BASIC, {"width": 1e5}, "6:13", "stem.channels: expected at most 1048576"),
        (BASIC, {"depth": 1e4}, "12:12", "stages[0].repeats: expected at most 10000"),
        (BASIC, {"resolution": 2e3}, "2:13", "resolution: expected at most 65536"),
        (TWICE, {"width": 6e4}, "10:9", "stages[0].wide: expected at most 1048576"),
    ],
)
def test_numbers_out_of_range_are_told_where_the_file_has_them(
    stages: dict[str, Any], given: dict[str, float], place: str, said: str
) -> None:
    net = loads(spec(stages, blocks=OWN if stages is TWICE else {}), "my.yaml")
    with pytest.raises(ScaleError) as caught:
        scale(net, Multipliers(**given))
    assert str(caught.value).startswith(f"my.yaml:{place}: net scaled: {said}")


def test_what_a_backbone_brings_is_told_at_its_name() -> None:
    neck = {"channels": 16, "levels": [3, 7], "wiring": "bifpn", "repeats": 1}
    data = {"name": "d", "backbone": "b0", "resolution": 128, "neck": neck}
    net = loads(yaml.safe_dump({**data, "heads": {"repeats": 1}}), "my.yaml")
    said = r"^my.yaml:1:11: d scaled: stages\[0\].repeats: expected at most 10000"
    with pytest.raises(ScaleError, match=said):
        scale(net, Multipliers(depth=20_000))
    said = r"^my.yaml:6:13: d scaled: neck.channels: expected at most 1048576"
    with pytest.raises(ScaleError, match=said):
        scale(net, Multipliers(neck_width=100_000))


def test_groups_that_no_longer_divide_a_scaled_width_are_named() -> None:
    block = {"block": "basic", "kernel": 3, "stride": 1, "channels": 16, "repeats": 1}
    rounding = {"channel_divisor": 4}
    net = loads(spec(block, norm=GROUPS, rounding=rounding))
    said = "net scaled: stem: expected a divisor of 20 channels, got 8 groups"
    with pytest.raises(ScaleError, match=re.escape(said)):
        scale(net, Multipliers(width=1.2))


def test_of_many_candidates_those_with_wrong_groups_are_left_out() -> None:
    import numpy as np

    block = {"block": "basic", "kernel": 3, "stride": 1, "channels": 16, "repeats": 1}
    net = loads(spec(block, norm=GROUPS, rounding={"channel_divisor": 4}))
    left = LeftOut()
    found = scaled(net, Multipliers(width=np.array([1.0, 1.2, 1.5])), left)
    assert found is not None
    assert (list(found.kept), left.number) == ([0, 2], 1)
    shuffled = loads(
        spec({"block": "channel_shuffle", "groups": 8}, rounding={"channel_divisor": 4})
    )
    found = scaled(shuffled, Multipliers(width=np.array([1.0, 1.2, 1.5])), left)
    assert found is not None
    assert list(found.kept) == [0, 2]


@pytest.mark.parametrize(
    ("line", "more", "said"),
    [
        (
            {"block": "mbconv", "kernel": 3, "stride": 1, "expand_ratio": 1},
            {"squeeze_excite": {"norm": True}},
            "stages[0].se_ratio: expected several numbers to normalise, got 2 channels",
        ),
        (
            {"block": "basic", "kernel": 3, "stride": 1},
            {"squeeze_excite": {"norm": True, "of": "gated"}},
            "stages[0].se_ratio: expected several numbers to normalise, got 2 channels",
        ),
        (
            {"block": "bottleneck", "stride": 1, "group_width": 8},
            {"norm": {"kind": "group", "groups": 4}},
            "stages[0]: expected a divisor of 6 channels, got 4 groups",
        ),
    ],
)
def test_norms_within_blocks_are_those_of_their_line(
    line: dict[str, Any], more: dict[str, Any], said: str
) -> None:
    own = {"channels": 16, "repeats": 2, "se_ratio": 0.125}
    if "norm" in more:
        own = {"channels": 12, "c_mid": 24, "reduce_ratio": 0.34, "repeats": 1}
    stem = {"kernel": 3, "stride": 2, "channels": 12 if "norm" in more else 16}
    given = {"norm": {"kind": "instance"}, **more, "stem": stem}
    stages = {**line, **own}
    with pytest.raises(SpecError) as refused:
        loads(spec(stages, **given))
    assert any(said in fault.said for fault in refused.value.faults)
    assert all(fault.line > 1 for fault in refused.value.faults)


NORMS = [
    {"kind": "group", "groups": 4},
    {"kind": "group", "group_width": 1},
    {"kind": "instance"},
]


@pytest.mark.parametrize("norm", NORMS, ids=str)
def test_what_loads_or_is_scaled_is_built(norm: dict[str, Any]) -> None:
    """Of every kind of line: a fault comes before, or there is a network."""
    built = 0
    for each in small():
        own = {"norm": norm != NORMS[0], **each.get("squeeze_excite", {})}
        given = {"name": "m", **each, "norm": norm, "squeeze_excite": own}
        reading = examine(yaml.safe_dump(given, sort_keys=False))
        assert all(fault.line for fault in reading.faults)
        if reading.spec is None or reading.faults:
            continue
        count(reading.spec)
        with suppress(ScaleError):
            count(scale(reading.spec, Multipliers(width=1.3, resolution=1.3)))
            built += 1
    assert built > 5


def test_what_fits_another_image_is_built() -> None:
    sides, built = (33, 54, 70), 0
    for each in small():
        net = loads(yaml.safe_dump({"name": "m", **each}, sort_keys=False))
        for side in sides:
            with suppress(ScaleError):
                count(at_resolution(net, (side, side)))
                built += 1
    assert 2 * built > len(sides) * len(small())


def test_a_projection_that_nothing_needs_is_not_made() -> None:
    """Its pool would have no middle where nothing strides."""
    projection = [
        {"block": "avg_pool", "kernel": 2, "stride": "$stride"},
        {"kernel": 1},
    ]
    layers = [{"kernel": 3, "stride": "$stride"}]
    residual = {"block": "residual", "layers": layers, "projection": projection}
    unit = {"parameters": {"stride": 1}, "layers": [residual]}
    line = {"block": "unit", "channels": 16, "repeats": 2}
    net = loads(spec(line, blocks={"unit": unit}))
    assert count(net) == count(loads(spec({**line}, blocks={"unit": skipping(unit)})))
    with pytest.raises(SpecError, match="expected odd sides, or padding: valid"):
        loads(spec({**line, "channels": 24}, blocks={"unit": unit}))


def skipping(unit: dict[str, Any]) -> dict[str, Any]:
    """The block with a shortcut in the place of its projection."""
    (residual,) = unit["layers"]
    plain = {key: value for key, value in residual.items() if key != "projection"}
    return {**unit, "layers": [plain]}


def test_groups_wider_than_a_block_are_its_fault_alone() -> None:
    line = {"block": "bottleneck", "stride": 1, "channels": 8, "repeats": 1}
    with pytest.raises(SpecError, match="expected a divisor of 8 channels inside"):
        loads(spec({**line, "group_width": 16, "reduce_ratio": 0.5}))
