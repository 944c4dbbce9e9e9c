"""`effscale rule`."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem


def _complete(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    del ctx, param
    from effscale.checking.catalogue import RULES

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
    help="How to print it.",
)
def command(*, code: str | None, every: bool, form: str) -> None:
    """Explain what effscale check finds.

    \b
      effscale rule EFF301
      effscale rule EFF2
      effscale rule --all

    CODE is a rule's code, or how it begins, or its name. Each rule says what it finds,
    why that matters, what to do, and whether the program can do it.
    """
    from effscale.checking import manual
    from effscale.checking.catalogue import RULES, UnknownRuleError, matching

    if every == bool(code):
        raise click.UsageError("expected a rule's code, or --all")
    try:
        rules = list(RULES.values()) if code is None else matching(code)
    except UnknownRuleError as error:
        raise click.BadParameter(str(error), param_hint="'CODE'") from None
    if form == "json":
        text = manual.as_json(rules)
    elif form == "markdown":
        text = manual.markdown(rules)
    elif every:
        text = manual.listed(rules)
    else:
        text = "\n\n".join(map(manual.explained, rules))
    click.echo(text)
