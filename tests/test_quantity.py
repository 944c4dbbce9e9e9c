"""Tests of `effscale.quantity`: numbers as people write them, read and written."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from effscale.quantity import agrees, human, parse
from tests.examples import examples

some = examples(40)

LETTERS = {"": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("007", 7),
        ("400M", 400_000_000),
        ("1.5G", 1_500_000_000),
        ("5.29M", 5_290_000),
        ("0.39B", 390_000_000),
        ("0.70B", 700_000_000),
        (".5k", 500),
        ("200K", 200_000),
        ("1.001k", 1001),
        ("2T", 2 * 10**12),
        ("3.000", 3),
        (" 37 B ", 37 * 10**9),
        ("1234567890123456789012345678901", 1234567890123456789012345678901),
    ],
)
def test_a_quantity_is_read_exactly(text: str, number: int) -> None:
    found = parse(text)
    assert type(found) is int
    assert found == number


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "k", ".", "1.", "-1", "+1", "1e3", "1_000", "1,5G", "1.5g", "5.3m",
        "1KB", "1.2.3M", "1 k k", "nan", "inf", "0x10", "0.5", "1.0005k",
        "1.0000000000000000000000000000001k",
    ],
)  # fmt: skip
def test_what_is_no_quantity_or_no_whole_one_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a quantity") as caught:
        parse(text)
    message = f"expected a quantity such as 1.5G or 400M, got {text!r}"
    assert str(caught.value) == message


@some
@given(st.integers(0, 10**18), st.sampled_from("kMGBT"))
def test_reading_undoes_writing(number: int, letter: str) -> None:
    power = LETTERS["G" if letter == "B" else letter]
    assert parse(str(number)) == number
    assert parse(f"{number}{letter}") == number * 10**power
    assert parse(f"{Decimal(number).scaleb(-power):f}{letter}") == number


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        # Tan & Le 2019, arXiv:1905.11946v5, table 2; exact: specs/b0.yaml, counted.
        ("5.3M", 5_288_548),
        ("0.39B", 385_814_752),
        ("1.0B", 993_561_872),
        ("12M", 12_233_232),
        ("66M", 66_347_960),
        ("37B", 37_745_884_192),  # cut, not rounded
        # Table 5, without the classifier: B3, cut.
        ("10M", 10_696_232),
    ],
)
def test_published_figures_agree_with_the_exact_ones(text: str, exact: int) -> None:
    assert agrees(text, exact)


@pytest.mark.parametrize(
    ("text", "exact"),
    [("0.70B", 686_802_832), ("9.2M", 9_109_994)],  # table 2: MACs of B1, params of B2
)
def test_slips_of_the_paper_do_not_agree(text: str, exact: int) -> None:
    assert not agrees(text, exact)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("5.3M", 5_250_000, 5_399_999),
        ("12M", 11_500_000, 12_999_999),
        ("12.00M", 11_995_000, 12_009_999),
        ("0.70B", 695_000_000, 709_999_999),
        ("7", 7, 7),
        ("2k", 1500, 2999),
        (".5k", 450, 599),
    ],
)
def test_half_a_digit_below_and_a_digit_above_is_where_agreement_ends(
    text: str, first: int, last: int
) -> None:
    inside = (first, last)
    outside = (first - 1, last + 1)
    assert [agrees(text, exact) for exact in inside] == [True, True]
    assert [agrees(text, exact) for exact in outside] == [False, False]


@some
@given(st.integers(1, 10**15), st.integers(0, 3), st.sampled_from("kMGT"))
def test_a_number_agrees_with_itself_rounded_or_cut(
    number: int, places: int, letter: str
) -> None:
    unit = Decimal(1).scaleb(-places)
    scaled = Decimal(number).scaleb(-LETTERS[letter])
    for way in (ROUND_HALF_EVEN, ROUND_DOWN):
        assert agrees(f"{scaled.quantize(unit, way):f}{letter}", number)


def test_agreement_with_what_is_no_quantity_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a quantity") as caught:
        agrees("large", 3)
    message = "expected a quantity such as 1.5G or 400M, got 'large'"
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (0.0, "0"),
        (1, "1"),
        (-5, "-5"),
        (999, "999"),
        (1000, "1.00 k"),
        (-1500, "-1.50 k"),
        (12_345, "12.3 k"),
        (999_499, "999 k"),
        (999_500, "1.00 M"),
        (999_999, "1.00 M"),
        (5_288_548, "5.29 M"),
        (385_814_752, "386 M"),
        (37_745_884_192, "37.7 G"),
        (999_500_000, "1.00 G"),
        (10**12, "1.00 T"),
        (10**15, "1.00 P"),
        (10**18, "1.00 E"),
        (0.5, "0.500"),
        (0.001, "0.00100"),
        (2.5, "2.50"),
        (999.4, "999"),
        (999.6, "1.00 k"),
        (1234.5, "1.23 k"),
    ],
)
def test_a_number_is_written_to_three_digits(number: float, text: str) -> None:
    assert human(number) == text


@pytest.mark.parametrize(
    ("digits", "text"), [(1, "400 M"), (2, "390 M"), (3, "386 M"), (5, "385.81 M")]
)
def test_the_digits_can_be_chosen(digits: int, text: str) -> None:
    assert human(385_814_752, digits) == text


@examples(100)
@given(
    st.integers(1, 999_499 * 10**15)
    | st.floats(1, 9e20)
    | st.builds(lambda power, off: 10**power + off, st.integers(3, 20), st.just(-1))
)
def test_the_mantissa_is_below_1000_and_near_the_number(number: float) -> None:
    mantissa, _, letter = human(number).partition(" ")
    assert 1 <= Decimal(mantissa) < 1000
    shown = Decimal(mantissa).scaleb(LETTERS[letter])
    assert abs(shown - Decimal(number)) <= Decimal(number) * Decimal("0.005")


@some
@given(st.integers(1, 10**20))
def test_a_negative_number_is_the_positive_one_behind_its_sign(number: int) -> None:
    assert human(-number) == f"-{human(number)}"
