"""`effscale explore`: one page where networks are dragged, not typed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from effscale.cli import options
from effscale.cli.options import Request
from effscale.cli.progress import Bar
from effscale.cli.types import Parsed, Target

if TYPE_CHECKING:
    from pathlib import Path

#: The φ that are looked at unless others are asked for, and how far they may be apart.
LOW, HIGH, FURTHEST = -2, 4, 12


def span(text: str) -> tuple[float, float]:
    """`-2..4`: the least φ, and the most.

    Raises:
        ValueError: if it is not two numbers that rise, a dozen apart at most.
    """
    expected = f"two numbers such as {LOW}..{HIGH}, at most {FURTHEST} apart"
    low, dots, high = text.partition("..")
    try:
        ends = float(low), float(high)
    except ValueError:
        raise ValueError(expected) from None
    if (
        not dots
        or not 0 < ends[1] - ends[0] <= FURTHEST
        or max(map(abs, ends)) > FURTHEST
    ):
        raise ValueError(expected)
    return ends


@click.command("explore")
@options.spec_argument(default="b0")
@click.option(
    "--phi",
    type=Parsed("LOW..HIGH", span),
    default=f"{LOW}..{HIGH}",
    help="Range of φ on the page.",
)
@click.option(
    "--output", type=Target(), help="Write the page to this file, atomically."
)
@options.force_option
@options.network_options
@options.quiet_option
@options.gathered(request=Request)
def command(
    *, spec: str, phi: tuple[float, float], output: Path | None, request: Request
) -> None:
    """Write a page with sliders for the networks around SPEC.

    \b
      effscale explore b0 --output b0.html
      effscale explore my.yaml --phi -1..3 --output my.html

    One self-contained file: φ on the ray of each strategy, depth, width and resolution
    off it; stages, MACs, params, activations, memory and why a network misses its
    target; the staircase around it, and published relatives beside it. Every figure on
    it was counted, and a click copies the command that gives the same network.

    Needs jinja2: pip install 'effscale[report]'.
    """
    from effscale.extras import needed
    from effscale.growth.growth import growth_of

    if output is None and sys.stdout.isatty():
        raise click.UsageError("expected --output explore.html, or a pipe to read it")
    needed("report", output or "explore")
    network = request.read(spec)
    steps = len(growth_of(network).strategies) + 1
    with Bar(steps, quiet=request.quiet) as bar:
        from effscale.report.explore import page

        text = page(
            network, spec, *phi, lambda what: bar.advance(1, f"counting {what}")
        )
    request.write(text)
