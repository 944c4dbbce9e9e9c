"""The request that a command's shared options make, and how it is answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from effscale.atomic_write import whole
from effscale.cli.progress import Bar
from effscale.errors import DisagreementError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from effscale.module.measure import Measurement
    from effscale.report.document import Report, Units
    from effscale.spec.models import Spec

_SUFFIXES = {".json": "json", ".csv": "csv", ".md": "markdown"}
_OF_SPECS = {".yaml", ".yml"}


@dataclass(frozen=True)
class Request:
    """Which network is meant, how it is proved, and where and how the answer goes.

    Its files are known to be free before any work is done for them.

    Raises:
        click.BadParameter: if a file is there already, and `force` is not given.
        OutputError: if no picture can be drawn to `plot`.
    """

    resolution: tuple[int, int] | None = None
    classes: int | None = None
    engine: str = "none"
    plot: Path | None = None
    form: str | None = None
    output: Path | None = None
    force: bool = False
    units: Units = "macs"
    quiet: bool = False
    verbose: bool = False
    output_option: str = "--output"  #: what asks for `output`

    def __post_init__(self) -> None:
        self._refuse_existing(self.output, self.output_option)
        self._refuse_existing(self.plot, "--plot")
        _ = self.picture

    def _refuse_existing(self, path: Path | None, option: str) -> None:
        if path is not None and path.exists() and not self.force:
            message = f"{str(path)!r} exists; --force replaces it"
            raise click.BadParameter(message, param_hint=f"'{option}'")

    @property
    def picture(self) -> str:
        """The format of the picture to draw; empty if there is none."""
        if self.plot is None:
            return ""
        from effscale.report.plots import form

        return form(self.plot)

    def read(self, spec: str) -> Spec:
        """The spec of that name, at the resolution and with the classes asked for.

        Raises:
            SpecError, ScaleError: if there is none.
        """
        from effscale.growth.scale import at_resolution, load, with_classes

        found = load(spec)
        if self.resolution is not None and self.resolution != found.resolution:
            found = at_resolution(found, self.resolution)
        if self.classes is not None and self.classes != found.classes:
            found = with_classes(found, self.classes)
        return found

    def measured(self, specs: Sequence[Spec]) -> list[Measurement | None]:
        """What the engine measures of each spec; None for each if there is none."""
        if self.engine == "none":
            return [None] * len(specs)
        measured: list[Measurement | None] = []
        with Bar(len(specs), quiet=self.quiet) as bar:
            from effscale.module.measure import measure_spec

            for spec in specs:
                bar.advance(0, f"{self.engine} measures {spec.name}")
                measured.append(measure_spec(spec, self.engine))  # type: ignore[arg-type]
                bar.advance(1, f"{self.engine} measured {spec.name}")
        return measured

    def wants_spec(self, count: int = 1) -> bool:
        """Whether the output file is to be a spec, which takes just one variant."""
        if self.output is None or self.output.suffix not in _OF_SPECS:
            return False
        if count != 1:
            message = f"expected one variant to write, got {count}"
            raise click.BadParameter(message, param_hint="'--output'")
        return True

    def deliver(
        self, report: Report, image: bytes = b"", *, to_file: bool = True
    ) -> None:
        """Print the report, or write it to the output file; write the picture, if any.

        Where that file is for something else, `to_file` is False.
        """
        from effscale.report.render import show, text

        for line in report.warnings:
            click.echo(line, err=True)
        if self.output is None or not to_file:
            show(report, self.form or "table")  # type: ignore[arg-type]  # click checked it
        else:
            form = self.form or _SUFFIXES.get(self.output.suffix, "table")
            self.write(text(report, form))  # type: ignore[arg-type]
        if self.plot is not None:
            write(self.plot, image)

    def write(self, text: str, *, aside: bool = False) -> None:
        """Write the text to the output file, or print it; `aside` to stderr."""
        if self.output is None:
            click.echo(text, nl=False, err=aside)
        else:
            write(self.output, text)

    def prove(
        self, specs: Sequence[Spec], measured: Sequence[Measurement | None]
    ) -> None:
        """Raise if any measurement is not the count; say more of it where asked to.

        Raises:
            DisagreementError: a line for each spec that differs.
        """
        if self.verbose:
            _explain(measured)
        pairs = [(s, m) for s, m in zip(specs, measured, strict=True) if m is not None]
        if not pairs:
            return
        from effscale.module.measure import difference

        lines = [line for spec, m in pairs if (line := difference(spec, m))]
        if lines:
            raise DisagreementError("\n".join(lines))


def _explain(measured: Sequence[Measurement | None]) -> None:
    """Say on stderr what the counter adds, and what it leaves out, by convention."""
    for each in filter(None, measured[:1]):
        known = ", ".join(f"{name} {n:,}" for name, n in each.operators.items())
        free = ", ".join(f"{name} ×{n}" for name, n in each.free.items())
        click.echo(f"{each.engine}, by operator: {known}", err=True)
        click.echo(f"{each.engine} leaves out by convention: {free}", err=True)


def write(path: Path, content: str | bytes) -> None:
    """Put `content` into the file at `path`, whole or not at all.

    Raises:
        OutputError: if the system refuses.
    """
    with whole(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)
