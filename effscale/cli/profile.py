"""`effscale profile`."""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from effscale.choices import BALANCE, BY, TOOLS
from effscale.cli import latency, options
from effscale.cli.help import Command, titled
from effscale.cli.options import Request
from effscale.cli.types import Parsed, Range, Whole, argument, entering
from effscale.data import data
from effscale.errors import DisagreementError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.choices import By, Tool
    from effscale.cli.latency import Timed
    from effscale.cost.count import Counted
    from effscale.module.inputs import Asked
    from effscale.module.measure import Engine
    from effscale.report.document import Report
    from effscale.spec.models import Spec


@data
class Memory:
    """Bytes to show: for each batch and each type of element."""

    batch: Sequence[int]
    dtype: Sequence[str]
    balance: float

    def shown(self, report: Report, spec: Spec, device: str | None) -> Report:
        from effscale.cost.memory import memory
        from effscale.network.network import network
        from effscale.report.memory import by_part

        net = network(spec)
        found = [memory(net, n, kind) for kind in self.dtype for n in self.batch]
        return by_part(report, found, self.balance, device or "cpu")


def memory(
    *,
    memory: bool,
    balance: float | None,
    batch: Sequence[int],
    dtype: Sequence[str],
    latency: bool,
) -> Memory | None:
    """The bytes that are asked for, if they are.

    Raises:
        click.UsageError: for what only --memory, or --latency too, would make use of.
    """
    if memory:
        return Memory(batch, dtype, BALANCE if balance is None else balance)
    given = {"--balance": balance is not None}
    options.refuse(given, "is for --memory, which was not asked for")
    if not latency:
        given = {"--batch": batch != [1], "--dtype": dtype != ["float32"]}
        options.refuse(given, "is for --memory and --latency: ask for one of them")
    return None


def lesson(text: str) -> tuple[str, str]:
    """`ns::name=EXPRESSION`: an operator, and its MACs by the shapes of its tensors."""
    from effscale.arithmetic import arithmetic

    name, equals, formula = text.partition("=")
    if not equals or not re.fullmatch(r"\w+::[\w.]+", name.strip()):
        raise ValueError("ns::name=MACS such as my::product=2*prod(x[0])*x[1][-2]")
    arithmetic(formula)
    return name.strip(), formula


#: Options that say something of a module of other code; the others speak of specs.
_OF_MODULES = {
    *("spec", "by", "tool", "depth", "arguments", "inputs", "operators"),
    *("engine", "resolution"),
    *("form", "output", "force", "units", "quiet", "verbose"),
    *(
        "latency",
        "threads",
        "device",
        "channels_last",
        "compiled",
        "cuda_graph",
        "runtime",
    ),
    *("batch", "dtype", "seconds"),
}


@data
class Module:
    """A module of other code: what it is made with, what goes in, how deep to look."""

    reference: str
    arguments: Sequence[tuple[str, str]]
    inputs: Sequence[Asked]
    operators: Sequence[tuple[str, str]]
    depth: int


def module(  # noqa: PLR0913 - options
    *,
    spec: str,
    arguments: Sequence[tuple[str, str]],
    inputs: Sequence[Asked],
    operators: Sequence[tuple[str, str]],
    depth: int,
    resolution: tuple[int, int] | None,
    tool: str | None,
    latency: bool,
) -> Module | None:
    """The module that SPEC names, if it names code or a file of torch's.

    Raises:
        click.UsageError: for what is for modules alone, or for specs alone.
    """
    from effscale.spec.builtin import names_callable, names_saved

    if not (names_callable(spec) or names_saved(spec)):
        why = "is for modules (MODULE:CALLABLE, .pt2), not for a spec"
        options.refuse_typed(("--input", "--arg", "--tree-depth", "--operator"), why)
        return None
    options.refuse_others(_OF_MODULES, "is for specs, not for a module")
    from effscale.report.any_module import TOOLS

    if tool is not None and tool not in TOOLS:
        expected = f"expected {', '.join(TOOLS)} for a module, got {tool!r}"
        message = f"{expected}: its rules are known of a spec's layers alone"
        raise click.BadParameter(message, param_hint="'--as'")
    if not latency:
        options.refuse_typed(("--batch", "--dtype"), "of a module is for --latency")
    elif names_saved(spec):
        raise click.UsageError("--latency runs specs and code, not files of torch's")
    if resolution and inputs:
        raise click.UsageError("--resolution and --input both say what goes in")
    if resolution:
        inputs = [("", [((1, 3, *resolution), None)], False)]
    return Module(spec, arguments, inputs, operators, depth)


