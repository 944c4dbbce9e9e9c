"""Options that commands share, and the request that they make of them."""

from __future__ import annotations

from dataclasses import replace
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from effscale.atomic_write import is_written_through, whole
from effscale.choices import MAX_CLASSES, SPECS
from effscale.cli.help import NETWORK, OUTPUT, under
from effscale.cli.types import (
    RESOLUTION,
    STRATEGIES_LIST,
    AnswerFile,
    Parsed,
    Picture,
    SpecReference,
    Target,
    Whole,
    share,
)
from effscale.data import data
from effscale.errors import DisagreementError, dotted
from effscale.markup import lines

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from effscale.growth.growth import Variant
    from effscale.module.measure import Measurement
    from effscale.module.weights import Original
    from effscale.report.document import Report, Units
    from effscale.spec.models import Budget, Spec

F = TypeVar("F", bound="Callable[..., Any]")

FORMATS = ("table", "json", "csv", "markdown")
_SUFFIXES = {".json": "json", ".csv": "csv", ".md": "markdown"}
#: What `--output` does.
TO_FILE = "Write to this file; a part of it is never left behind."


def gathered(**makers: Callable[..., object]) -> Callable[[F], F]:
    """Hand options on as objects: each is made of the options that its maker takes.

    What no maker takes, or the command takes as well, is handed on as it is. The makers
    are called in their order, so that the first has the first word on what is wrong; a
    maker may take what one before it has made.
    """
    takes = {name: signature(make).parameters for name, make in makers.items()}
    taken = set().union(*takes.values())

    def decorate(command: F) -> F:
        gone = taken - signature(command).parameters.keys()

        @wraps(command)
        def called(**given: Any) -> Any:  # noqa: ANN401 - click's
            for name, make in makers.items():
                its = {key: given[key] for key in takes[name] if key in given}
                given[name] = make(**its)
            return command(**{key: given[key] for key in given.keys() - gone})

        return called  # type: ignore[return-value]

    return decorate


