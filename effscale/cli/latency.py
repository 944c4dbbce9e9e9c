"""What commands do about latency: progress on the way, a note where times differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from effscale.cli.timing import Timed
    from effscale.module.latency import Latency
    from effscale.module.running import Setting, Subject
    from effscale.module.sides import Sides
    from effscale.report.document import Report, Units
    from effscale.search.compare import Entry
    from effscale.spec.models import Spec

#: A spread above this share of the median is said to be one.
WIDE = 0.15


def by_part(
    answer: Report, spec: Spec, timed: Timed, units: Units, *, quiet: bool
) -> Report:
    """The answer of `profile`, with how long the network and its parts take."""
    from effscale.report import latency

    found = _of_specs([spec], timed, parts=True, quiet=quiet)
    each = [group[0] for group in found]
    parts = {row["part"]: row["macs"] for row in answer.data["parts"]}
    return latency.by_part(answer, each, parts, _machine(timed), units=units)


def of_module(
    answer: Report, counted: Sides, timed: Timed, units: Units, *, quiet: bool
) -> Report:
    """The answer of `profile` for a module of other code, with how long it takes."""
    from effscale.report import latency

    rows = answer.data["modules"]
    parts = {row["module"]: row["macs"] for row in rows if "." not in row["module"]}
    parts.pop("whole", None)

    def subjects(_settings: Sequence[Setting]) -> list[Subject]:
        from effscale.module.timed import module_subject

        return [module_subject(counted, [*parts])]

    found = [group[0] for group in _latencies(subjects, timed, quiet=quiet)]
    return latency.by_part(answer, found, parts, _machine(timed), units=units)


def beside(  # noqa: PLR0913 - options
    answer: Report,
    compared: Sequence[Entry],
    to: str | None,
    timed: Timed,
    units: Units,
    *,
    quiet: bool,
) -> Report:
    """The answer of `compare`, with how long each network takes."""
    from effscale.report import latency
    from effscale.search.compare import rivals

    found = _of_specs([each.spec for each in compared], timed, quiet=quiet)
    others = [
        None if rival is None else [*compared].index(rival)
        for rival in rivals(compared, to)
    ]
    return latency.beside(answer, found, others, _machine(timed), units=units)


def _machine(timed: Timed) -> str:
    from effscale.module.timed import machine

    return machine(timed.device)


def _of_specs(
    specs: Sequence[Spec], timed: Timed, *, parts: bool = False, quiet: bool
) -> list[list[Latency]]:
    """For each setting, the latency of each spec's network."""

    def subjects(settings: Sequence[Setting]) -> list[Subject]:
        from effscale.module.timed import spec_subjects

        return spec_subjects(specs, settings, parts=parts)

    return _latencies(subjects, timed, quiet=quiet)


def _latencies(
    subjects: Callable[[Sequence[Setting]], Sequence[Subject]],
    timed: Timed,
    *,
    quiet: bool,
) -> list[list[Latency]]:
    """For each setting, the latency of each subject; a bar while it lasts."""
    from effscale.cli.progress import Bar

    with Bar(1, quiet=quiet, still=True) as bar:
        from effscale.module import latency

        settings = timed.settings()
        ready = subjects(settings)
        step = 1 / (latency.ROUNDS * len(settings) * len(ready))
        found = [
            latency.latencies(
                ready,
                setting,
                seconds=timed.seconds,
                progress=lambda what, done: bar.advance(step * done, what),
            )
            for setting in settings
        ]
    if not quiet:
        _note_spread(found)
    return found


def _note_spread(found: Sequence[Sequence[Latency]]) -> None:
    """Say on stderr if times differ so much that the machine must be busy."""
    spreads = [each.whole.spread for group in found for each in group]
    if max(spreads) > WIDE:
        click.echo(
            f"times differ by up to {100 * max(spreads):.0f} % of their median: this "
            "machine does other work as well",
            err=True,
        )
