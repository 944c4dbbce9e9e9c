"""Tests of `effscale.growth.scale`: Spec to Spec."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from hypothesis import given

import effscale as es
from effscale.errors import ScaleError
from effscale.growth.rounding import EXACT
from effscale.growth.scale import at_resolution, numbers, variant, with_classes
from effscale.spec.models import POLICIES, Published, Variant
from tests.examples import examples
from tests.parts import head_of, stages, stem
from tests.spec import small
from tests.strategies import specs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: es.load("b0", classes=0), "classes: expected a whole number from 1"),
        (lambda: es.load("b0", classes=True), "classes: expected a whole number"),
        (lambda: es.load("b0", resolution=(64, -1)), "expected pixels, or height and"),
        (lambda: es.load("b0", resolution=cast("Any", (64,))), "resolution: expected "),
        (lambda: es.load("b0", resolution=cast("Any", "64x32")), "expected pixels"),
        (lambda: es.load("b0", resolution=0), "expected pixels.*, got 0"),
        (lambda: es.load(cast("Any", ["b0"])), "expected a spec's name or path, got"),
        (lambda: es.variant(es.load("lcnet"), "x"), "lcnet: variants: expected one of"),
    ],
)
def test_what_no_network_has_is_refused(call: Callable[[], es.Spec], said: str) -> None:
    with pytest.raises(ScaleError, match=said):
        call()


@examples(20)
@given(spec=specs())
def test_phi_zero_is_the_spec_itself(spec: es.Spec) -> None:
    assert es.scale(spec, es.compound(0)) is spec


def test_stem_stages_and_head_grow_wider(b0: es.Spec) -> None:
    wide = es.scale(b0, es.Multipliers(width=2.0))
    assert stem(wide).channels == 64
    widths = [stage.channels for stage in stages(wide)]
    assert widths == [32, 48, 80, 160, 224, 384, 640]
    assert head_of(wide).channels == 2560
    assert [stage.repeats for stage in stages(wide)] == [1, 2, 2, 3, 3, 4, 1]
    assert wide.resolution == (224, 224)


def test_every_stage_grows_deeper(b0: es.Spec) -> None:
    deep = es.scale(b0, es.Multipliers(depth=1.1))
    assert [stage.repeats for stage in stages(deep)] == [2, 3, 3, 4, 4, 5, 2]
    assert (deep.stem, head_of(deep)) == (b0.stem, head_of(b0))


def test_height_and_width_of_the_image_grow_each(b0: es.Spec) -> None:
    wide = b0.model_copy(update={"resolution": (224, 448)})
    # 257.6 and 515.2
    assert es.scale(wide, es.Multipliers(resolution=1.15)).resolution == (256, 512)


def test_all_else_stays(b0: es.Spec) -> None:
    scaled = es.scale(b0, es.compound(3))
    assert (scaled.image_channels, head_of(scaled).classes) == (3, 1000)
    assert (head_of(scaled).dropout, scaled.stochastic_depth) == (0.2, 0.2)
    assert [(each.kernel, each.stride, each.se_ratio) for each in stages(scaled)] == [
        (each.kernel, each.stride, each.se_ratio) for each in stages(b0)
    ]
    assert (scaled.name, scaled.rounding) == (b0.name, b0.rounding)


def test_figures_and_variants_speak_of_the_baseline_alone(b0: es.Spec) -> None:
    assert b0.expected
    assert b0.published
    assert b0.variants
    for other in (
        es.scale(b0, es.compound(1)),
        at_resolution(b0, (256, 256)),
        with_classes(b0, 10),
    ):
        assert (other.expected, other.published, other.variants) == (None, None, {})


def test_stated_input_channels_do_not_outlive_scaling(b0: es.Spec) -> None:
    first = b0.stages[0].model_copy(update={"c_in": 32})
    stated = b0.model_copy(update={"stages": (first, *b0.stages[1:])})
    assert stages(es.scale(stated, es.Multipliers(width=2)))[0].c_in is None


def test_a_scaled_spec_is_a_legal_file(b0: es.Spec) -> None:
    scaled = es.scale(b0, es.compound(-1))
    assert es.loads(es.dumps(scaled)) == scaled


def test_other_rules_may_be_asked_for(b0: es.Spec) -> None:
    scaled = es.scale(b0, es.Multipliers(depth=1.5, width=1.5), rules=EXACT)
    assert (stages(scaled)[0].repeats, stages(scaled)[1].channels) == (1.5, 36)


def test_arrays_of_multipliers_give_a_spec_of_arrays(b0: es.Spec) -> None:
    depth, width = np.array([1.0, 1.1]), np.array([2.0, 1.0])
    scaled = es.scale(b0, es.Multipliers(depth, width, np.array([1.0, 1.15])))
    assert np.asarray(stem(scaled).channels).tolist() == [64, 32]
    assert np.asarray(stages(scaled)[0].repeats).tolist() == [1, 2]
    assert np.asarray(scaled.resolution[0]).tolist() == [224, 256]


def test_a_number_of_numpy_s_gives_one_network(b0: es.Spec) -> None:
    scaled = es.scale(b0, es.Multipliers(*np.array([1.1, 1.2, 1.3])))
    assert type(stem(scaled).channels) is int
    assert scaled == es.scale(b0, es.Multipliers(1.1, 1.2, 1.3))


@pytest.mark.parametrize(
    ("multipliers", "message"),
    [
        (
            es.Multipliers(resolution=0.1),
            "resolution: expected at least 32 (the network's total stride), got 24",
        ),
        (
            es.Multipliers(width=1000),
            "head.channels: expected at most 1048576 after scaling, got 1.28e+06",
        ),
        (
            es.Multipliers(depth=10_000),
            "stages[1].repeats: expected at most 10000 after scaling, got 20000",
        ),
    ],
)
def test_what_leads_to_no_network_is_refused(
    b0: es.Spec, multipliers: es.Multipliers, message: str
) -> None:
    with pytest.raises(ScaleError) as caught:
        es.scale(b0, multipliers)
    assert str(caught.value) == f"b0 scaled: {message}"


def test_an_image_may_have_any_size_that_the_strides_leave_a_pixel_of(
    b0: es.Spec,
) -> None:
    assert at_resolution(b0, (32, 33)).resolution == (32, 33)
    with pytest.raises(ScaleError) as caught:
        at_resolution(b0, (32, 31))
    assert str(caught.value) == (
        "b0 at 32×31 px: resolution: expected at least 32 (the network's total "
        "stride), got 31"
    )


def test_classes_change_the_classifier_alone(b0: es.Spec) -> None:
    few = with_classes(b0, 10)
    assert head_of(few) == head_of(b0).model_copy(update={"classes": 10})
    assert (few.stages, few.resolution) == (b0.stages, b0.resolution)
    # a weight for each of 1280 channels, and a bias, for each of 990 classes
    assert es.count(b0).params - es.count(few).params == 990 * 1281


def test_a_variant_has_its_own_multipliers_size_dropout_and_figures(
    b0: es.Spec,
) -> None:
    b2, given = es.variant(b0, "b2"), b0.variants["b2"]
    assert (b2.name, b2.resolution, head_of(b2).dropout) == ("b2", (260, 260), 0.3)
    assert (stem(b2).channels, head_of(b2).channels) == (32, 1408)
    assert [stage.repeats for stage in stages(b2)] == [2, 3, 3, 4, 4, 5, 2]
    assert (b2.expected, b2.published) == (given.expected, given.published)
    assert b2.variants == {}


def test_a_variant_that_says_no_dropout_keeps_the_baseline_s(b0: es.Spec) -> None:
    plain = b0.variants["b1"].model_copy(
        update={"dropout": None, "published": Published(top1=1.0)}
    )
    found = es.variant(b0.model_copy(update={"variants": {"b1": plain}}), "b1")
    assert head_of(found).dropout == head_of(b0).dropout
    assert found.published == Published(top1=1.0)


def test_a_variant_may_state_repeats_and_rounding_of_its_own(b0: es.Spec) -> None:
    given = Variant(
        resolution=(192, 192),
        family="mine",
        width_multiplier=1.1,
        repeats=(1, 1, 2, 2, 3, 3, 1),
        rounding=POLICIES["tinynet"],
    )
    found = es.variant(b0.model_copy(update={"variants": {"v": given}}), "v")
    assert numbers(found, "repeats") == [1, 1, 2, 2, 3, 3, 1]
    assert (found.family, found.rounding) == ("mine", POLICIES["tinynet"])
    # the stem is fixed; 24 · 1.1 = 26.4 is 24; the head grows
    assert (found.stem, head_of(found).channels) == (b0.stem, 1408)
    assert numbers(found, "channels")[:3] == [16, 24, 48]


def test_a_variant_may_state_channels_of_its_own() -> None:
    spec = es.loads(
        "name: n\nresolution: 32\nhead: {channels: 16}\n"
        "blocks: {own: [{kernel: 1, channels: 8}, {kernel: 3}]}\n"
        "stem: [{kernel: 3, channels: 8}, {block: norm}, {kernel: 3, channels: 8}]\n"
        "stages:\n"
        "  - {block: fused_mbconv, kernel: 3, stride: 1, expand_ratio: 1, c_in: 8,"
        " channels: 8, repeats: 1}\n"
        "  - {block: max_pool, kernel: 3}\n"
        "  - {block: own, channels: 8, repeats: 2}\n"
        "  - {block: conv, kernel: 3, channels: 8, groups: 4}\n"
        "variants:\n"
        "  v: {width_multiplier: 2, resolution: 32, channels: [16, 24, 40, 24, 56]}\n"
        "  odd: {resolution: 32, channels: [16, 24, 40, 24, 54]}\n"
    )
    found = es.variant(spec, "v")
    assert numbers(found, "channels") == [32, 16, 24, 40, 24, 56, 16]
    with pytest.raises(ScaleError) as caught:
        es.variant(spec, "odd")
    assert str(caught.value) == (
        "<text>:10:51: odd at 32×32 px: stages[3].groups: "
        "expected a divisor of 54 channels, got 4"
    )


@pytest.mark.parametrize(
    ("own", "wrong"),
    [
        ("channels: [16, 40]", "group_width: expected a divisor of 40 channels inside"),
        ("channels: [16, 8]", "group_width: expected a divisor of 8 channels inside"),
        ("stages: {group_width: 12}", "group_width: expected a divisor of 64 channels"),
    ],
)
def test_what_a_variant_states_is_judged_of_lines_that_fit_by_themselves(
    own: str, wrong: str
) -> None:
    spec = es.loads(
        "name: n\nresolution: 32\nhead: {}\nstem: {kernel: 3, channels: 8}\nstages:\n"
        "  - {block: bottleneck, stride: 1, channels: 64, group_width: 16, repeats: 1}"
        f"\nvariants: {{v: {{resolution: 32, {own}}}}}\n"
    )
    with pytest.raises(ScaleError, match=f"v at 32×32 px: stages\\[0\\].{wrong}"):
        es.variant(spec, "v")


def test_stated_channels_are_judged_and_not_those_that_they_stand_for() -> None:
    spec = es.loads(
        "name: n\nresolution: 32\nnorm: {kind: group, groups: 8}\nhead: {}\n"
        "stem: {kernel: 3, stride: 2, channels: 16}\nrounding: {channel_divisor: 4}\n"
        "stages: [{block: basic, kernel: 3, stride: 1, channels: 16, repeats: 1}]\n"
        "variants:\n"
        "  v: {width_multiplier: 1.2, resolution: 32, channels: [24, 24]}\n"
    )
    assert numbers(es.variant(spec, "v"), "channels") == [24, 24]
    with pytest.raises(ScaleError, match="expected a divisor of 20 channels"):
        es.scale(spec, es.Multipliers(width=1.2))


def test_what_a_scaled_network_could_not_be_is_said() -> None:
    spec = es.loads(
        "name: n\nresolution: 32\nstem: {kernel: 3, channels: 12}\nhead: {}\nstages:\n"
        "  - {block: residual, layers: [{kernel: 3, channels: 12}]}\n"
        "rounding: {stem: fixed}\n"
    )
    with pytest.raises(ScaleError) as caught:
        es.scale(spec, es.Multipliers(width=2.0))
    assert str(caught.value) == (
        "<text>:6:31: n scaled: stages[0].layers: expected 12 channels of 32×32 px "
        "(the shortcut's), got 24 channels of 32×32 px; "
        "expand_ratio: 1 keeps those that come in, a projection makes others"
    )


@pytest.mark.parametrize(
    ("dimension", "stages", "rounding", "message"),
    [
        (
            "depth",
            "{block: norm}",
            "{}",
            (
                "<text>:5:9: depth: n has no stage that repeats; repeats: 1 on the "
                "line of a block makes it one, strategy wr scales width and resolution "
                "alone"
            ),
        ),
        (
            "width",
            "{block: norm}",
            "{stem: fixed}",
            "<text>:5:9: width: n has no width that scales",
        ),
    ],
)
def test_a_multiplier_that_nothing_follows_is_refused(
    dimension: str, stages: str, rounding: str, message: str
) -> None:
    spec = es.loads(
        "name: n\nresolution: 32\nstem: {kernel: 3, channels: 8}\nhead: {}\n"
        f"stages: [{stages}]\nrounding: {rounding}\n"
    )
    with pytest.raises(ScaleError) as caught:
        es.scale(spec, es.Multipliers(**{dimension: 2.0}))
    assert str(caught.value) == message


@pytest.mark.parametrize("reference", ["b4", "b0@b4", "efficientnet-b4"])
def test_a_published_variant_is_a_name(b0: es.Spec, reference: str) -> None:
    assert es.load(reference) == es.variant(b0, "b4")


def test_a_file_s_variant_is_a_name_too(b0: es.Spec, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(es.dumps(b0))
    assert es.load(path) == b0
    assert es.load(f"{path}@b4") == es.variant(b0, "b4")


def test_classes_without_a_linear_layer_are_refused(b0: es.Spec) -> None:
    head = head_of(b0).model_copy(update={"classifier": False})
    with pytest.raises(ScaleError) as caught:
        with_classes(b0.model_copy(update={"head": head}), 10)
    assert str(caught.value) == "classes: b0 has no linear classifier"


def test_a_variant_s_own_repeats_are_of_every_stage_ends_that_stay_included() -> None:
    lite = es.load("efficientnet-lite0")
    given = {"repeats": tuple(range(2, 9)), "resolution": (224, 224)}
    own = lite.variants["efficientnet-lite1"].model_copy(update=given)
    spec = lite.model_copy(update={"variants": {"own": own}})
    stages = variant(spec, "own").stages
    assert [getattr(line, "repeats", None) for line in stages] == [*range(2, 9)]


def test_what_is_fixed_stays_as_it_is() -> None:
    spec = small.lines(
        "{block: own, fixed: true, wide: 16, channels: 24, repeats: 2}",
        "{block: own, wide: 16, channels: 24, repeats: 2}",
        blocks="""
  own:
    parameters: {wide: 8}
    layers: [{kernel: 1, channels: $wide, fixed: true}, {kernel: 1}]
