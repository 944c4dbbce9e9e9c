"""What `check --verify` adds: networks built, and measured beside their count."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from effscale.cli.progress import Bar
from effscale.errors import EffscaleError, MeasureError

if TYPE_CHECKING:
    from collections.abc import Collection

    from effscale.check.outcome import Outcome
    from effscale.check.rule import Finding
    from effscale.check.source import Source


def verified(
    outcome: Outcome, enabled: Collection[str], *, quiet: bool = False
) -> Outcome:
    """The outcome with a finding for each network whose measurement differs.

    fvcore runs the baseline; torch, which needs neither memory nor time for it, counts
    the baseline and every variant. What cannot be measured is said on stderr.
    """
    if "EFF307" not in enabled:
        return outcome
    sound = [each for each in outcome.files if not each.source.faults]
    total = sum(
        2 + len(each.source.spec.variants) for each in sound if each.source.spec
    )
    files = []
    with Bar(total, quiet=quiet) as bar:
        for each in outcome.files:
            found = [] if each.source.faults else _measured(each.source, bar)
            files.append(replace(each, findings=(*each.findings, *found)))
    return replace(outcome, files=tuple(files))


def _measured(source: Source, bar: Bar) -> list[Finding]:
    from effscale.check.cost import DIFFERS
    from effscale.module.proof import difference, measure_spec

    found = []
    for place, counted in source.networks.items():
        if isinstance(counted, EffscaleError):
            continue
        spec = counted.spec
        for engine in ("torch",) if place else ("torch", "fvcore"):
            try:
                text = difference(spec, measure_spec(spec, engine))  # type: ignore[arg-type]
            except MeasureError as error:
                click.echo(f"{source.path}: not verified: {error}", err=True)
                text = None
            bar.advance(1, f"{engine} measured {spec.name}")
            if text:
                found.append(DIFFERS.at(source, place, text, key=True))
    return found
