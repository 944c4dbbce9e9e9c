"""Checking: a text to its findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.check import cost, detectors, ignores, order, reading, structure, widths
from effscale.check.catalogue import RULES

if TYPE_CHECKING:
    from collections.abc import Collection

    from effscale.check.rule import Finding
    from effscale.check.source import Source


def check(source: Source, enabled: Collection[str] = frozenset(RULES)) -> list[Finding]:
    """Everything that the `enabled` rules find in a file, in its order."""
    found = [
        finding
        for finding in (
            *reading.findings(source, RULES),
            *order.findings(source),
            *structure.findings(source),
            *widths.findings(source),
            *cost.findings(source),
            *detectors.findings(source),
        )
        if finding.code in enabled
    ]
    left = ignores.applied(source, sorted(found), RULES, enabled)
    return sorted(finding for finding in left if finding.code in enabled)
