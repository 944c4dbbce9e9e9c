"""`effscale profile` of modules that no spec states."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
from click.core import ParameterSource

from effscale.cli import latency, options
from effscale.cli.types import Parsed
from effscale.errors import DisagreementError
from effscale.spec.code import names_callable, names_saved

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from effscale.cli.timing import Timed
    from effscale.module.measure import Engine
    from effscale.report.document import Units
    from effscale.report.profile import By

F = TypeVar("F", bound="Callable[..., Any]")

DTYPES = (
    *("float64", "float32", "bfloat16", "float16"),
    *("int64", "int32", "uint8", "bool"),
)
MAX_DIMENSIONS, MAX_SIDE = 8, 2**24
#: Options that say something of a module of other code; the others speak of specs.
_OF_MODULES = {
    *("spec", "by", "tool", "depth", "arguments", "inputs", "engine", "resolution"),
    *("form", "output", "force", "units", "quiet", "verbose"),
    *("latency", "threads", "device", "channels_last", "compiled", "seconds"),
    *("batch", "dtype"),
}


def tensor(text: str) -> tuple[tuple[int, ...], str | None]:
    """`1x3x224x224`, or `1x77:int64`: the sides of a tensor, and its type."""
    sides, colon, dtype = text.strip().partition(":")
    numbers = sides.lower().replace("×", "x").split("x")
    decimal = all(each.isascii() and each.isdecimal() for each in numbers)
    known = dtype in DTYPES if colon else True
    fits = decimal and all(
        len(each) < len(str(MAX_SIDE)) and int(each) > 0 for each in numbers
    )
    if not (fits and known and len(numbers) <= MAX_DIMENSIONS):
        raise ValueError(f"sides such as 1x3x224x224, and a type: {', '.join(DTYPES)}")
    return tuple(map(int, numbers)), dtype or None


def argument(text: str) -> tuple[str, str]:
    """`num_classes=10`: a keyword, and a Python literal or text."""
    name, equals, value = text.partition("=")
    if not (equals and name.isidentifier()):
        raise ValueError("KEY=VALUE such as num_classes=10")
    return name, value


def module_options(function: F) -> F:
    """`--depth`, `--arg` and `--input`."""
    for option in (
        click.option(
            "--input",
            "inputs",
            type=Parsed("SIDES[:TYPE]", tensor),
            multiple=True,
            help="Of a module, a tensor that goes in, 1x3x224x224 or 1x77:int64; one "
            "for each.",
        ),
        click.option(
            "--arg",
            "arguments",
            type=Parsed("KEY=VALUE", argument),
            multiple=True,
            help="Of a module, what it is made with: a Python literal, or text.",
        ),
        click.option(
            "--depth",
            type=click.IntRange(1, 64),
            default=1,
            show_default=True,
            help="Of a module, how many levels of its tree to show.",
        ),
    ):
        function = option(function)
    return function


def is_module(reference: str) -> bool:
    """Whether SPEC names code or a file of torch's; `--arg` and such need that."""
    if names_callable(reference) or names_saved(reference):
        return True
    given = [each for each in ("--input", "--arg", "--depth") if _given(each)]
    if given:
        message = f"{given[0]} is for modules (MODULE:CALLABLE, .pt2), not for a spec"
        raise click.UsageError(message)
    return False


def _given(option: str) -> bool:
    """Whether the option stands on the command line."""
    context = click.get_current_context()
    name = next(p.name for p in context.command.params if option in p.opts)
    return context.get_parameter_source(str(name)) is ParameterSource.COMMANDLINE


def show(  # noqa: PLR0913 - options
    reference: str,
    *,
    arguments: Sequence[tuple[str, str]],
    inputs: Sequence[tuple[tuple[int, ...], str | None]],
    resolution: tuple[int, int] | None,
    engine: str,
    by: By,
    depth: int,
    tool: str | None,
    timed: Timed | None,
    units: Units,
    form: str | None,
    output: Path | None,
    force: bool,
    quiet: bool,
) -> None:
    """Count the module by both engines, and show it.

    Raises:
        MeasureError: if there is no such module, or nothing runs it.
        DisagreementError: if an engine missed something, or the two differ.
    """
    from effscale.report import module

    context = click.get_current_context()
    for each in context.command.params:
        source = context.get_parameter_source(str(each.name))
        if source is ParameterSource.COMMANDLINE and each.name not in _OF_MODULES:
            raise click.UsageError(f"{each.opts[0]} is for specs, not for a module")
    if tool is not None and tool not in module.TOOLS:
        expected = f"expected {', '.join(module.TOOLS)} for a module, got {tool!r}"
        message = f"{expected}: its rules are known of a spec's layers alone"
        raise click.BadParameter(message, param_hint="'--as'")
    for option in ("--batch", "--dtype"):
        if timed is None and _given(option):
            raise click.UsageError(f"{option} of a module is for --latency")
    if timed is not None and names_saved(reference):
        raise click.UsageError("--latency runs specs and code, not files of torch's")
    if resolution and inputs:
        raise click.UsageError("--resolution and --input both say what goes in")
    options.unused(output, force=force)
    chosen = _engines(engine)
    if tool in {"fvcore", "torch"} and tool not in chosen:
        raise click.UsageError(f"--as {tool} asks {tool}, --measure {engine} does not")
    from effscale.module import foreign, sides

    given = [((1, 3, *resolution), None)] if resolution else inputs
    with contextlib.redirect_stdout(sys.stderr):  # what their code prints is no answer
        found = foreign.load(reference, dict(arguments))
        counted = sides.count(found, foreign.tensors(given), chosen)
    report = module.report(counted, by=by, depth=depth, units=units, tool=tool)
    if timed is not None:
        report = latency.of_module(report, counted, timed, units, quiet=quiet)
    options.deliver(report, form, output)
    if faults := counted.faults():
        raise DisagreementError("\n".join(f"{reference}: {each}" for each in faults))


def _engines(engine: str) -> list[Engine]:
    """Both counters, unless one of them is asked for."""
    if engine == "none":
        raise click.UsageError("a module is counted by running it: --measure none")
    asked = _given("--measure")
    return [cast("Engine", engine)] if asked else ["fvcore", "torch"]