@click.command("profile", cls=Command)
@options.spec_argument()
@titled("What to show")
@click.option(
    "--by",
    type=click.Choice(BY),
    default="part",
    help="A row for each stage, each layer, each kind of layer, or each level of a "
    "detector.",
)
@click.option(
    "--as",
    "tool",
    type=click.Choice(TOOLS),
    help="Restate the cost as that tool prints it, in a column and in a sum.",
)
@click.option(
    "--tree-depth",
    "depth",
    type=Whole(1, 64),
    default=1,
    help="Levels of a module's tree to show.",
)
@titled("Modules, in place of a spec")
@click.option(
    "--arg",
    "arguments",
    type=Parsed("KEY=VALUE", argument),
    multiple=True,
    help="Argument for the module's constructor: a Python literal, or text.",
)
@click.option(
    "--input",
    "inputs",
    type=Parsed("[NAME=]SIDES[:TYPE]", entering),
    multiple=True,
    help="Input tensor of a module, 1x3x224x224 or 1x77:int64; one option for each. "
    "image=1x3x64x64 is passed by that name, 1x8,1x4 as a list.",
)
@click.option(
    "--operator",
    "operators",
    type=Parsed("NS::NAME=MACS", lesson),
    multiple=True,
    help="MACs of an unknown operator, as arithmetic on the shapes of its inputs "
    "x[0], x[1] and of its output y[0]: 2*prod(x[0])*x[1][-2].",
)
@options.network_options
@options.deploy_option
@options.measure_option()
@titled("Memory")
@click.option(
    "--memory",
    is_flag=True,
    help="Show bytes by part, for --batch and --dtype: weights, peak feature maps in "
    "inference and in training, and bytes moved.",
)
@click.option(
    "--balance",
    type=Range(0, 10**6),
    metavar="N",
    help="With --memory: MACs that the machine computes while it moves a byte; parts "
    f"below it are memory-bound.  [default: {BALANCE}, a V100's in float32]",
)
@latency.timing_options(memory=True)
@titled("Latency")
@click.option(
    "--weights",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="With --latency: run with the weights of this file, as effscale weights "
    "reads them.",
)
@click.option(
    "--predict",
    is_flag=True,
    help="With --latency: show the time of each part that effscale calibrate predicts.",
)
@options.plot_option("the cost by part and the feature maps")
@options.output_options()
@options.verbosity
@options.gathered(
    way=latency.Way, timed=latency.timed, module=module, memory=memory, request=Request
)
def command(  # noqa: PLR0913 - options
    *,
    spec: str,
    by: By,
    tool: Tool | None,
    module: Module | None,
    memory: Memory | None,
    weights: Path | None,
    timed: Timed | None,
    predict: bool,
    request: Request,
) -> None:
    """Show where the cost of SPEC is.

    \b
      effscale profile b4
      effscale profile b0 --resolution 480x640 --classes 10
      effscale profile my.yaml --by layer --measure none --format csv
      effscale profile b0 --as thop
      effscale profile b4 --memory --batch 32 --dtype bfloat16
      effscale profile torchvision.models:resnet50 --arg num_classes=10
      effscale profile my_pkg.nets:make_net --input 1x3x64x64 --input 1x8:int64

    SPEC is a file (my.yaml, my.yaml@variant), - for standard input, or a built-in name
    (see effscale specs). The figures are counted by arithmetic; the same network is
    built and measured beside them; exits 1 if the two differ. Where the file expects
    other figures of itself, that is noted, and effscale check fails.

    SPEC may be a module, too: MODULE:CALLABLE is imported, from the current folder as
    well, and called (timm:NAME is a model of timm); a .pt2 file of torch.export or a
    TorchScript file (.pt, .pth, .ts, .torchscript) is loaded. It is counted by fvcore
    and by torch, side by side, by its tree of modules. Where one of them knows every
    operator and the other does not, the answer is that one's; exits 1 where neither
    does, or the two differ: an operator that is not known is not free.
    REVISION:PATH, such as HEAD~1:specs/b0.yaml, reads a file from git.
    """
    if weights is not None and (module is not None or timed is None):
        raise click.UsageError("--weights goes with --latency of a SPEC")
    if module is not None:
        _show_module(module, by, tool, timed, request)
        return
    from effscale.cost.count import Counted
    from effscale.report import profile

    network = request.read(spec)
    counted = Counted.of(network)
    measured = request.measured([network])
    report = profile.report(
        counted, by=by, measured=measured[0], units=request.units, tool=tool
    )
    if memory is not None:
        report = memory.shown(report, network, timed.device if timed else None)
    if timed is not None:
        report = latency.by_part(
            report, network, timed, request, options.weights_of(spec, weights)
        )
    if predict:
        if timed is None:
            raise click.UsageError("--predict goes with --latency")
        report = latency.beside_predicted(report, network, timed)
    image = b""
    if request.picture:
        from effscale.report import plots

        image = plots.network(plots.timed(report.data), network.name, request.picture)
    request.deliver(report, image)
    request.prove([network], measured)
    if not request.quiet:
        _note_expected(counted)


