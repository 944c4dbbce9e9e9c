"""What commands do about measuring: progress on the way, an error where it differs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from effscale.errors import DisagreementError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.module.measure import Measurement
    from effscale.spec.models import Spec


def measurements(
    specs: Sequence[Spec], engine: str, *, quiet: bool
) -> list[Measurement | None]:
    """What `engine` measures of each spec; None for each if it is `none`."""
    if engine == "none":
        return [None] * len(specs)
    from effscale.cli.progress import Bar

    measured: list[Measurement | None] = []
    with Bar(len(specs), quiet=quiet) as bar:
        from effscale.module.measure import measure_spec

        for spec in specs:
            bar.advance(0, f"{engine} measures {spec.name}")
            measured.append(measure_spec(spec, engine))  # type: ignore[arg-type]
            bar.advance(1, f"{engine} measured {spec.name}")
    return measured


def explain(measured: Sequence[Measurement | None]) -> None:
    """Say on stderr what the counter adds, and what it leaves out, by convention."""
    for each in filter(None, measured[:1]):
        known = ", ".join(f"{name} {n:,}" for name, n in each.operators.items())
        free = ", ".join(f"{name} ×{n}" for name, n in each.free.items())
        click.echo(f"{each.engine}, by operator: {known}", err=True)
        click.echo(f"{each.engine} leaves out by convention: {free}", err=True)


def verify(specs: Sequence[Spec], measured: Sequence[Measurement | None]) -> None:
    """Raise if any measurement is not the count.

    Raises:
        DisagreementError: a line for each spec that differs.
    """
    pairs = [(s, m) for s, m in zip(specs, measured, strict=True) if m is not None]
    if not pairs:
        return
    from effscale.module.measure import difference

    lines = [line for spec, m in pairs if (line := difference(spec, m))]
    if lines:
        raise DisagreementError("\n".join(lines))


def note_expected(spec: Spec, macs: int, params: int) -> None:
    """Say on stderr if a spec expects other figures of itself than it has.

    `effscale check` is what fails on them.
    """
    if spec.expected is None:
        return
    counted = {"params": params, "macs": macs}
    for name, stated in spec.expected.model_dump(exclude_none=True).items():
        if stated != counted[name]:
            own = f"expected {stated:,} (the file's own figure)"
            line = f"{spec.name}: expected.{name}: {own}, counted {counted[name]:,}"
            click.echo(line, err=True)
