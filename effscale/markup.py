"""Small tables of HTML, which notebooks show in place of a result's repr."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from effscale.arrays import is_array

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def figures(title: str, values: Mapping[str, object]) -> str:
    """A table of one row: a column for each value, under its name."""
    return table(title, [values])


def table(title: str, rows: Sequence[Mapping[str, object]]) -> str:
    """Rows under the keys that they have; what a row has not stays empty."""
    keys = dict.fromkeys(key for row in rows for key in row)
    head = "".join(f"<th>{escape(key)}</th>" for key in keys)
    body = "".join(
        f"<tr>{''.join(f'<td>{shown(row.get(key))}</td>' for key in keys)}</tr>"
        for row in rows
    )
    caption = f"<caption>{escape(title)}</caption>"
    return (
        f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def shown(value: object) -> str:
    """A value as a cell has it: `5,288,548`; of candidates, how many, from and to."""
    if value is None:
        return ""
    if is_array(value):
        low, high = (shown(getattr(value, name)().item()) for name in ("min", "max"))
        return f"{getattr(value, 'size')} from {low} to {high}"  # noqa: B009 - an array's
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, tuple | list) and all(isinstance(n, int) for n in value):
        return "×".join(map(str, value))
    return escape(str(value))