def every(*options: Callable[[F], F], title: str) -> Callable[[F], F]:
    """One decorator of several options, in the order of --help, under a heading."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return under(title, decorate)


def refuse(given: Mapping[str, object], why: str) -> None:
    """Refuse the first of these options that has a value, and say why."""
    for option, value in given.items():
        if value:
            raise click.UsageError(f"{option} {why}")


def is_typed(option: str) -> bool:
    """Whether the option stands on the command line."""
    context = click.get_current_context()
    name = next(p.name for p in context.command.params if option in p.opts)
    typed = click.core.ParameterSource.COMMANDLINE
    return context.get_parameter_source(str(name)) is typed


def refuse_typed(names: Iterable[str], why: str) -> None:
    """Refuse the first of these options that stands on the command line."""
    refuse({name: is_typed(name) for name in names}, why)


def refuse_others(than: Collection[str], why: str) -> None:
    """Refuse an option that stands on the command line, unless it is one of these."""
    params = click.get_current_context().command.params
    refuse_typed([each.opts[0] for each in params if each.name not in than], why)


def spec_argument(default: str | None = None) -> Callable[[F], F]:
    if default is None:
        return click.argument("spec", type=SpecReference())
    return click.argument("spec", type=SpecReference(), default=default)


def references(text: str) -> list[str]:
    """`b0,mobilenetv3-large,my.yaml`: several specs."""
    found = [each.strip() for each in text.split(",")]
    if not all(found):
        raise ValueError("specs with commas between them")
    return list(dict.fromkeys(found))


def from_option(what: str) -> Callable[[F], F]:
    """`--from`, baselines that are searched side by side; `what` is shown of them."""
    return click.option(
        "--from",
        "baselines",
        type=Parsed("SPEC,SPEC[,SPEC…]", references),
        help=f"Baselines to search instead of SPEC, side by side: {what}.",
    )


def format_option(what: str) -> Callable[[F], F]:
    """`--format`, which says how to print `what` the command has to show."""
    help_text = f"How to print {what}.  [default: table]"
    choice = click.Choice(FORMATS)
    return under(OUTPUT, click.option("--format", "form", type=choice, help=help_text))


def measure_option(default: str = "fvcore") -> Callable[[F], F]:
    option = click.option(
        "--measure",
        "engine",
        type=click.Choice(["fvcore", "torch", "none"]),
        default=default,
        help="Check the count on the built network, of equal blocks on one: fvcore "
        "runs it; torch counts on the meta device, which needs no memory; none does "
        "not import torch.",
    )
    return under(NETWORK, option)


def plot_option(what: str) -> Callable[[F], F]:
    help_text = f"Draw {what}, to a .png or .svg file (needs effscale[plot])."
    return under(OUTPUT, click.option("--plot", type=Picture(), help=help_text))


def seed_option(help_text: str) -> Callable[[F], F]:
    return click.option(
        "--seed",
        type=Whole(0, 2**63 - 1),
        default=0,
        help=help_text,
    )


def strategy_option(help_text: str) -> Callable[[F], F]:
    return click.option(
        "--strategy", type=STRATEGIES_LIST, default="compound", help=help_text
    )


units_option = under(
    OUTPUT,
    click.option(
        "--units",
        type=click.Choice(["macs", "flops"]),
        default="macs",
        show_default=False,
        help="In tables, MACs or FLOPs (2 × MACs); JSON and CSV carry MACs.",
    ),
)
force_option = under(
    OUTPUT, click.option("--force", is_flag=True, help="Replace the output file.")
)


def output_options(*, spec: bool = False) -> Callable[[F], F]:
    """How the answer is printed or written; `spec` where a file may get a spec."""
    return every(
        format_option("the answer"),
        click.option(
            "--output",
            type=Target() if spec else AnswerFile(),
            help=f"{TO_FILE} Its suffix (.json, .csv, .md) chooses the format; any "
            "other gets the table.",
        ),
        force_option,
        units_option,
        title=OUTPUT,
    )


deploy_option = under(
    NETWORK,
    click.option(
        "--deploy",
        is_flag=True,
        help="Take the network as it is shipped: batch norms folded into convolutions, "
        "and convolutions of one map that are added merged into one (RepVGG, "
        "MobileOne).",
    ),
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
        type=Whole(1, MAX_CLASSES),
        help="Classes of the network instead of the spec's.",
    ),
    title=NETWORK,
)


def tolerance_option(text: str, default: str | None = None) -> Callable[[F], F]:
    """How far a cost may be from what was asked, relative to it."""
    return click.option(
        "--tolerance",
        type=Parsed("SHARE", share),
        default=default,
        help=f"{text}  Such as 5% or 0.05.",
        show_default=default is not None,
    )


quiet_option = under(
    OUTPUT, click.option("-q", "--quiet", is_flag=True, help="No progress, no notes.")
)
verbosity = every(
    quiet_option,
    click.option("-v", "--verbose", is_flag=True, help="Say more, on stderr."),
    title=OUTPUT,
)


@data
class Request:
    """Which network is meant, how it is proved, and where and how the answer goes.

    Its files are known to be free before any work is done for them.

    Raises:
        click.BadParameter: if a file is there already, and `force` is not given.
        OutputError: if no picture can be drawn to `plot`, or a file is a disk.
    """

    resolution: tuple[int, int] | None = None
    classes: int | None = None
    deploy: bool = False
    engine: str = "none"
    plot: Path | None = None
    form: str | None = None
    output: Path | None = None
    force: bool = False
    units: Units = "macs"
    quiet: bool = False
    verbose: bool = False

    def __post_init__(self) -> None:
        self.refuse_existing(self.output, "--output")
        self.refuse_existing(self.plot, "--plot")
        _ = self.picture

    def refuse_existing(self, path: Path | None, option: str) -> None:
        """Refuse a file that is there already, unless it may be replaced."""
        if path is None or is_written_through(path):
            return
        if path.exists() and not self.force:
            message = f"{str(path)!r} exists; --force replaces it"
            raise click.BadParameter(message, param_hint=f"'{option}'")

    @property
    def picture(self) -> str:
        """The format of the picture to draw; empty if there is none."""
        if self.plot is None:
            return ""
        from effscale.report.plots import form

        return form(self.plot)

    @property
    def measures(self) -> bool:
        """Whether networks are built, and their counts compared."""
        return self.engine != "none"

    def read(self, spec: str) -> Spec:
        """The spec of that name, at the resolution and with the classes asked for.

        Raises:
            SpecError, ScaleError: if there is none.
        """
        from effscale.growth.scale import at_resolution, load, with_classes
        from effscale.spec.geometry import covering, uncovered

        found = load(spec)
        if self.resolution is not None and self.resolution != found.resolution:
            before, found = found, at_resolution(found, self.resolution)
            for place, what in uncovered(covering(before), found).items():
                note(f"warning: {found.name}: {dotted(place)}: {what}")
        if self.classes is not None and self.classes != found.classes:
            found = with_classes(found, self.classes)
        if self.deploy:
            # What a file expects of itself is of the network that is trained.
            update = {"deployed": True, "expected": None}
            found = found.model_copy(update=update)
        return found

    def baselines(self, references: Sequence[str]) -> dict[str, Spec]:
        """The specs that stand side by side instead of SPEC, each by its name.

        Those of one name go by what they were called here.

        Raises:
            click.UsageError: if there is a SPEC as well.
            SpecError, ScaleError: if one of them is not there.
        """
        if is_typed("spec"):
            raise click.UsageError("--from stands instead of SPEC: give one of them")
        from effscale.spec.builtin import by_name

        return by_name([(each, self.read(each)) for each in references])

    def measured(self, specs: Sequence[Spec]) -> list[Measurement | None]:
        """What the engine measures of each spec; None for each if there is none."""
        if not self.measures:
            return [None] * len(specs)
        from effscale.cli.progress import Bar

        measured: list[Measurement | None] = []
        with Bar(len(specs), quiet=self.quiet) as bar:
            from effscale.module.measure import measure_spec

            for spec in specs:
                bar.advance(0, f"{self.engine} measures {spec.name}")
                found = measure_spec(spec, self.engine, once=True)  # type: ignore[arg-type]
                measured.append(found)
                bar.advance(1, f"{self.engine} measured {spec.name}")
        return measured

    def refuse_spec(self, why: str) -> None:
        """Refuse an output file that is to be a spec.

        Raises:
            click.UsageError: if it is.
        """
        if self.wants_spec:
            name = str(self.output)
            raise click.UsageError(f"there is no spec to write to {name!r}: {why}")

    @property
    def wants_spec(self) -> bool:
        """Whether the output file is to be a spec: of one network, or of a family."""
        return self.output is not None and self.output.suffix in SPECS

    def write_family(
        self,
        baseline: Spec,
        variants: Sequence[Variant],
        budgets: Mapping[str, Budget] | None = None,
    ) -> None:
        """Write a variant as a spec of its own, or several as those of the baseline.

        One is called as its file is, where that is a name.
        """
        from effscale.report.family import written
        from effscale.report.scaling import resolved

        if len(variants) == 1:
            (only,) = variants
            budget = (budgets or {}).get(only.spec.name)
            self.write(resolved(baseline, self._called(only), budget))
            return
        text, dropped = written(baseline, variants, budgets or {})
        for name in dropped:
            note(f"{name}: not written, as the file has that network", quiet=self.quiet)
        self.write(text)

    def _called(self, variant: Variant) -> Variant:
        """The variant under the name of the output file."""
        from effscale.spec.values import is_name

        name = "" if self.output is None else self.output.stem
        if not is_name(name):
            return variant
        spec = variant.spec.model_copy(update={"name": name})
        return replace(variant, spec=spec)

    def deliver(
        self, report: Report, image: bytes = b"", *, to_file: bool = True
    ) -> None:
        """Print the report, or write it to the output file; write the picture, if any.

        Where that file is for something else, `to_file` is False.
        """
        from effscale.report.render import show, text

        for line in report.warnings:
            note(line)
        if self.output is None or not to_file:
            show(report, self.form or "table")  # type: ignore[arg-type]  # click checked it
        else:
            form = self.form or _SUFFIXES.get(self.output.suffix, "table")
            self.write(text(report, form))  # type: ignore[arg-type]
        if self.plot is not None:
            write(self.plot, image, quiet=self.quiet)

    def write(self, text: str, *, aside: bool = False) -> None:
        """Write the text to the output file, or print it; `aside` to stderr."""
        if self.output is None:
            click.echo(text, nl=False, err=aside)
        else:
            write(self.output, text, quiet=self.quiet)

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

        found = [line for spec, m in pairs if (line := difference(spec, m))]
        if found:
            raise DisagreementError("\n".join(found))


def _explain(measured: Sequence[Measurement | None]) -> None:
    """Say on stderr what the counter adds, and what it leaves out, by convention."""
    for each in filter(None, measured[:1]):
        most_first = sorted(each.operators.items(), key=lambda item: -item[1])
        known = ", ".join(f"{name} {n:,}" for name, n in most_first)
        free = ", ".join(f"{name} ×{n}" for name, n in each.free.items())
        note(f"{each.engine}, by operator: {known}")
        note(f"{each.engine} leaves out by convention: {free}")


def weights_of(spec: str, file: Path | None) -> Path | Original | None:
    """A file of weights, with what `import` has written beside the spec, if it did."""
    from effscale.spec.builtin import is_file

    beside = Path(spec.partition("@")[0]).with_suffix(NAMES)
    if file is None or not is_file(spec) or not beside.is_file():
        return file
    from effscale.module.weights import Original

    return Original(file, beside)


#: How the names that `import` writes for a spec end, in the place of `.yaml`.
NAMES = ".weights.json"


def note(text: str, *, quiet: bool = False) -> None:
    """Say something beside the answer, on stderr, unless results alone are wanted."""
    if not quiet:
        click.echo(lines(text), err=True)


def write(path: Path, content: str | bytes, *, quiet: bool) -> None:
    """Put `content` into the file at `path`, whole or not at all, and say so.

    Raises:
        OutputError: if the system refuses.
    """
    if isinstance(content, str):  # a path may have bytes that are no text
        content = content.encode(errors="replace")
    with whole(path) as file:
        file.write(content)
    if not is_written_through(path):
        note(f"wrote {path}", quiet=quiet)
