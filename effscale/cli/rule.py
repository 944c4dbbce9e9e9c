"""`effscale rule`."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from effscale.check.rule import Rule

WIDTH = 80
_MENDED = {
    "safe": "effscale check --fix",
    "unsafe": "effscale check --fix --unsafe-fixes",
    "update": "effscale check --update",
}


def _complete(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    del ctx, param
    from effscale.check.catalogue import RULES

    fitting = (rule for rule in RULES.values() if rule.code.startswith(incomplete))
    return [CompletionItem(rule.code, help=rule.what) for rule in fitting]


@click.command("rule")
@click.argument("code", required=False, shell_complete=_complete)
@click.option("--all", "every", is_flag=True, help="List every rule, a line each.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "json"]),
    default="text",
    show_default=True,
    help="How to print it.",
)
def command(*, code: str | None, every: bool, form: str) -> None:
    """Explain what effscale check finds.

    CODE is a rule's code, or how it begins, or its name. Each rule says what it finds,
    why that matters, what to do, and whether the program can do it.

    \b
      effscale rule EFF301
      effscale rule EFF2
      effscale rule --all
    """
    from effscale.check.catalogue import RULES, matching

    if every == bool(code):
        raise click.UsageError("expected a rule's code, or --all")
    rules = list(RULES.values()) if code is None else matching(code)
    if form == "json":
        click.echo(_as_json(rules))
    elif form == "markdown":
        click.echo("\n".join(_table(rules)))
    elif every:
        click.echo("\n".join(_list(rules)))
    else:
        click.echo("\n\n".join(map(_explained, rules)))


def _explained(rule: Rule) -> str:
    mended = _MENDED.get(str(rule.applies), "by hand")
    paragraphs = [
        f"{rule.code} {rule.name} ({rule.severity})",
        textwrap.fill(rule.what, WIDTH),
        textwrap.fill(rule.why, WIDTH),
        f"Instead of\n\n{textwrap.indent(rule.bad, '    ')}",
        f"write\n\n{textwrap.indent(rule.good, '    ')}",
        f"Mended: {mended}",
    ]
    return "\n\n".join(paragraphs)


def _list(rules: list[Rule]) -> list[str]:
    long = max(len(rule.name) for rule in rules)
    return [
        f"{rule.code}  {rule.name:<{long}}  {rule.severity:<7}  {rule.applies or '':<6}"
        f"  {rule.what}"
        for rule in rules
    ]


def _table(rules: list[Rule]) -> list[str]:
    head = ["| rule | | severity | mended by | finds |", "|---|---|---|---|---|"]
    options = {name: each.rpartition("check ")[2] for name, each in _MENDED.items()}
    return head + [
        f"| {rule.code} | {rule.name} | {rule.severity} "
        f"| {f'`{options[rule.applies]}`' if rule.applies else ''} | {rule.what} |"
        for rule in rules
    ]


def _as_json(rules: list[Rule]) -> str:
    from effscale.version import VERSION

    data = {
        "effscale": VERSION,
        "command": "rule",
        "rules": [
            {
                **{name: getattr(rule, name) for name in ("code", "name", "severity")},
                **{
                    name: getattr(rule, name) for name in ("what", "why", "bad", "good")
                },
                "fix": rule.applies,
            }
            for rule in rules
        ],
    }
    return json.dumps(data, indent=2, ensure_ascii=False)
