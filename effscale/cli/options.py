"""Options that commands share, one decorator each, and what is done with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from effscale.atomic_write import whole
from effscale.cli.references import SpecReference
from effscale.cli.types import RESOLUTION, Range, Target

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from effscale.report.document import Report
    from effscale.spec.models import Spec

F = TypeVar("F", bound="Callable[..., Any]")

FORMATS = ("table", "json", "csv", "markdown")
_SUFFIXES = {".json": "json", ".csv": "csv", ".md": "markdown"}


def spec_argument(default: str | None = None) -> Callable[[F], F]:
    """The spec that a command is about."""
    if default is None:
        return click.argument("spec", type=SpecReference())
    return click.argument("spec", type=SpecReference(), default=default)


def units_option(function: F) -> F:
    """`--units`."""
    return click.option(
        "--units",
        type=click.Choice(["macs", "flops"]),
        default="macs",
        help="In tables, MACs or FLOPs (2 × MACs); JSON and CSV carry MACs.",
    )(function)


def output_options(function: F) -> F:
    """`--format`, `--output`, `--force` and `--units`."""
    for option in (
        units_option,
        click.option("--force", is_flag=True, help="Replace the output file."),
        click.option(
            "--output",
            type=Target(),
            help="Write to this file, whole or not at all; its suffix (.json, .csv, "
            ".md) chooses the format.",
        ),
        click.option(
            "--format",
            "form",
            type=click.Choice(FORMATS),
            help="How to print the answer.  [default: table]",
        ),
    ):
        function = option(function)
    return function


def network_options(function: F) -> F:
    """`--resolution` and `--classes`."""
    for option in (
        click.option(
            "--classes",
            type=click.IntRange(1, 2**20),
            metavar="N",
            help="Classes of the network instead of the spec's.",
        ),
        click.option(
            "--resolution",
            type=RESOLUTION,
            metavar="N|HxW",
            help="Input pixels of SPEC instead of its own, before any scaling.",
        ),
    ):
        function = option(function)
    return function


def measure_option(default: str = "fvcore") -> Callable[[F], F]:
    """`--measure`."""
    return click.option(
        "--measure",
        "engine",
        type=click.Choice(["fvcore", "torch", "none"]),
        default=default,
        show_default=True,
        help="Build the network and check the count: fvcore runs it once, torch counts "
        "without memory, none leaves torch alone.",
    )


def tolerance_option(function: F) -> F:
    """`--tolerance`."""
    return click.option(
        "--tolerance",
        type=Range(0, 1000),
        default=0.05,
        show_default=True,
        help="How far from what was asked a cost may be, relative to it.",
    )(function)


def plot_option(what: str) -> Callable[[F], F]:
    """`--plot`."""
    help_text = f"Draw {what}, to a .png or .svg file (needs effscale[plot])."
    return click.option("--plot", type=Target(), help=help_text)


def verbosity(function: F) -> F:
    """`-q` and `-v`."""
    quiet = click.option("-q", "--quiet", is_flag=True, help="No progress, no notes.")
    loud = click.option("-v", "--verbose", is_flag=True, help="Say more, on stderr.")
    return quiet(loud(function))


def read(spec: str, resolution: tuple[int, int] | None, classes: int | None) -> Spec:
    """The spec that the options ask for.

    Raises:
        SpecError, ScaleError: if there is none.
    """
    from effscale.growth.scale import at_resolution, load, with_classes

    found = load(spec)
    if resolution is not None and resolution != found.resolution:
        found = at_resolution(found, resolution)
    if classes is not None and classes != found.classes:
        found = with_classes(found, classes)
    return found


def unused(output: Path | None, *, force: bool, option: str = "--output") -> None:
    """Refuse a file that is already there, before any work is done for it."""
    if output is not None and output.exists() and not force:
        message = f"{str(output)!r} exists; --force replaces it"
        raise click.BadParameter(message, param_hint=f"'{option}'")


def wants_spec(output: Path | None, *, count: int) -> bool:
    """Whether the output file is to be a spec, which takes just one variant."""
    if output is None or output.suffix not in {".yaml", ".yml"}:
        return False
    if count != 1:
        message = f"expected one variant to write, got {count}"
        raise click.BadParameter(message, param_hint="'--output'")
    return True


def drawable(plot: Path | None, *, force: bool) -> str:
    """The format of the picture to draw, before any work is done for it."""
    if plot is None:
        return ""
    from effscale.report.plots import form

    unused(plot, force=force, option="--plot")
    return form(plot)


def deliver(report: Report, form: str | None, output: Path | None) -> None:
    """Print the report, or write it to the file."""
    from effscale.report.render import show, text

    if output is None:
        show(report, form or "table")  # type: ignore[arg-type]  # click checked it
        return
    chosen = form or _SUFFIXES.get(output.suffix, "table")
    write(output, text(report, chosen))  # type: ignore[arg-type]  # click checked it


def write(path: Path, content: str | bytes) -> None:
    """Put `content` into the file at `path`, whole or not at all.

    Raises:
        OutputError: if the system refuses.
    """
    with whole(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)
