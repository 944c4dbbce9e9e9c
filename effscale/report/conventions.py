"""One network in the number that another tool prints, and what makes the difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.cost.conventions import VERSIONS, figure, terms
from effscale.report.document import Column, quantity

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from effscale.cost.conventions import Term, Tool
    from effscale.report.rows import Data

_UNITS = ((10**9, " G"), (10**6, " M"), (10**3, " k"), (1, ""))
#: How many of the smallest term make a unit at least.
SMALL = 20


def heading(found: Counter[str], tool: Tool | None) -> tuple[str, str]:
    """The line that reconciles a tool's figure, fvcore's where none was asked for."""
    tool = tool or "fvcore"
    whose = f"{tool}'" if tool.endswith("s") else f"{tool}'s"
    return "elsewhere", f"{whose} {sentence(terms(found, tool))}"


def sentence(made: Sequence[Term]) -> str:
    """`401.7 M = 385.8 M MACs + 13.5 M batch norm + 2.4 M pooling`.

    In a unit that leaves no term at nothing, with as many decimals as it takes for the
    printed figures to add up.
    """
    total = sum(each.times * each.amount for each in made)
    least = min(each.amount for each in made)
    unit, letter = next((u for u in _UNITS if least * SMALL >= u[0]), _UNITS[-1])
    places = min(1, unit - 1)
    while unit > 10**places and not _adds_up(made, total, unit // 10**places):
        places += 1

    def show(amount: int) -> str:
        steps = _rounded(amount, unit // 10**places)
        return f"{steps / 10**places:,.{places}f}{letter}"

    said = " + ".join(
        f"{f'{each.times} × ' if each.times > 1 else ''}{show(each.amount)} {each.name}"
        for each in made
    )
    return f"{show(total)} = {said}"


def _rounded(amount: int, step: int) -> int:
    """How many steps there are in an amount, to the nearest, halves up."""
    return (2 * amount + step) // (2 * step)


def _adds_up(made: Sequence[Term], total: int, step: int) -> bool:
    """Whether the figures add up when each is rounded to whole steps."""
    steps = (each.times * _rounded(each.amount, step) for each in made)
    return sum(steps) == _rounded(total, step)


def restated(found: Counter[str], tool: Tool) -> Data:
    """The tool's figure and its terms, for JSON."""
    return {
        "tool": tool,
        "version": VERSIONS.get(tool),
        "total": figure(found, tool),
        "terms": {each.name: each.times * each.amount for each in terms(found, tool)},
    }


def column(tool: Tool) -> Column:
    """The column of the restated figures."""
    return Column(tool, "restated", quantity)
