"""Text of strangers in any format, and small tables of HTML for notebooks.

A note, a reference or a path may hold what a terminal, a browser or a spreadsheet would
obey. Whatever prints it lets it through here.
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from effscale.arrays import is_array

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


#: Signs that begin a formula in a spreadsheet (OWASP, CSV Injection).
_FORMULA = tuple("=+-@")
#: What JSON may hold as it is, and a terminal obeys; the rest it escapes by itself.
_OBEYED = "[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
#: What begins something else than text in Markdown: HTML, links, code, cells.
_MARKED = r"([\\`<|\[])"


def plain(text: str) -> str:
    """The text in one line, without what a terminal would obey.

    Nor is it a command of GitHub's, which begins a line with two colons.
    """
    if text.isprintable() and not text.startswith("::"):
        return text
    kept = (c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text)
    line = "".join(kept)
    return f"\ufffd{line.lstrip()}" if line.lstrip().startswith("::") else line


#: Signs of ours, and what stands for them where a code page has them not.
SIGNS = {
    "α": "alpha",
    "β": "beta",
    "γ": "gamma",
    "φ": "phi",
    "×": "x",
    "·": "*",
    "→": "->",
    "√": "sqrt ",
    "²": "^2",
    "≥": ">=",
    "≤": "<=",
    "≠": "!=",
    "≈": "~",
    "─": "-",
    "│": "|",
    "…": "...",
    "±": "+-",
    "µ": "u",
    "–": "-",
    "−": "-",
    "✓": "ok",
    "✗": "not",
    "★": "*",
    "◆": "+",
    "▲": "^",
    "▼": "v",
    "↑": "^",
    "↓": "v",
    "⌊": "floor(",
    "⌋": ")",
    "ε": "epsilon",
    "⁰": "^0",
    "¹": "^1",
    **{sign: f"^{k}" for k, sign in enumerate("³⁴⁵⁶⁷⁸⁹", 3)},
    **dict.fromkeys("█▉▊▋▌", "#"),  # bars stay as wide as they are
    **dict.fromkeys("▍▎▏", " "),
}


def legible(error: UnicodeError) -> tuple[str, int]:
    """What is printed for signs that a code page has not; `?` for those of others.

    A handler for `codecs.register_error`.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(SIGNS.get(sign, "?") for sign in signs), error.end


#: The name of that handler, of streams and of `str.encode`.
LEGIBLE = "legible"
codecs.register_error(LEGIBLE, legible)


def spelled(text: str, encoding: str) -> str:
    """The text in signs that an encoding has."""
    return text.encode(encoding, LEGIBLE).decode(encoding)


def lines(text: str) -> str:
    """What `plain` makes of a text of several lines, line by line."""
    return "\n".join(map(plain, text.split("\n")))


def in_markdown(text: str) -> str:
    """The text as Markdown that says just that."""
    return re.sub(_MARKED, r"\\\1", plain(text))


def in_csv(value: object) -> object:
    """A value as a cell that no spreadsheet takes for a formula."""
    if not isinstance(value, str):
        return value
    text = plain(value)
    formula = len(text) > 1 and text.lstrip().startswith(_FORMULA)
    return f"'{text}" if formula and not _is_number(text) else text


def in_json(text: str) -> str:
    """JSON that says the same, without signs that a terminal obeys."""
    return re.sub(_OBEYED, lambda found: f"\\u{ord(found[0]):04x}", text)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def figures(title: str, values: Mapping[str, object]) -> str:
    """A table of one row: a column for each value, under its name."""
    return table(title, [values])


def table(title: str, rows: Sequence[Mapping[str, object]]) -> str:
    """Rows under the keys that they have; what a row has not stays empty."""
    from html import escape  # of notebooks alone, and its entities are many

    keys = dict.fromkeys(key for row in rows for key in row)
    head = "".join(f"<th>{escape(plain(key))}</th>" for key in keys)
    body = "".join(
        f"<tr>{''.join(f'<td>{shown(row.get(key))}</td>' for key in keys)}</tr>"
        for row in rows
    )
    caption = f"<caption>{escape(plain(title))}</caption>"
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
    from html import escape

    return escape(plain(str(value)))
