"""Tests of `effscale.spec.models`: defaults, policies, what a spec says of itself."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from effscale.spec.lines import MBConv
from effscale.spec.models import POLICIES, Coefficients, Rounding, Spec, Squeeze
from effscale.spec.neck import Anchors, Heads, Neck
from effscale.spec.norm import Norm
from effscale.spec.values import Model
from tests.parts import head_of
from tests.spec.small import spec


def test_defaults_are_the_published_ones() -> None:
    small = spec()
    # tpu/models/official/efficientnet/efficientnet_builder.py:187-188; torch's
    # momentum is 1 - 0.99.
    assert small.norm == Norm(eps=1e-3, momentum=0.01)
    # efficientnet_model.py, round_filters and round_repeats.
    published = Rounding(channel_divisor=8, max_channel_loss=0.1, repeats="ceil")
    assert small.rounding == published
    assert small.rounding.resolution_multiple == 8
    # Tan & Le 2019, arXiv:1905.11946v5, section 3.3.
    assert small.coefficients == Coefficients(alpha=1.2, beta=1.1, gamma=1.15)
    assert (small.image_channels, small.activation) == (3, "silu")
    assert (head_of(small).classes, head_of(small).dropout) == (1000, 0)
    assert isinstance(stage := small.stages[0], MBConv)
    assert (stage.c_in, stage.se_ratio) == (None, 0)
    assert small.squeeze_excite == Squeeze(
        of="input", at="middle", divisor=1, activation=None, gate="sigmoid"
    )
    assert (small.stochastic_depth, small.variants) == (0, {})
    optional = (small.family, small.source, small.expected, small.published)
    assert optional == (None, None, None, None)


def test_a_layer_norms_epsilon_is_convnexts_unless_stated() -> None:
    # torchvision/models/convnext.py: partial(LayerNorm2d, eps=1e-6)
    assert spec("norm", {"kind": "layer"}).norm.eps == 1e-6
    assert spec("norm", {"kind": "layer", "eps": 1e-3}).norm.eps == 1e-3
    assert spec("norm", {"kind": "batch"}).norm == Norm() == Norm(eps=1e-3)


@pytest.mark.parametrize(
    ("policy", "rules"),
    [
        # efficientnet_model.py:106-130, effnetv2_model.py:84-95, pycls's scaler.py,
        # timm's _efficientnet_builder.py:232-267.
        ("efficientnet", (8, 0.1, "up", "ceil", *["scaled"] * 3, 8)),
        ("efficientnetv2", (8, 1.0, "up", "ceil", *["scaled"] * 3, 8)),
        (
            "pycls",
            (
                *(8, 1.0, "even", "round"),
                *("mbconv", "scaled", "scaled", "fixed", "ratio", 4),
            ),
        ),
        ("timm", (8, 0.1, "up", "round", *["scaled"] * 3, 8)),
        # tpu/models/official/efficientnet/lite; timm's efficientnet.py:1188-1208
        ("lite", (8, 0.1, "up", "ceil", *["fixed"] * 3, 8)),
        ("tinynet", (8, 0.1, "up", "round", "fixed", "grows", "scaled", 8)),
    ],
)
def test_rounding_may_be_a_policy_by_name(
    policy: str, rules: tuple[object, ...]
) -> None:
    rounding = spec("rounding", policy).rounding
    assert tuple(rounding.model_dump().values()) == rules
    assert spec("rounding", rounding.model_dump()).rounding == rounding
    assert len(POLICIES) == 7


@pytest.mark.parametrize("value", ["keras", "", "Timm"])
def test_a_policy_of_another_name_is_refused(value: str) -> None:
    with pytest.raises(ValidationError) as caught:
        spec("rounding", value)
    (detail,) = caught.value.errors()
    assert (detail["type"], detail["loc"]) == ("kind", ("rounding",))


def test_a_variant_changes_nothing_unless_it_says_so() -> None:
    variant = spec("variants.b1.resolution", 64).variants["b1"]
    assert (variant.depth_multiplier, variant.width_multiplier) == (1, 1)
    assert (variant.dropout, variant.expected, variant.published) == (None, None, None)


@pytest.mark.parametrize(
    ("value", "sides"), [(64, (64, 64)), ([64, 32], (64, 32)), ((64, 32), (64, 32))]
)
def test_a_resolution_is_one_side_or_two(value: object, sides: tuple[int, int]) -> None:
    read = spec("resolution", value)
    assert read.resolution == sides
    assert read.model_dump()["resolution"] == (64 if value == 64 else [64, 32])


def test_the_product_of_the_coefficients_is_the_law() -> None:
    # 1.2 · 1.1² · 1.15² = 1.92027, which section 3.3 of the paper rounds to 2.
    assert Coefficients().product == pytest.approx(1.92027, rel=1e-12)
    assert Coefficients(alpha=2, beta=3, gamma=5).product == 2 * 9 * 25


def test_what_was_read_stays_as_it_is() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(spec(), "name", "other")  # noqa: B010 - mypy knows that it is frozen


def test_equal_files_are_equal_networks() -> None:
    assert spec("stages.0.se_ratio", 0) == spec("resolution", 32) == spec()
    assert spec("stages.0.se_ratio", 0.5) != spec()
    assert spec("stages.0.c_in", 8) != spec()


def test_the_printed_form_shows_what_the_file_states() -> None:
    shown = dict(spec("activation", "relu").__rich_repr__())
    assert list(shown) == ["name", "resolution", "activation", "stem", "stages", "head"]
    assert (shown["resolution"], shown["activation"]) == ((32, 32), "relu")


def unjudged() -> list[Model]:
    """What stands for what a file leaves out, which pydantic has not read."""
    defaults = [
        field.default
        for model in (Spec, Neck, Heads)
        for field in model.model_fields.values()
    ]
    steps = [each for value in defaults if isinstance(value, tuple) for each in value]
    found = [*defaults, *steps, *POLICIES.values()]
    return [each for each in found if isinstance(each, Model)]


def test_defaults_are_as_pydantic_reads_them() -> None:
    assert {type(each) for each in unjudged()} > {Norm, Rounding, Squeeze, Anchors}
    for each in unjudged():
        said = {name: getattr(each, name) for name in each.model_fields_set}
        read = type(each)(**said)
        assert vars(each) == vars(read)
        assert each.model_fields_set == read.model_fields_set
