"""`effscale profile`."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
from click.core import ParameterSource

from effscale.cli import latency, options, proof
from effscale.cli import latency as timing
from effscale.cli.types import Parsed, Range
from effscale.errors import DisagreementError
from effscale.spec.builtin import names_callable, names_saved

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from effscale.cli.latency import Timed
    from effscale.module.measure import Engine
    from effscale.report.document import Report, Units
    from effscale.report.profile import By
    from effscale.spec.models import Spec


# --------------------------------------------------------------------------------------
# `--memory` and what belongs to it: options to bytes.

#: `effscale.cost.memory.BALANCE`, which would have to be loaded for --help.
BALANCE = 10


def memory_options(function: F) -> F:
    """`--memory` and `--balance`."""
    balance = click.option(
        "--balance",
        type=Range(0, 10**6),
        metavar="N",
        help="With --memory: MACs that the machine does while it moves a byte; parts "
        f"below are bound by memory.  [default: {BALANCE}, a V100's in float32]",
    )
    memory = click.option(
        "--memory",
        is_flag=True,
        help="Bytes of weights and feature maps, for --batch and --dtype: at once in "
        "inference and in training, and moved, by part.",
    )
    return memory(balance(function))


def with_memory(  # noqa: PLR0913 - options
    report: Report,
    network: Spec,
    *,
    memory: bool,
    balance: float | None,
    batch: Sequence[int],
    dtype: Sequence[str],
) -> Report:
    """The answer of `profile`, and its bytes, if they are asked for."""
    if not memory:
        return report
    from effscale.cost.memory import memory as taken
    from effscale.network import network as staged
    from effscale.report import memory as answer

    net = staged.network(network)
    found = [taken(net, n, kind) for kind in dtype for n in batch]
    return answer.by_part(report, found, BALANCE if balance is None else balance)


def refuse_unused(
    *,
    memory: bool,
    balance: float | None,
    timed: bool,
    batch: Sequence[int],
    dtype: Sequence[str],
) -> None:
    """Refuse what only --memory, or --latency too, would make something of.

    Raises:
        click.UsageError: if that is given, and they are not asked for.
    """
    if balance is not None and not memory:
        raise click.UsageError("--balance is for --memory, which was not asked for")
    given = {"--batch": batch != [1], "--dtype": dtype != ["float32"]}
    for option in (name for name, value in given.items() if value):
        if not (memory or timed):
            message = f"{option} is for --memory and --latency: ask for one of them"
            raise click.UsageError(message)


# --------------------------------------------------------------------------------------

# --------------------------------------------------------------------------------------
# `effscale profile` of modules that no spec states.

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
    from effscale.report import any_module

    context = click.get_current_context()
    for each in context.command.params:
        source = context.get_parameter_source(str(each.name))
        if source is ParameterSource.COMMANDLINE and each.name not in _OF_MODULES:
            raise click.UsageError(f"{each.opts[0]} is for specs, not for a module")
    if tool is not None and tool not in any_module.TOOLS:
        expected = f"expected {', '.join(any_module.TOOLS)} for a module, got {tool!r}"
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
    from effscale.module.any_module import count, load, tensors

    given = [((1, 3, *resolution), None)] if resolution else inputs
    with contextlib.redirect_stdout(sys.stderr):  # what their code prints is no answer
        found = load(reference, dict(arguments))
        counted = count(found, tensors(given), chosen)
    report = any_module.report(counted, by=by, depth=depth, units=units, tool=tool)
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


# --------------------------------------------------------------------------------------

#: `effscale.cost.conventions.TOOLS`, which would have to be loaded for --help.
TOOLS = ("paper", "fvcore", "torch", "torchinfo", "ptflops", "thop", "calflops")

if TYPE_CHECKING:
    from pathlib import Path

    from effscale.cli.latency import Timed
    from effscale.cost.conventions import Tool
    from effscale.report.document import Units
    from effscale.report.profile import By


@click.command("profile")
@options.spec_argument()
@click.option(
    "--by",
    type=click.Choice(["part", "layer", "operator", "level"]),
    default="part",
    show_default=True,
    help="A row for each stage, each layer, each kind of layer, or each level of a "
    "detector.",
)
@click.option(
    "--as",
    "tool",
    type=click.Choice(TOOLS),
    help="Restate the cost as that tool prints it, in a column and in a sum.",
)
@module_options
@options.network_options
@options.measure_option()
@memory_options
@timing.timing_options()
@options.plot_option("the cost by part and the feature maps")
@options.output_options
@options.verbosity
def command(  # noqa: PLR0913 - options
    *,
    spec: str,
    by: By,
    tool: Tool | None,
    depth: int,
    arguments: list[tuple[str, str]],
    inputs: list[tuple[tuple[int, ...], str | None]],
    resolution: tuple[int, int] | None,
    classes: int | None,
    engine: str,
    memory: bool,
    balance: float | None,
    batch: list[int],
    dtype: list[str],
    timed: Timed | None,
    plot: Path | None,
    form: str | None,
    output: Path | None,
    force: bool,
    units: Units,
    quiet: bool,
    verbose: bool,
) -> None:
    """Show where the cost of SPEC is.

    SPEC is a file (my.yaml, my.yaml@variant), - for standard input, or a built-in name
    (see effscale specs). The figures are counted by arithmetic; the same network is
    built and measured beside them; exits 1 if the two differ. Where the file expects
    other figures of itself, that is noted, and effscale check fails.

    SPEC may be a module, too: MODULE:CALLABLE is imported, from the current folder as
    well, and called (timm:NAME is a model of timm); a .pt2 file of torch.export or a
    TorchScript file (.pt, .pth, .ts, .torchscript) is loaded. It is counted by fvcore
    and by torch, side by side, by its tree of modules; exits 1 if one of them missed
    something that multiplies, or the two differ. What has a slash or ends in .yaml
    behind a colon is git's: HEAD~1:specs/b0.yaml.

    \b
      effscale profile b4
      effscale profile b0 --resolution 480x640 --classes 10
      effscale profile my.yaml --by layer --measure none --format csv
      effscale profile b0 --as thop
      effscale profile b4 --memory --batch 32 --dtype bfloat16
      effscale profile torchvision.models:resnet50 --arg num_classes=10
      effscale profile my_pkg.nets:make_net --input 1x3x64x64 --input 1x8:int64
    """
    if is_module(spec):
        show(
            spec,
            arguments=arguments,
            inputs=inputs,
            resolution=resolution,
            engine=engine,
            by=by,
            depth=depth,
            tool=tool,
            timed=timed,
            units=units,
            form=form,
            output=output,
            force=force,
            quiet=quiet,
        )
        return
    from effscale.cost.count import count
    from effscale.report import profile

    refuse_unused(
        memory=memory,
        balance=balance,
        timed=timed is not None,
        batch=batch,
        dtype=dtype,
    )
    options.unused(output, force=force)
    picture = options.drawable(plot, force=force)
    network = options.read(spec, resolution, classes)
    cost = count(network)
    (measured,) = proof.measurements([network], engine, quiet=quiet)
    report = profile.report(
        network, cost, by=by, measured=measured, units=units, tool=tool
    )
    report = with_memory(
        report, network, memory=memory, balance=balance, batch=batch, dtype=dtype
    )
    if timed is not None:
        report = latency.by_part(report, network, timed, units, quiet=quiet)
    image = b""
    if picture:
        from effscale.report import plots

        image = plots.network(plots.timed(report.data), network.name, picture)
    options.deliver(report, form, output)
    if plot is not None:
        options.write(plot, image)
    if verbose:
        proof.explain([measured])
    proof.verify([network], [measured])
    if not quiet:
        proof.note_expected(network, int(cost.macs), int(cost.params))
