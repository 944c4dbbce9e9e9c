"""One test of many values: all that it fails for are named."""

from __future__ import annotations

from functools import wraps
from inspect import Parameter, signature
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")
Test: TypeAlias = "Callable[..., None]"


def of_each(values: Iterable[T], shares: int = 1) -> Callable[[Test], Test]:
    """Give a test each of the values as its first argument; the others are fixtures.

    pytest takes three milliseconds to collect, start and report a test: hundreds that
    are alike are some tests, each of a share of the values.
    """
    every = list(values)

    def of(test: Test) -> Test:
        @wraps(test)
        def shared(share: int, **fixtures: object) -> None:
            hold(test, every[share::shares], **fixtures)

        asked = signature(test)
        _, *others = asked.parameters.values()
        parameters = [Parameter("share", Parameter.POSITIONAL_OR_KEYWORD), *others]
        shared.__signature__ = asked.replace(parameters=parameters)  # type: ignore[attr-defined]
        return pytest.mark.parametrize("share", range(shares))(shared)

    return of


def hold(test: Test, values: Iterable[T], **fixtures: object) -> None:
    """Call the test with each value, and raise together what it raised of any."""
    failed = dict[str, BaseException]()
    for value in values:
        try:
            test(value, **fixtures)
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - is raised
            error.add_note(f"of {value}")
            failed[str(value)] = error
    if failed:
        raise BaseExceptionGroup(", ".join(failed), list(failed.values()))
