"""Rules explained: in full, in a list, as a table, as JSON."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

from effscale.version import STAMP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.checking.rule import Rule

WIDTH = 80
_MENDED = {
    "safe": "effscale check --fix",
    "unsafe": "effscale check --fix --unsafe-fixes",
    "update": "effscale check --update",
}


def explained(rule: Rule) -> str:
    """A rule in full: what it finds, why that matters, what to write instead."""
    mended = _MENDED.get(str(rule.applies), "by hand")
    paragraphs = [
        f"{rule.code} {rule.name} ({rule.severity})",
        textwrap.fill(rule.what, WIDTH),
        textwrap.fill(rule.why, WIDTH),
        f"Instead of\n\n{textwrap.indent(rule.bad, '    ')}",
        f"write\n\n{textwrap.indent(rule.good, '    ')}",
        f"Fixed by: {mended}",
    ]
    return "\n\n".join(paragraphs)


def listed(rules: Sequence[Rule]) -> str:
    """A line for each rule."""
    long = max(len(rule.name) for rule in rules)
    return "\n".join(
        f"{rule.code}  {rule.name:<{long}}  {rule.severity:<7}  {rule.applies or '':<6}"
        f"  {rule.what}"
        for rule in rules
    )


def markdown(rules: Sequence[Rule]) -> str:
    """A table of them, as README has it."""
    head = ["| rule | | severity | fixed by | finds |", "|---|---|---|---|---|"]
    options = {name: each.rpartition("check ")[2] for name, each in _MENDED.items()}
    lines = head + [
        f"| {rule.code} | {rule.name} | {rule.severity} "
        f"| {f'`{options[rule.applies]}`' if rule.applies else ''} | {rule.what} |"
        for rule in rules
    ]
    return "\n".join(lines)


def as_json(rules: Sequence[Rule]) -> str:
    names = ("code", "name", "severity", "what", "why", "bad", "good")
    rows = [
        {**{name: getattr(rule, name) for name in names}, "fix": rule.applies}
        for rule in rules
    ]
    data = {**STAMP, "command": "rule", "rules": rows}
    return json.dumps(data, indent=2, ensure_ascii=False)
