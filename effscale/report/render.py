"""A report in its formats: text, Markdown, CSV, JSON; on a terminal, tables."""

from __future__ import annotations

import codecs
import io
import json
import os
import re
import sys
from typing import TYPE_CHECKING, Any, TextIO

from effscale.extras import RICH
from effscale.markup import in_csv, in_json
from effscale.report import plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from effscale.report.document import Format, Report, Row

_JSON = json.JSONEncoder(indent=2, ensure_ascii=False, allow_nan=False)


def show(report: Report, form: Format, file: TextIO | None = None) -> None:
    """Print `report` to `file`, standard output by default.

    On a terminal in its colours and width; elsewhere as wide as it needs to be.
    """
    out = file or sys.stdout
    encoding = getattr(out, "encoding", None) or "utf-8"
    if form == "table" and codecs.lookup(encoding).name != "utf-8":
        report = report.spelled(encoding)
    if RICH and form == "table" and (out.isatty() or os.environ.get("FORCE_COLOR")):
        from effscale.report import terminal

        terminal.show(report, out)
    else:
        out.write(text(report, form))


def shown_anew(reports: Iterable[Report]) -> None:
    """Show each of the reports in the place of the one before, and clear the last.

    On a terminal; elsewhere none of them is shown.
    """
    if RICH and sys.stdout.isatty():
        from effscale.report import terminal

        terminal.shown_anew(reports)
    else:
        for _ in reports:
            pass


def text(report: Report, form: Format) -> str:
    """What `show` prints, without colour, nothing folded or cut."""
    match form:
        case "json":
            return in_json(_JSON.encode(report.data)) + "\n"
        case "csv":
            return _csv(report)
        case "markdown" | "table":
            laid = plain.lines(report, markdown=form != "table")
            lines = (line.rstrip() for line in laid)
            return re.sub(r"\n{3,}", "\n\n", "\n".join(lines).strip("\n")) + "\n"


def _csv(report: Report) -> str:
    import csv

    records = [_flat(row) for row in report.records]
    if not records:
        return ""
    out = io.StringIO()
    # A row may say what others need not: why it is not explained.
    columns = dict.fromkeys(key for each in records for key in each)
    writer = csv.DictWriter(out, list(columns))
    writer.writeheader()
    writer.writerows(records)
    return out.getvalue()


def _flat(row: Row) -> dict[str, Any]:
    """A row of single values: an image as `392x392`, what nests left to JSON."""
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if value and isinstance(value, list) and all(type(x) is int for x in value):
            flat[key] = "x".join(map(str, value))
        elif not isinstance(value, list | dict):
            flat[key] = in_csv(value)
    return flat
