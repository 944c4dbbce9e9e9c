"""The kinds of value that are several whole numbers: sides, levels, widths by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import core_schema

from effscale.spec.fields import Whole

if TYPE_CHECKING:
    from effscale.spec.fields import Handler


@dataclass(frozen=True)
class Pair(Whole):
    """Two whole numbers, rows and columns; one stands for both."""

    @property
    def expected(self) -> str:
        """Range included."""
        return f"{super().expected}, or [rows, columns]"

    def schema(self) -> core_schema.CoreSchema:
        """One or two, strictly."""
        one = super().schema()
        two = core_schema.list_schema(one, min_length=2, max_length=2, strict=True)
        return core_schema.union_schema([one, two])

    def check(self, value: Any, handler: Handler) -> Any:  # noqa: ANN401
        """A tuple, of one number twice where only one is given."""
        found = super().check(
            list(value) if isinstance(value, tuple) else value, handler
        )
        return (found, found) if isinstance(found, int) else tuple(found)


@dataclass(frozen=True)
class Range(Whole):
    """Two whole numbers that rise: the lowest and the highest."""

    @property
    def expected(self) -> str:
        """Range included."""
        return f"[lowest, highest] of whole numbers from {self.low} to {self.high}"

    def schema(self) -> core_schema.CoreSchema:
        """Two, strictly."""
        one = super().schema()
        return core_schema.list_schema(one, min_length=2, max_length=2, strict=True)

    def check(self, value: Any, handler: Handler) -> Any:  # noqa: ANN401
        """A tuple; refuse one that does not rise, as any other mistake."""

        def rising(given: Any) -> Any:  # noqa: ANN401
            low, high = handler(given)
            return (low, high) if low < high else handler(None)

        return super().check(list(value) if isinstance(value, tuple) else value, rising)


@dataclass(frozen=True)
class OneOrEach(Whole):
    """A whole number, or one for each block of a stage, the last for all after it."""

    @property
    def expected(self) -> str:
        """Range included."""
        return f"{super().expected}, or a list with one for each block"

    def schema(self) -> core_schema.CoreSchema:
        """One, or a list that is not empty, strictly."""
        one = super().schema()
        each = core_schema.list_schema(one, min_length=1, max_length=100, strict=True)
        return core_schema.union_schema([one, each])

    def check(self, value: Any, handler: Handler) -> Any:  # noqa: ANN401
        """A number, or a tuple of several."""
        found = super().check(
            list(value) if isinstance(value, tuple) else value, handler
        )
        return tuple(found) if isinstance(found, list) else found
