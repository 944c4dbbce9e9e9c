"""Tests of `effscale.checking.fix`: what is mended, what is left, and that it stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from effscale.checking.catalogue import RULES, applies_to
from effscale.checking.fix import checked, edited, fixed
from effscale.checking.run import check
from effscale.checking.source import Source
from effscale.errors import Edit
from tests.checking.corpus import FILES, findings, source
from tests.each import of_each
from tests.examples import examples
from tests.spec.small import TEXT as SMALL

if TYPE_CHECKING:
    from effscale.checking.rule import Applies

EVERYTHING: set[Applies] = {"safe", "unsafe", "update"}
STAGE = (
    "{block: mbconv, kernel: 3, stride: 1, expand_ratio: 1, channels: 8, repeats: 1}"
)


def mended(text: str, *applies: Applies) -> str:
    """A text after everything that `applies` says, safe fixes by default."""
    found, _ = fixed(Source.of("x", text), RULES, applies or ("safe",))
    return found.text


def codes(found: Source) -> list[str]:
    return [finding.code for finding in check(found)]


@of_each(FILES, shares=4)
def test_what_is_fixed_is_better_and_stays_and_all_that_was_said_to_be(
    name: str,
) -> None:
    before = source(name)
    promised = [finding for finding in findings(name) if applies_to(finding)]
    sorts: tuple[set[Applies], ...] = ({"safe"}, EVERYTHING)
    for applies in sorts:
        after, count = fixed(before, RULES, applies)
        left = check(after)
        assert (count > 0) == (after.text != before.text)
        assert len(after.faults) <= len(before.faults)
        if len(after.faults) == len(before.faults):
            assert len(left) <= len(findings(name))
        if count:
            assert fixed(after, RULES, applies) == (after, 0)
        if applies == {"safe"} and name.startswith("loads"):
            assert after.spec == before.spec
        if applies == EVERYTHING:
            assert count >= len(promised)
            assert not [each for each in left if applies_to(each)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("stem: {kernal: 3,", "stem: {kernel: 3,"),
        ("head: {chanels: 16}", "head: {channels: 16}"),
        ("'resolutoin': 32", "resolution: 32"),
        ("stem: {stride: 2, kernel: 3,", "stem: {kernel: 3, stride: 2,"),
    ],
)
def test_safe_fixes(before: str, after: str) -> None:
    text = SMALL.replace(after, before)
    assert text != SMALL
    assert mended(text) == SMALL


def test_comments_and_layout_survive_a_new_order() -> None:
    text = (
        "# the head of the file\nname: small\nresolution: 32   # pixels\n\n"
        "# why this head\nhead: {channels: 16}  # narrow\n\n# stages\n"
        f"stages:\n  - {STAGE}\n\n"
        "stem:\n  # at first\n  stride: 2\n  kernel: 3  # odd\n  channels: 8\n"
    )
    assert mended(text) == (
        "# the head of the file\nname: small\nresolution: 32   # pixels\n\n"
        "stem:\n  kernel: 3  # odd\n  # at first\n  stride: 2\n  channels: 8\n\n"
        f"# stages\nstages:\n  - {STAGE}\n\n"
        "# why this head\nhead: {channels: 16}  # narrow\n"
    )


def test_a_mapping_in_a_list_is_put_in_order_behind_its_dash() -> None:
    lines = ["  - stride: 1", "    block: mbconv", "    kernel: 3", "    repeats: 1"]
    lines += ["    expand_ratio: 1", "    channels: 8"]
    text = SMALL.replace(f"  - {STAGE}", "\n".join(lines))
    found = mended(text).splitlines()
    assert found[4:10] == [
        "  - block: mbconv",
        "    kernel: 3",
        "    stride: 1",
        "    expand_ratio: 1",
        "    channels: 8",
        "    repeats: 1",
    ]


@pytest.mark.parametrize(
    "stem",
    [
        "{stride: 2, ? kernel : 3, channels: 8}",
        "{stride: 2, # twice\n  kernel: 3, channels: 8}",
        "{channels: &c 8, kernel: 3, stride: 2}\nsource: *c",
    ],
)
def test_an_order_that_one_cannot_be_sure_of_is_left(stem: str) -> None:
    text = SMALL.replace("{kernel: 3, stride: 2, channels: 8}", stem)
    after, _ = fixed(Source.of("x", text), RULES, {"safe"})
    assert after.spec == Source.of("x", text).spec


def test_a_key_that_would_be_there_twice_is_left() -> None:
    text = SMALL.replace("stem: {kernel: 3,", "stem: {kernel: 3, kernal: 5,")
    assert mended(text, *EVERYTHING) == text


def test_an_unused_ignore_goes_with_the_blanks_before_it() -> None:
    text = SMALL.replace("32\n", "32   # effscale: ignore[EFF206]\n")
    assert mended(text) == SMALL


def test_an_ignore_keeps_the_codes_that_are_used() -> None:
    text = SMALL.replace("32\n", "31  # effscale: ignore[EFF206,EFF203]\n")
    assert mended(text) == SMALL.replace("32\n", "31  # effscale: ignore[EFF206]\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("resolution: 31", "resolution: 32"),
        ("resolution: [33, 30]", "resolution: [34, 30]"),
        ("resolution: 1", "resolution: 2"),
        ("activation: silou\nresolution: 32", "activation: silu\nresolution: 32"),
    ],
)
def test_unsafe_fixes_change_the_network(before: str, after: str) -> None:
    text = SMALL.replace("resolution: 32", before)
    assert mended(text) == text or "activation" in before
    assert mended(text, "unsafe") == SMALL.replace("resolution: 32", after)


def test_a_width_takes_the_stated_input_of_the_next_stage_with_it() -> None:
    second = STAGE.replace("channels: 8", "c_in: 12, channels: 24")
    text = SMALL.replace(STAGE, STAGE.replace("channels: 8", "channels: 12"))
    text = text.replace("head:", f"  - {second}\nhead:")
    found = mended(text, "unsafe")
    assert "expand_ratio: 1, channels: 16," in found
    assert "c_in: 16, channels: 24" in found


def test_an_update_writes_what_is_counted() -> None:
    text = SMALL + "expected: {params: 1, macs: 2}  # exact\n"
    found = mended(text, "update")
    assert found == SMALL + "expected: {params: 17560, macs: 138880}  # exact\n"
    assert mended(text) == text


def test_edits_are_made_where_they_are() -> None:
    edits = [Edit(3, 4, "D"), Edit(0, 1, ""), Edit(5, 5, "!")]
    assert edited("abcde", edits) == "bcDe!"


LINES = SMALL.splitlines(keepends=True)


@examples(60)
@given(st.permutations(LINES[:3] + LINES[5:]), st.sampled_from(["", "# a\n", "\n"]))
def test_any_order_of_sections_is_mended(order: list[str], between: str) -> None:
    tail = "".join(LINES[3:5])
    text = between.join([*order, tail])
    after, _ = fixed(Source.of("x", text), RULES, {"safe"})
    assert codes(after) == []
    assert after.spec == Source.of("x", SMALL).spec
    assert sorted(after.text.splitlines()) == sorted(text.splitlines())


TYPO = SMALL.replace("stem: {kernel", "stem: {kernal")


def test_no_comment_becomes_data_where_a_file_does_not_load() -> None:
    comment = "  # effscale: ignore[EFF206] see ticket 7"
    text = TYPO.replace("small\n", f"small{comment}\n")
    assert mended(text) == SMALL.replace("small\n", "small\n")
    broken = text.replace("stride: 2", "stride: no", 1)
    assert mended(broken) == broken.replace("kernal", "kernel")


@pytest.mark.parametrize("reason", ["", " the camera's", " as in #12: {so", " it's"])
def test_a_used_ignore_stays_with_its_reason(reason: str) -> None:
    comment = f"  # effscale: ignore[EFF206]{reason}\n"
    odd = TYPO.replace("32\n", f"31{comment}")
    assert mended(odd) == odd.replace("kernal", "kernel")


def test_of_an_ignore_used_in_part_the_reason_stays() -> None:
    text = SMALL.replace("32\n", "31  # effscale: ignore[EFF206, EFF201] why #7\n")
    assert mended(text) == text.replace(", EFF201", "")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("head: {", "haed: {"),
        ("stages:\n", "stagse:\n"),
        ("{block: mbconv", "{blok: mbconv"),
        ("stem: {kernel", "stem: {blcok: conv, kernel"),
        ("head: {channels", "haed: {chanels"),
    ],
)
def test_one_typo_is_one_error_and_is_mended(before: str, after: str) -> None:
    text = SMALL.replace(before, after)
    assert codes(Source.of("x", text)) == ["EFF102"]
    assert codes(Source.of("x", mended(text))) == []


def test_a_rename_that_only_shows_another_fault_is_left() -> None:
    text = SMALL.replace("head: {", "head: {dropuot: high, ")
    assert codes(Source.of("x", text)) == ["EFF102"]
    assert mended(text) == text


def test_a_number_in_another_base_becomes_the_one_that_yaml_reads() -> None:
    text = SMALL.replace("resolution: 32", "resolution: 0100")
    assert mended(text, "safe") == text
    assert mended(text, "unsafe") == SMALL.replace("resolution: 32", "resolution: 64")


@pytest.mark.parametrize("applies", [set(), {"safe"}])
def test_what_was_read_of_a_file_is_gone_when_the_next_is_read(
    applies: set[Applies],
) -> None:
    given = [Source.of("a", SMALL), Source.of("b", SMALL)]
    outcome = checked(given, frozenset(RULES), applies)
    kept = [*given, *(each.source for each in outcome.files)]
    assert all(vars(each).keys().isdisjoint({"reading", "networks"}) for each in kept)
