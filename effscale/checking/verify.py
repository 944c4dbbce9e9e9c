"""Networks of checked files built, and measured beside their count."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from effscale.checking.cost import DIFFERS, latencies
from effscale.checking.ignores import spared
from effscale.errors import EffscaleError, MeasureError

if TYPE_CHECKING:
    from collections.abc import Callable

    from effscale.checking.run import Outcome
    from effscale.checking.source import Source
    from effscale.errors import Fault
    from effscale.search.measured import Clock


def networks(outcome: Outcome) -> int:
    """How many measurements it takes to verify all files."""
    specs = [each.source.spec for each in outcome.files if not each.source.faults]
    return sum(2 + len(spec.variants) for spec in specs if spec)


def verified(
    outcome: Outcome, progress: Callable[[str], None], note: Callable[[str], None]
) -> Outcome:
    """The outcome with a finding for each network whose measurement differs.

    fvcore runs the baseline; torch, which needs neither memory nor time for it, counts
    the baseline and every variant. What cannot be measured is for `note` to tell.
    """
    files = []
    for each in outcome.files:
        sound = not each.source.faults
        found = _measured(each.source, progress, note) if sound else []
        found = [*spared(each.source, found)]
        files.append(replace(each, findings=(*each.findings, *found)))
    return replace(outcome, files=tuple(files))


def _measured(
    source: Source, progress: Callable[[str], None], note: Callable[[str], None]
) -> list[Fault]:
    from effscale.module.measure import difference, measure_spec

    found = []
    for place, counted in source.networks.items():
        if isinstance(counted, EffscaleError):
            continue
        spec = counted.spec
        for engine in ("torch",) if place else ("torch", "fvcore"):
            try:
                text = difference(spec, measure_spec(spec, engine))  # type: ignore[arg-type]
            except MeasureError as error:
                note(f"{source.path}: not verified: {error}")
                text = None
            progress(f"{engine} measured {spec.name}")
            if text:
                found.append(DIFFERS.at(source, place, text, key=True))
    return found


def timed(
    outcome: Outcome,
    clock: Clock,
    note: Callable[[str], None],
    *,
    own: bool,
) -> Outcome:
    """The outcome with a finding for each network that takes longer than it may.

    Those of the run's own limit are run by `clock`, and with `own` those whose budgets
    limit their latency. What cannot be run is for `note` to tell.
    """
    from effscale.cost.latency_model import Device  # with numpy, where time is limited
    from effscale.search.measured import least

    files, measured = [], 0
    for each in outcome.files:
        found: list[Fault] = []
        for place, limit, spec in latencies(each.source):
            if limit.own and not own:
                continue
            try:
                device = limit.running.device or Device()
                with clock(spec, device) as tries:
                    taken = least(limit.limit, tries)
            except MeasureError as error:
                note(f"{each.source.path}: {spec.name} not timed: {error}")
                continue
            measured += 1
            found += limit.judged(each.source, place, taken)
        found = [*spared(each.source, found)]
        files.append(replace(each, findings=tuple(sorted((*each.findings, *found)))))
    left = outcome.unmeasured - measured
    return replace(outcome, files=tuple(files), unmeasured=left)
