"""Tests of `effscale.spec.dumping`: a spec written is the spec that was read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import effscale as es
from effscale.spec.dumping import dumps
from effscale.spec.loading import loads
from effscale.spec.models import Expected, Published, Variant
from tests.examples import examples
from tests.strategies import detectors, graphs, specs

if TYPE_CHECKING:
    from effscale.spec.models import Spec

some = examples(20)

WRITTEN = """\
# small
#  and square
name: small
resolution: 32
image_channels: 3
activation: silu
norm: {eps: 0.001, momentum: 0.01}
squeeze_excite: {of: input, at: middle, divisor: 1, gate: sigmoid}
padding: centred
stochastic_depth: 0.0
stem: {block: conv, kernel: 3, stride: 2, channels: 8}
stages:
- {block: mbconv, kernel: 3, stride: 1, expand_ratio: 1, channels: 8, repeats: 1}
- {block: mbconv, kernel: 5, stride: 2, expand_ratio: 6, c_in: 8, channels: 16, repeats: 2, se_ratio: 0.25}
head: {channels: 16, classes: 1000, dropout: 0.0, bias: true, classifiers: 1, classifier: true}
rounding: {channel_divisor: 8, max_channel_loss: 0.1, ties: up, repeats: ceil, stem: scaled, head: scaled, ends: scaled, resolution_multiple: 8}
coefficients: {alpha: 1.2, beta: 1.1, gamma: 1.15}
"""  # noqa: E501 - a stage a line
READ = """\
name: small
resolution: [32, 32]
stem: {kernel: 3, stride: 2, channels: 8}
stages:
  - {block: mbconv, kernel: 3, stride: 1, expand_ratio: 1, channels: 8, repeats: 1}
  - block: mbconv
    kernel: 5
    stride: 2
    expand_ratio: 6
    c_in: 8
    channels: 16
    repeats: 2
    se_ratio: 0.25
head: {channels: 16}
"""


def again(spec: Spec) -> Spec:
    return loads(dumps(spec))


def test_a_stage_is_a_line_below_the_comment_and_defaults_are_written_out() -> None:
    assert dumps(loads(READ), "small\n and square") == WRITTEN


def test_what_was_written_is_written_the_same_again() -> None:
    assert dumps(loads(WRITTEN), "small\n and square") == WRITTEN


@pytest.mark.parametrize(
    ("stated", "written"),
    [
        ("{kind: layer}", "{kind: layer, eps: 1.0e-06}"),
        ("{kind: layer, eps: 0.5}", "{kind: layer, eps: 0.5}"),
        ("{kind: batch}", "{eps: 0.001, momentum: 0.01}"),
        ("{momentum: 0.5}", "{eps: 0.001, momentum: 0.5}"),
    ],
)
def test_a_norm_is_written_as_its_kind_has_it(stated: str, written: str) -> None:
    spec = loads(f"norm: {stated}\n{READ}")
    assert f"\nnorm: {written}\n" in dumps(spec)
    assert again(spec) == spec


@pytest.mark.parametrize("key", ["groups", "group_width"])
def test_a_number_of_groups_that_is_null_is_as_none_stated(key: str) -> None:
    wide = READ.replace(": 8", ": 32").replace(": 16", ": 32")
    spec = loads(f"norm: {{kind: group, {key}: null}}\n{wide}")
    assert spec == loads(f"norm: group\n{wide}")
    assert "\nnorm: {kind: group, eps: 1.0e-05, groups: 32}\n" in dumps(spec)
    assert again(spec) == spec


@some
@given(specs() | detectors() | graphs())
def test_a_network_reads_back_equal(spec: Spec) -> None:
    assert again(spec) == spec


def test_the_baseline_reads_back_equal_with_its_variants(b0: Spec) -> None:
    assert len(b0.variants) >= 9
    assert again(b0) == b0
    assert es.count(again(b0)) == es.count(b0)


def test_a_detector_reads_back_equal_with_its_variants() -> None:
    d0 = es.load("d0")
    assert len(d0.variants) >= 8
    assert again(d0) == d0
    for name in d0.variants:
        variant = es.variant(d0, name)
        assert again(variant) == variant


@pytest.mark.parametrize("name", ["b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8", "l2"])
def test_each_variant_reads_back_equal(b0: Spec, name: str) -> None:
    variant = es.variant(b0, name)
    assert variant != b0
    assert again(variant) == variant


@some
@given(st.text(min_size=1, max_size=200), st.floats(0, 1), st.floats(1e-300, 100))
def test_any_text_and_number_reads_back_equal(
    b0: Spec, source: str, share: float, multiplier: float
) -> None:
    variant = Variant(
        resolution=(64, 32),
        depth_multiplier=multiplier,
        expected=Expected(macs=2**100),
        published=Published(params="0.70B", source=source),
    )
    update = {"source": source, "stochastic_depth": share, "variants": {"v": variant}}
    spec = b0.model_copy(update=update)
    assert again(spec) == spec


@pytest.mark.parametrize(
    "source",
    [
        "\x85", "a\x85b", "a\u2028b", "\x00", "a\tb", " a ", "a\n\n b\r\n", "x" * 300,
        "\ufeff", "- a", "a: b", "#", "'", '"', "😀", "{", "---", "a # b",
    ],
)  # fmt: skip
def test_odd_texts_read_back_equal(b0: Spec, source: str) -> None:
    spec = b0.model_copy(update={"source": source})
    assert again(spec) == spec


@pytest.mark.parametrize(
    "name", ["3", "1e5", "1.5", "0x1F", "0o7", "no", "Off", "null", "2019-05-28", "1_0"]
)
def test_a_name_that_looks_like_something_else_stays_a_name(
    b0: Spec, name: str
) -> None:
    spec = b0.model_copy(
        update={"name": name, "family": name, "variants": {name: b0.variants["b1"]}}
    )
    assert again(spec) == spec


def test_figures_that_are_absent_stay_absent(b0: Spec) -> None:
    update = {"expected": Expected(), "published": Published(top1=77.1), "family": None}
    spec = b0.model_copy(update={**update, "variants": {}})
    text = dumps(spec)
    assert "null" not in text
    assert "family" not in text
    assert loads(text) == spec


def test_an_output_of_the_last_line_does_not_say_what_it_reads() -> None:
    outputs = "outputs: {mask: {kind: segment, classes: 3}}"
    spec = loads(READ.replace("head: {channels: 16}", outputs))
    assert "reads" not in dumps(spec)
    assert again(spec) == spec


def test_a_word_that_stands_for_a_parameter_is_written() -> None:
    spec = loads("""\
name: own
resolution: 32
blocks:
  own: {parameters: {around: same}, layers: [{kernel: 3, padding: $around}]}
stem: {kernel: 3, channels: 8}
stages: [{block: own, channels: 16, repeats: 2}]
head: {classes: 3}
""")
    assert "padding: $around" in dumps(spec)
    assert loads(dumps(spec)) == spec
