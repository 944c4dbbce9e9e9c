"""Tests of `effscale.spec.variants`: a variant's own keys of lines."""

from __future__ import annotations

import pytest

import effscale as es
from effscale.errors import SpecError

TEXT = """\
name: small
resolution: 32
blocks:
  unit:
    parameters: {wide: null, size: 3, act: relu}
    layers: [{kernel: $size, channels: $wide, activation: $act}, {kernel: 1}]
stem: {kernel: 3, stride: 2, channels: 8}
stages:
  - {block: unit, wide: 16, channels: 8, repeats: 2}
  - {block: unit, wide: 16, size: 5, channels: 16, repeats: 2}
  - {block: bottleneck, stride: 2, channels: 32, c_mid: 16, group_width: 4, repeats: 1}
head: {channels: 16, classes: 10}
"""


def own(said: str) -> es.Spec:
    """The variant that has all this of its own."""
    variants = f"variants: {{v: {{resolution: 32, {said}}}}}\n"
    return es.variant(es.loads(TEXT + variants), "v")


def written(*changes: tuple[str, str]) -> es.Spec:
    """The network with other words in its file."""
    text = TEXT.replace("small", "v")
    for old, new in changes:
        text = text.replace(old, new, 1)
    return es.loads(text)


def test_a_variant_says_what_its_file_could_have_said() -> None:
    found = own(
        "stem: {kernel: 5, stride: 4}, "
        "stages: {wide: [8, 24], size: [5, 7], group_width: 8}"
    )
    other = written(
        ("kernel: 3, stride: 2", "kernel: 5, stride: 4"),
        ("wide: 16", "wide: 8, size: 5"),
        ("wide: 16, size: 5", "wide: 24, size: 7"),
        ("group_width: 4", "group_width: 8"),
    )
    assert found == other
    assert es.count(found) == es.count(other)
    assert es.count(own("stages: {wide: 24}")) == es.count(
        written(("wide: 16", "wide: 24"), ("wide: 16", "wide: 24"))
    )


def test_a_variant_pads_where_it_says() -> None:
    found = own("padding: tensorflow")
    assert found == written(("resolution: 32", "resolution: 32\npadding: tensorflow"))
    assert own("phi: 1").padding == "centred"


def test_a_file_with_such_variants_is_written_and_read() -> None:
    listed = "variants: {v: {resolution: 32, stages: {wide: [8, 24], size: 7}}}\n"
    spec = es.loads(TEXT + listed)
    again = es.loads(es.dumps(spec))
    assert again == spec
    assert es.variant(again, "v") == es.variant(spec, "v")


def test_what_is_wrong_is_said_at_the_place_in_the_variant() -> None:
    keys = "wide, size, act, stride, c_mid, group_width"
    which = f"expected one of {keys}, which lines of stages have not as by default"
    wrong = {
        "stages: {wid: 3}": f"wid: {which}, got 'wid'; did you mean 'wide'?",
        "stages: {channels: 8}": f"channels: {which}, got 'channels'",
        "stages: {kernel: 3}": f"kernel: {which}, got 'kernel'",
        "stages: {size: 7, wide: [8, 16, 24]}": "wide: expected 2, one value for each "
        "line with wide, got 3",
        "stages: {wide: [8, relu]}": "wide[1]: expected a whole number from 1 to "
        "1048576, or a list with one for each block, got 'relu'",
        "stages: {group_width: 2.5}": "group_width: expected a whole number from 1 to "
        "1048576, got 2.5",
        "stages: {wide: $wide}": "wide: expected no parameter outside of blocks, got "
        "'$wide'",
        "stem: {kernel: 0}": "kernel: expected a whole number from 1 to 64, or "
        "[rows, columns], got 0",
    }
    for said, expected in wrong.items():
        with pytest.raises(SpecError) as caught:
            own(said)
        section = said.partition(":")[0]
        assert f"variants.v.{section}.{expected}" in str(caught.value), said


def test_a_value_of_a_parameter_may_leave_a_step_out() -> None:
    without = written(("size: 3", "size: 0"), ("size: 5", "size: 0"))
    assert es.count(own("stages: {size: 0}")) == es.count(without)