""",
    )
    first, second = es.scale(spec, es.Multipliers(depth=2, width=2)).stages
    assert first == spec.stages[0]
    assert second == spec.stages[1].model_copy(update={"channels": 48, "repeats": 4})


def test_what_is_no_other_when_it_is_scaled_is_not_copied() -> None:
    spec = small.lines(
        "{block: own, channels: 24, repeats: 2}",
        "{block: own, channels: 24, fixed: true}",
        "{block: max_pool, kernel: 3}",
        blocks="own: [{kernel: 1}, {block: residual, layers: [{kernel: 3}]}]",
    )
    scaled = es.scale(spec, es.Multipliers(width=2))
    assert scaled.blocks is spec.blocks
    wide, fixed, pool = scaled.stages
    assert wide == spec.stages[0].model_copy(update={"channels": 48})
    assert fixed is spec.stages[1]
    assert pool is spec.stages[2]


def test_a_product_with_one_position_scales_with_its_map() -> None:
    steps = "[{block: product, branches: [[], [{block: global_pool}]]}]"
    spec = small.lines(
        "{block: conv, kernel: 3, channels: 8}", head=f"{{layers: {steps}, classes: 2}}"
    )
    scaled = es.scale(spec, es.Multipliers(resolution=2.0))
    assert es.count(scaled).params == es.count(spec).params


def test_heads_of_levels_are_as_deep_at_any_depth() -> None:
    deep = es.scale(es.load("retinanet-resnet50-fpn"), es.Multipliers(depth=2))
    assert getattr(deep.outputs["boxes"], "repeats", None) == 4
    assert [getattr(line, "repeats", None) for line in deep.stages][:4] == [6, 8, 12, 6]


def test_parameters_of_fixed_steps_stay() -> None:
    spec = es.loads("""
name: small
resolution: 32
blocks:
  scale: [{block: layer_scale}]
  scales: {parameters: {inside: 1}, layers: [{block: scale, repeats: $inside}]}
  unit:
    parameters: {switch: 0, times: 1, wide: 8}
    layers:
      - {kernel: 1, channels: $wide, fixed: true}
      - {block: scales, inside: $switch, fixed: true}
      - {block: scale, repeats: $times}
      - {kernel: 3}
stem: {kernel: 3, stride: 2, channels: 8}
stages: [{block: unit, switch: 1, times: 2, wide: 8, channels: 16, repeats: 2}]
head: {channels: 16}
""")
    (line,) = es.scale(spec, es.Multipliers(depth=2, width=2)).stages
    assert line.model_extra == {"switch": 1, "times": 4, "wide": 8}