def _note_expected(counted: Counted) -> None:
    """Say on stderr if a spec expects other figures of itself than it has.

    `effscale check` is what fails on them.
    """
    spec = counted.spec
    for name, stated in spec.expected or ():
        found = int(getattr(counted.cost, name))
        if stated is not None and stated != found:
            own = f"expected {stated:,} (the file's own figure)"
            options.note(f"{spec.name}: expected.{name}: {own}, counted {found:,}")


def _show_module(
    module: Module, by: By, tool: Tool | None, timed: Timed | None, request: Request
) -> None:
    """Count the module by both engines, and show it.

    Raises:
        MeasureError: if there is no such module, or nothing runs it.
        DisagreementError: if an engine missed something, or the two differ.
    """
    engines = _engines(request.engine)
    if tool in {"fvcore", "torch"} and tool not in engines:
        asked = f"--measure {request.engine}"
        raise click.UsageError(f"--as {tool} asks {tool}, {asked} does not")
    from effscale.arithmetic import arithmetic
    from effscale.module import any_module, formulas
    from effscale.module.inputs import given, within
    from effscale.report.any_module import report

    for name, text in module.operators:
        formulas.teach(name, arithmetic(text))
    with contextlib.redirect_stdout(sys.stderr):  # what their code prints is no answer
        found = any_module.load(module.reference, dict(module.arguments))
        inputs, keywords = given(found.module, module.inputs)
        counted = any_module.count(found, inputs, engines, keywords)
    forward = within(found.module).forward
    taken = any_module.swallowed("--input", "forward", forward, keywords)
    for line in (*found.notes, *taken):
        options.note(line, quiet=request.quiet)
    answer = report(counted, by=by, depth=module.depth, units=request.units, tool=tool)
    if timed is not None and counted.answer is not None:
        answer = latency.of_module(answer, counted, timed, request)
    request.deliver(answer)
    if faults := counted.faults():
        lines = [f"{module.reference}: {each}" for each in faults]
        raise DisagreementError("\n".join(lines))


def _engines(engine: str) -> list[Engine]:
    """Both counters, unless one of them is asked for."""
    if engine == "none":
        raise click.UsageError("a module is counted by running it: --measure none")
    asked = options.is_typed("--measure")
    return [cast("Engine", engine)] if asked else ["fvcore", "torch"]
