"""The kinds of value that are quantities as people write them: 5.3M, <= 400M."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import core_schema

from effscale import quantity
from effscale.spec.fields import Kind

if TYPE_CHECKING:
    from effscale.spec.fields import Handler

#: How a quantity is written, for those who read patterns.
QUANTITY = r"([0-9]+([.][0-9]+)?|[.][0-9]+) ?[kMGBT]?"


@dataclass(frozen=True)
class Rounded(Kind):
    """A published figure as printed, `5.3M`: its digits say how it was rounded."""

    @property
    def expected(self) -> str:
        """With the examples that show the letters."""
        return "a quantity as printed, such as 5.3M or 0.39B"

    def schema(self) -> core_schema.CoreSchema:
        """A text, so that 0.70B keeps its zero."""
        return core_schema.str_schema(strict=True, pattern=rf"^{QUANTITY}$")

    def check(self, value: Any, handler: Handler) -> Any:  # noqa: ANN401
        """Refuse what `quantity.parse` cannot read."""

        def readable(text: Any) -> Any:  # noqa: ANN401
            quantity.parse(handler(text))
            return text

        return super().check(value, readable)


@dataclass(frozen=True)
class Most(Kind):
    """A limit, `<= 400M`: what a cost may come to."""

    @property
    def expected(self) -> str:
        """With an example, since the sign is part of it."""
        return "a limit such as <= 400M"

    def schema(self) -> core_schema.CoreSchema:
        """A text, since a number alone would not say which way it limits."""
        return core_schema.str_schema(strict=True, pattern=rf"^<= ?{QUANTITY}$")

    def check(self, value: Any, handler: Handler) -> Any:  # noqa: ANN401
        """Refuse what `quantity.parse` cannot read."""

        def readable(text: Any) -> Any:  # noqa: ANN401
            quantity.parse(handler(text).removeprefix("<="))
            return text

        return super().check(value, readable)
