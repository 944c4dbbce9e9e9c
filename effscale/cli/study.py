"""`effscale study`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from effscale.cli import options
from effscale.cli.evaluation import objective_option
from effscale.cli.studying import Shown, deliver

if TYPE_CHECKING:
    from effscale.report.document import Units
    from effscale.study.objective import Objective


@click.command("study")
@click.argument("folder", type=click.Path(path_type=Path), metavar="FOLDER")
@objective_option
@options.plot_option("accuracy against α, β, γ and MACs")
@options.output_options
@options.verbosity
def command(  # noqa: PLR0913 - options
    *,
    folder: Path,
    objective: Objective | None,
    plot: Path | None,
    form: str | None,
    output: Path | None,
    force: bool,
    units: Units,
    quiet: bool,
    verbose: bool,
) -> None:
    """Show how the study in FOLDER stands.

    A study is what grid --evaluate makes; it may be running. Another --objective ranks
    the same outcomes anew. Exits 1 if a training has failed.

    \b
      effscale study pets
      effscale study pets --objective accuracy --plot pets.svg
      effscale study pets --output found.yaml

    An --output file named .yaml gets the baseline with the winner's coefficients; any
    other gets the answer.
    """
    from effscale.study.folder import load

    options.unused(output, force=force)
    picture = options.drawable(plot, force=force)
    found = load(folder)
    aim = objective or found.objective
    shown = Shown(form, output, plot, picture, units, quiet, verbose)
    deliver(found, aim, found.seeds, shown, command="study")
