"""Options that commands share, and how a command gets them: gathered to objects."""

from __future__ import annotations

from functools import wraps
from inspect import signature
from typing import TYPE_CHECKING, Any, TypeVar

import click

from effscale.cli.types import RESOLUTION, Range, SpecReference, Target

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")

FORMATS = ("table", "json", "csv", "markdown")


def gathered(**makers: Callable[..., object]) -> Callable[[F], F]:
    """Hand options on as objects: each is made of the options that its maker takes.

    What no maker takes, or the command takes as well, is handed on as it is. The makers
    are called in their order, so that the first has the first word on what is wrong.
    """
    takes = {name: signature(make).parameters for name, make in makers.items()}
    taken = set().union(*takes.values())

    def decorate(command: F) -> F:
        gone = taken - (signature(command).parameters.keys() - makers)

        @wraps(command)
        def called(**given: Any) -> Any:  # noqa: ANN401 - click's
            made = {
                name: make(**{key: given[key] for key in takes[name] if key in given})
                for name, make in makers.items()
            }
            rest = {key: given[key] for key in given.keys() - gone}
            return command(**rest, **made)

        return called  # type: ignore[return-value]

    return decorate


def every(*options: Callable[[F], F]) -> Callable[[F], F]:
    """One decorator of several options, in the order of --help."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def spec_argument(default: str | None = None) -> Callable[[F], F]:
    """The spec that a command is about."""
    if default is None:
        return click.argument("spec", type=SpecReference())
    return click.argument("spec", type=SpecReference(), default=default)


units_option = click.option(
    "--units",
    type=click.Choice(["macs", "flops"]),
    default="macs",
    help="In tables, MACs or FLOPs (2 × MACs); JSON and CSV carry MACs.",
)
force_option = click.option("--force", is_flag=True, help="Replace the output file.")
output_options = every(
    click.option(
        "--format",
        "form",
        type=click.Choice(FORMATS),
        help="How to print the answer.  [default: table]",
    ),
    click.option(
        "--output",
        type=Target(),
        help="Write to this file, whole or not at all; its suffix (.json, .csv, "
        ".md) chooses the format.",
    ),
    force_option,
    units_option,
)
network_options = every(
    click.option(
        "--resolution",
        type=RESOLUTION,
        metavar="N|HxW",
        help="Input pixels of SPEC instead of its own, before any scaling.",
    ),
    click.option(
        "--classes",
        type=click.IntRange(1, 2**20),
        metavar="N",
        help="Classes of the network instead of the spec's.",
    ),
)
tolerance_option = click.option(
    "--tolerance",
    type=Range(0, 1000),
    default=0.05,
    show_default=True,
    help="How far from what was asked a cost may be, relative to it.",
)
verbosity = every(
    click.option("-q", "--quiet", is_flag=True, help="No progress, no notes."),
    click.option("-v", "--verbose", is_flag=True, help="Say more, on stderr."),
)


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


def plot_option(what: str) -> Callable[[F], F]:
    """`--plot`."""
    help_text = f"Draw {what}, to a .png or .svg file (needs effscale[plot])."
    return click.option("--plot", type=Target(), help=help_text)
