"""Every rule there is, the choice of some, and what each says of its findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.checking import cost, ignores, order, reading, structure
from effscale.errors import EffscaleError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from effscale.checking.rule import Applies, Rule, Severity
    from effscale.errors import Fault

#: Modules that have RULES, and find in a source what breaks them.
FINDERS = (reading, order, structure, cost)
_ALL: tuple[Rule, ...] = (
    *ignores.RULES,
    *(rule for finder in FINDERS for rule in finder.RULES),
)
#: By code, in the order of codes.
RULES = {rule.code: rule for rule in sorted(_ALL, key=lambda rule: rule.code)}

#: What the first digit stands for.
FAMILIES = {
    "EFF0": "syntax",
    "EFF1": "schema",
    "EFF2": "structure",
    "EFF3": "cost and budget",
    "EFF4": "detectors",
}


class UnknownRuleError(EffscaleError, LookupError):
    """A code that no rule has or begins with."""


def chosen(select: Iterable[str] = (), ignore: Iterable[str] = ()) -> frozenset[str]:
    """The codes selected, all by default, less those ignored; each may be a prefix.

    As with ruff, the longer of two prefixes wins: `ignore` EFF3 and `select` EFF301
    leaves EFF301.

    Raises:
        UnknownRuleError: if no rule has such a code.
    """
    wanted = dict.fromkeys(_starts(select), True) or {"EFF": True}
    wanted |= dict.fromkeys(_starts(ignore), False)
    longest = sorted(wanted, key=len, reverse=True)
    return frozenset(
        code
        for code in RULES
        if next((wanted[start] for start in longest if code.startswith(start)), False)
    )


def _starts(prefixes: Iterable[str]) -> list[str]:
    """How the codes begin that are meant; a rule's name stands for its code."""
    codes = {prefix: matching(prefix)[0].code for prefix in prefixes}
    return [
        prefix if code.startswith(prefix) else code for prefix, code in codes.items()
    ]


def matching(prefix: str) -> list[Rule]:
    """The rules whose code, or name, is `prefix`, or begins with it.

    Raises:
        UnknownRuleError: if there is none.
    """
    found = [
        rule
        for code, rule in RULES.items()
        if prefix and (code.startswith(prefix) or rule.name == prefix)
    ]
    if not found:
        known = [*RULES, *(rule.name for rule in RULES.values())]
        hint = did_you_mean(prefix, known) or "; see effscale rule --all"
        raise UnknownRuleError(f"expected a rule's code, got {prefix!r}{hint}")
    return found


def severity(finding: Fault) -> Severity:
    """How bad it is: what its rule is."""
    return RULES[finding.code].severity


def help_on(finding: Fault) -> str:
    """A hint: the word that was meant, the finding's own, or its rule's."""
    meant = f"did you mean {finding.suggestion!r}?" if finding.suggestion else ""
    return meant or finding.help or RULES[finding.code].help


def applies_to(finding: Fault) -> Applies | None:
    """What has to be asked for to have it mended; None where nothing mends it."""
    return RULES[finding.code].applies if finding.edits else None
