"""Tests of `tests.each`: what goes through many values hides none that fails."""

from __future__ import annotations

import pytest

from tests.each import hold, of_each


def test_all_that_fail_are_named() -> None:
    def is_odd(number: int) -> None:
        assert number % 2

    hold(is_odd, [1, 3])
    with pytest.raises(ExceptionGroup) as caught:
        hold(is_odd, [1, 2, 3, 4])
    assert caught.value.message == "2, 4"
    assert [each.__notes__ for each in caught.value.exceptions] == [["of 2"], ["of 4"]]


@of_each(range(5), shares=2)
def test_shares_are_tested_apart(number: int, request: pytest.FixtureRequest) -> None:
    assert f"[{number % 2}]" in request.node.name
