"""`effscale grid` of a detector: the growth of its neck's channels."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import click

from effscale.cli import options, proof

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from effscale.cli.points import Interval
    from effscale.report.document import Units
    from effscale.spec.models import Spec

#: The paper's list: 1.2, 1.25 … 1.45.
GROWTHS = (Decimal("1.2"), Decimal("1.45"))


def refuse(given: Mapping[str, object]) -> None:
    """Refuse options that speak of α, β and γ.

    Raises:
        UsageError: naming them.
    """
    named = [f"--{name}" for name, value in given.items() if value]
    if named:
        many = f"{', '.join(named)}: of classifiers alone"
        raise click.UsageError(f"{many}; a detector's grid varies --neck-width")


def answer(  # noqa: PLR0913 - options
    baseline: Spec,
    growths: Interval | None,
    step: Decimal,
    phis: Sequence[float],
    budget: float,
    *,
    sort: str | None,
    top: int,
    engine: str,
    form: str | None,
    output: Path | None,
    units: Units,
    quiet: bool,
    verbose: bool,
) -> None:
    """Print, or write, the growths of a range, each counted, best first."""
    from effscale.report import neck_grid as report
    from effscale.search.grid import axis
    from effscale.search.neck_grid import search

    low, high = growths or GROWTHS
    candidates = search(baseline, axis(low, high, step).tolist(), phis, budget)
    order = sort or ("tracking" if len(phis) > 1 else "deviation")
    found = report.best_first(candidates, order)
    specs = [each.spec for each in found[:top]] if engine != "none" else []
    measured = proof.measurements(specs, engine, quiet=quiet)
    shown = report.report(
        baseline, found, phis, budget, top=top, measured=measured, units=units
    )
    options.deliver(shown, form, output)
    if verbose:
        proof.explain(measured)
    proof.verify(specs, measured)
