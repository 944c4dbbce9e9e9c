"""`effscale compare`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from effscale.choices import TABLES
from effscale.cli import latency, options
from effscale.cli.help import Command, titled
from effscale.cli.options import Request, note
from effscale.cli.types import Parsed, SpecOrFamily

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from effscale.cli.latency import Timed
    from effscale.comparing.side_by_side import Axis, Entry, Point
    from effscale.comparing.since import Changed
    from effscale.module.measure import Measurement
    from effscale.report.document import Report
    from effscale.report.since import File
    from effscale.spec.models import Spec

    #: Networks, what is published of them, and the answer once they are measured.
    Compared = tuple[
        Sequence[Spec],
        Sequence[Point],
        Callable[[Sequence[Measurement | None]], Report],
    ]


#: Picojoules of a MAC in single precision (a product and a sum), and of a byte from
#: memory, at 45 nm: Horowitz, ISSCC 2014; Han et al. 2015 (arXiv:1506.02626), table 1.
AT_45NM = 3.7 + 0.9, 640 / 4


def energy(text: str) -> tuple[float, float]:
    """`45nm`, or picojoules for a MAC and for a byte: `1.2,80`."""
    if text == "45nm":
        return AT_45NM
    match = re.fullmatch(r"(\d+(?:\.\d+)?),(\d+(?:\.\d+)?)", text)
    if match is None:
        raise ValueError("45nm, or picojoules for a MAC and for a byte such as 4.6,160")
    return float(match[1]), float(match[2])


@dataclass(frozen=True)
class Revision:
    """What files are compared with, and what of them ends the command with 1."""

    name: str
    fail_on: str | None


def _revision(*, since: str | None, fail_on: str | None) -> Revision | None:
    """The revision that is asked for, if one is."""
    if fail_on and since is None:
        raise click.UsageError("--fail-on goes with --since")
    return None if since is None else Revision(since, fail_on)


#: Options that say how an answer is printed.
_PRINTING = {"form", "output", "force", "quiet", "verbose"}
#: Options that go with --since, and with --table.
_OF_SINCE = {*_PRINTING, "specs", "since", "fail_on", "units"}
_OF_TABLE = {*_PRINTING, "printed", "plot", "x", "energy", "engine"}


@click.command("compare", cls=Command)
@click.argument("specs", type=SpecOrFamily(), nargs=-1, metavar="[SPEC]...")
@titled("What to show")
@click.option(
    "--relative-to",
    "to",
    metavar="NAME|cheapest",
    help="Ratios are relative to one of the networks, or for each of them to the "
    "cheapest that is at least as accurate.  [default: the first]",
)
@click.option(
    "--parts/--no-parts",
    default=None,
    help="What changed from one SPEC to another, part by part.  [default: if two files "
    "or two networks of the same name are compared]",
)
@click.option(
    "--table",
    "printed",
    type=click.Choice(TABLES),
    metavar="PAPER-NUMBER",
    help="Show a paper's table instead, the counted figure beside each cell: "
    "efficientnet-2, -3, -5 or -7; efficientdet-1, -2, -4 or -5.",
)
@click.option(
    "--without-classifier",
    "bare",
    is_flag=True,
    help="Count networks without the linear layer that makes classes, as papers on "
    "transfer do.",
)
@click.option(
    "--x",
    type=click.Choice(["params", "macs"]),
    default="macs",
    help="Cost on the horizontal axis of --plot.",
)
@click.option(
    "--energy",
    type=Parsed("45nm|PJ/MAC,PJ/B", energy),
    help="Estimate the energy of one image from picojoules for a MAC and for a byte "
    "moved; 45nm is 4.6 and 160 (Horowitz 2014; Han et al. 2015, table 1).",
)
@titled("Against a revision")
@click.option(
    "--since",
    metavar="REVISION",
    help="Show what changed in spec files since the current branch left that revision "
    "of git; each SPEC is then a file or folder.  [default: the current folder]",
)
@click.option(
    "--fail-on",
    type=click.Choice(["budget"]),
    help="With --since: exit 1 if a limit of `budget:` is exceeded.",
)
@options.plot_option("published accuracy against cost")
@options.network_options
@options.measure_option(default="none")
@latency.timing_options()
@options.output_options()
@options.verbosity
@options.gathered(
    revision=_revision, way=latency.Way, timed=latency.timed_alone, request=Request
)
def command(  # noqa: PLR0913 - options
    *,
    specs: tuple[str, ...],
    to: str | None,
    parts: bool | None,
    printed: str | None,
    bare: bool,
    revision: Revision | None,
    x: Axis,
    timed: Timed | None,
    energy: tuple[float, float] | None,
    request: Request,
) -> None:
    """Show networks side by side, or what changed.

    \b
      effscale compare b4 resnet50 densenet169
      effscale compare efficientnet resnet regnety --relative-to cheapest
      effscale compare efficientnet tinynet mobilenetv3 --plot accuracy.png
      effscale compare old.yaml new.yaml --format markdown
      effscale compare --since origin/main specs --format markdown
      effscale compare --table efficientnet-2
      effscale compare b1 resnet152 --latency --threads 1

    A SPEC is a file (my.yaml, my.yaml@variant), - for standard input, a built-in name,
    or a family of them (see effscale specs); a file alone is all that it has. Params,
    MACs and their ratios are counted; accuracies are as published, and a published cost
    that is not the counted one, rounded, is marked.

    --latency runs the networks in turn on this machine, ten rounds of all of them, so
    that the ratio of their times is one of the same minute.

    Of two files, or two networks of the same name, it shows the parts that changed; the
    parts are matched in order, so that an inserted stage is one change.
    """
    if request.plot is None:
        options.refuse_typed(("--x",), "is for --plot")
    if revision is not None:
        options.refuse_others(_OF_SINCE, "is not for --since")
        if _since(revision.name, specs, request) and revision.fail_on:
            raise SystemExit(1)
        return
    if printed is not None:
        if specs:
            raise click.UsageError(
                "--table takes no SPEC: its networks are the paper's"
            )
        options.refuse_others(_OF_TABLE, "is not for --table")
        networks, drawn, answer = _table(printed)
    else:
        networks, drawn, answer = _networks(
            specs, to, parts=parts, bare=bare, timed=timed, request=request
        )
    measured = request.measured(networks)
    shown = answer(measured)
    image = b""
    if request.picture:
        from effscale.report import plots

        names = {each.name for each in drawn}
        rows = shown.data.get("rows", ())
        missing = [row["name"] for row in rows if row["name"] not in names]
        if drawn and missing:
            why = "not drawn, no accuracy published by that measure"
            note(f"{why}: {', '.join(missing)}", quiet=request.quiet)
        image = plots.accuracy(drawn, x, request.picture, missing)
    if energy is not None:
        from effscale.report.energy import beside

        shown = beside(shown, networks, *energy)
    request.deliver(shown, image)
    request.prove(networks, measured)


def _since(revision: str, paths: tuple[str, ...], request: Request) -> bool:
    """Show what changed of the files since a revision; whether one is over its budget.

    Raises:
        SystemExit: with 1 where a file does not load, once all others are shown.
    """
    from effscale.comparing.since import base, changed
    from effscale.report import since

    start = base(revision)
    files = [
        file
        for each in changed(start, paths)
        if (file := _file(each, start)) is not None
    ]
    request.deliver(since.report(files, revision, units=request.units))
    if any(each.faults for each in files):
        raise SystemExit(1)
    return any(each.over for each in files)


def _file(changed: Changed, start: str) -> File | None:
    """A file that has changed; None if it neither is nor was a spec."""
    from effscale.checking.cost import latencies
    from effscale.checking.run import check, looks_like_a_spec, read
    from effscale.checking.source import Source
    from effscale.report.since import File
    from effscale.spec import builtin

    before = after = None
    faults: list[str] = []
    over: list[str] = []
    unmeasured = 0
    if changed.before is not None:
        reference = f"{start}:./{changed.before}"
        was = Source.of(reference, builtin.text(reference))
        before = was.spec if was.is_counted else None  # what was wrong is no longer
    if changed.after is not None:
        if before is None and not looks_like_a_spec(changed.after):
            return None
        source = read(changed.after)
        found = [*source.faults, *check(source, {"EFF003", "EFF207"})]
        faults = list(dict.fromkeys(f"{each.where}: {each.said}" for each in found))
        after = None if faults else source.spec
        over = [f"{each.where}: {each.said}" for each in check(source, {"EFF302"})]
        unmeasured = len(latencies(source))
    if before is None and after is None and not faults:
        return None
    return File(changed, before, after, faults, over, unmeasured)


def _table(name: str) -> Compared:
    from effscale.comparing.paper_tables import table
    from effscale.report.paper_tables import report

    found = table(name)
    networks = [row.spec for row in found.rows]
    return networks, found.points, lambda measured: report(found, measured=measured)


def _networks(  # noqa: PLR0913 - options
    specs: Sequence[str],
    to: str | None,
    *,
    parts: bool | None,
    bare: bool,
    timed: Timed | None,
    request: Request,
) -> Compared:
    """Networks side by side, or the parts in which two of them differ."""
    from effscale.comparing.side_by_side import points

    compared = compared_networks(specs, to, request, bare=bare)
    drawn = points(compared)
    apart = _apart(compared, to, parts=parts, timed=timed)

    def answer(measured: Sequence[Measurement | None]) -> Report:
        from effscale.report import compare
        from effscale.report import parts as changed

        units = request.units
        if apart:
            return changed.report(*compared, measured=measured, units=units)
        shown = compare.report(compared, to=to, measured=measured, units=units)
        if timed is None:
            return shown
        return latency.beside(shown, compared, to, timed, request)

    return [each.spec for each in compared], drawn, answer


def compared_networks(
    specs: Sequence[str], to: str | None, request: Request, *, bare: bool = False
) -> list[Entry]:
    """The networks that are named, families taken apart.

    Raises:
        click.UsageError: if there is none, or `to` names none of them.
    """
    from effscale.comparing.side_by_side import CHEAPEST, entries, expanded
    from effscale.growth.scale import without_classifier

    if not specs:
        raise click.UsageError("Missing argument '[SPEC]...', or --table.")
    if sum(each.partition("@")[0] == "-" for each in specs) > 1:
        raise click.UsageError("- is read once: name a file for the other network")
    names = expanded(specs)
    networks = [*map(request.read, names)]
    if bare:
        networks = [*map(without_classifier, networks)]
    found = entries(names, networks)
    known = {CHEAPEST, *(name for each in found for name in each.names)}
    if to is not None and to not in known:
        listed = ", ".join([*dict.fromkeys(each.name for each in found), CHEAPEST])
        message = f"expected one of {listed}, got {to!r}"
        raise click.BadParameter(message, param_hint="'--relative-to'")
    return found


def _apart(
    compared: Sequence[Entry],
    to: str | None,
    *,
    parts: bool | None,
    timed: Timed | None,
) -> bool:
    """Whether to show what changed, part by part."""
    from effscale.comparing.side_by_side import versions

    if parts and len(compared) != 2:  # noqa: PLR2004 - one and the other
        message = f"--parts compares two networks, got {len(compared)}"
        raise click.UsageError(message)
    if parts:
        why = "is for networks side by side, not for --parts"
        options.refuse({"--relative-to": to, "--latency": timed}, why)
    return versions(compared) and not (to or timed) if parts is None else parts
