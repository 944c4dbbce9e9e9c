"""`effscale compare`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from effscale.cli import latency, options, proof
from effscale.cli import latency as timing
from effscale.cli.references import SpecOrFamily

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from effscale.cli.latency import Timed
    from effscale.compare.paper_tables import Table
    from effscale.compare.side_by_side import Axis, Entry
    from effscale.module.measure import Measurement
    from effscale.report.document import Report, Units

#: The paper's tables, by name; `effscale.compare.paper_tables` has them.
TABLES = (
    *("efficientnet-2", "efficientnet-3", "efficientnet-7"),
    *("efficientdet-1", "efficientdet-2", "efficientdet-4", "efficientdet-5"),
)


@click.command("compare")
@click.argument("specs", type=SpecOrFamily(), nargs=-1, metavar="[SPEC]...")
@click.option(
    "--to",
    metavar="NAME|cheapest",
    help="What the ratios are to: one of the networks, or for each of them the "
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
    help="A paper's table instead, with ours beside each cell: efficientnet-2, -3 or "
    "-7; efficientdet-1, -2, -4 or -5.",
)
@options.plot_option("published accuracy against cost")
@click.option(
    "--x",
    type=click.Choice(["params", "macs"]),
    default="macs",
    show_default=True,
    help="The cost that --plot draws.",
)
@options.network_options
@options.measure_option(default="none")
@timing.timing_options(alone=True)
@options.output_options
@options.verbosity
def command(  # noqa: PLR0913 - options
    *,
    specs: tuple[str, ...],
    to: str | None,
    parts: bool | None,
    printed: str | None,
    plot: Path | None,
    x: Axis,
    resolution: tuple[int, int] | None,
    classes: int | None,
    engine: str,
    timed: Timed | None,
    form: str | None,
    output: Path | None,
    force: bool,
    units: Units,
    quiet: bool,
    verbose: bool,
) -> None:
    """Show networks side by side, or what changed.

    A SPEC is a file (my.yaml, my.yaml@variant), - for standard input, a built-in name,
    or a family of them (see effscale specs). Params, MACs and their ratios are counted;
    accuracies are as published, and a published cost that is not the counted one,
    rounded, is marked.

    \b
      effscale compare b4 resnet50 densenet169
      effscale compare efficientnet resnet regnety --to cheapest
      effscale compare efficientnet tinynet mobilenetv3 --plot accuracy.png
      effscale compare old.yaml new.yaml --format markdown
      effscale compare --table efficientnet-2
      effscale compare b1 resnet152 --latency --threads 1

    --latency runs the networks in turn on this machine, ten rounds of all of them, so
    that the ratio of their times is one of the same minute.

    Of two files, or two networks of the same name, it shows the parts that changed; the
    parts are matched in order, so that an inserted stage is one change.
    """
    from effscale.compare.side_by_side import points

    options.unused(output, force=force)
    picture = options.drawable(plot, force=force)
    table = None
    if printed is not None:
        _alone(
            specs,
            to,
            parts=parts,
            changed=bool(resolution or classes or timed or units == "flops"),
        )
        table = _table(printed)
        networks = [row.spec for row in table.rows]
        drawn = table.points
    else:
        compared = compared_networks(specs, resolution, classes, to)
        networks = [each.spec for each in compared]
        drawn = points(compared)
        names = {each.name for each in drawn}
        bare = [each.name for each in compared if each.name not in names]
        if picture and drawn and bare and not quiet:
            why = "not drawn, no accuracy published by that measure"
            click.echo(f"{why}: {', '.join(bare)}", err=True)
        parts = _apart(compared, to, parts=parts, timed=timed)
    image = b""
    if picture:
        from effscale.report import plots

        image = plots.accuracy(drawn, x, picture)
    measured = proof.measurements(networks, engine, quiet=quiet)
    if table is not None:
        from effscale.report.paper_tables import report

        answer = report(table, measured=measured)
    else:
        answer = _answer(compared, to, measured, units, parts=bool(parts))
        if timed is not None:
            answer = latency.beside(answer, compared, to, timed, units, quiet=quiet)
    options.deliver(answer, form, output)
    if plot is not None:
        options.write(plot, image)
    if verbose:
        proof.explain(measured)
    proof.verify(networks, measured)


def _table(name: str) -> Table:
    from effscale.compare.paper_tables import table

    return table(name)


def _alone(
    specs: Sequence[str], to: str | None, *, parts: bool | None, changed: bool
) -> None:
    """Refuse what a paper's table leaves no room for."""
    if specs or to or parts or changed:
        raise click.UsageError(
            "--table is compared with nothing else: it takes no SPEC, --to, --parts, "
            "--resolution, --classes, --latency or --units"
        )


def compared_networks(
    specs: Sequence[str],
    resolution: tuple[int, int] | None,
    classes: int | None,
    to: str | None,
) -> list[Entry]:
    """The networks that are named, families taken apart.

    Raises:
        click.UsageError: if there is none, or `to` names none of them.
    """
    from effscale.compare.side_by_side import entries, expanded

    if not specs:
        raise click.UsageError("Missing argument '[SPEC]...', or --table.")
    if sum(each.partition("@")[0] == "-" for each in specs) > 1:
        raise click.UsageError("- is read once: name a file for the other network")
    names = expanded(specs)
    found = entries(names, [options.read(each, resolution, classes) for each in names])
    _known(to, found)
    return found


def _apart(
    compared: Sequence[Entry],
    to: str | None,
    *,
    parts: bool | None,
    timed: Timed | None,
) -> bool:
    """Whether to show what changed, part by part."""
    from effscale.compare.side_by_side import versions

    if parts and len(compared) != 2:  # noqa: PLR2004 - one and the other
        message = f"--parts compares two networks, got {len(compared)}"
        raise click.UsageError(message)
    if parts and to:
        raise click.UsageError("--to is for networks side by side, not for --parts")
    if parts and timed:
        message = "--latency is for networks side by side, not for --parts"
        raise click.UsageError(message)
    return versions(compared) and not (to or timed) if parts is None else parts


def _known(to: str | None, compared: Sequence[Entry]) -> None:
    """Refuse a network to compare with that is not there."""
    from effscale.compare.side_by_side import CHEAPEST

    names = dict.fromkeys(name for each in compared for name in each.names)
    if to is not None and to not in {CHEAPEST, *names}:
        listed = ", ".join([*dict.fromkeys(each.name for each in compared), CHEAPEST])
        message = f"expected one of {listed}, got {to!r}"
        raise click.BadParameter(message, param_hint="'--to'")


def _answer(
    compared: Sequence[Entry],
    to: str | None,
    measured: Sequence[Measurement | None],
    units: Units,
    *,
    parts: bool,
) -> Report:
    from effscale.report import compare
    from effscale.report import parts as changed

    if parts:
        return changed.report(*compared, measured=measured, units=units)
    return compare.report(compared, to=to, measured=measured, units=units)
