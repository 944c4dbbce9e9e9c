"""`effscale check`."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from effscale.cli import latency, limits, options
from effscale.cli.help import OUTPUT, Command, titled
from effscale.cli.options import Request, note, write
from effscale.cli.progress import Bar
from effscale.cli.types import CODES, Target

if TYPE_CHECKING:
    from effscale.checking.rule import Applies
    from effscale.checking.run import Outcome
    from effscale.checking.source import Source
    from effscale.cli.limits import Limits
    from effscale.cost.latency_model import Device
    from effscale.search.measured import Tries
    from effscale.spec.models import Spec

FORMATS = ("text", "concise", "json", "github", "sarif", "junit", "auto")
_SUFFIXES = {".json": "json", ".sarif": "sarif", ".xml": "junit"}


@dataclass(frozen=True)
class Mending:
    """What may be mended, and whether it is written or only shown."""

    fix: bool
    unsafe_fixes: bool
    update: bool
    diff: bool

    def __post_init__(self) -> None:
        if self.unsafe_fixes and not (self.fix or self.diff):
            raise click.UsageError("--unsafe-fixes goes with --fix or --diff")

    @property
    def applies(self) -> set[Applies]:
        safe = self.fix or (self.diff and (self.unsafe_fixes or not self.update))
        kinds: dict[Applies, bool] = {
            "safe": safe,
            "unsafe": self.unsafe_fixes,
            "update": self.update,
        }
        return {kind for kind, asked in kinds.items() if asked}


@click.command("check", cls=Command)
@click.argument(
    "paths",
    nargs=-1,
    type=click.Path(exists=True, allow_dash=True, readable=False),
    metavar="[PATH]...",
)
@titled("Rules")
@click.option(
    "--select",
    type=CODES,
    multiple=True,
    help="Check only these rules: codes or prefixes (EFF2,EFF301).",
)
@click.option(
    "--ignore",
    type=CODES,
    multiple=True,
    help="Do not check these rules; the longer of two prefixes wins.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning"]),
    default="error",
    help="Lowest severity that fails the run (exit code 1).",
)
@click.option("--exit-zero", is_flag=True, help="Exit 0 even if something is found.")
@limits.limit_options(
    "A limit of MACs for every network, beside its own `budget:`: '<= 400M'.",
    latency="each network is run, and measured.",
)
@titled("Fixes")
@click.option(
    "--fix", is_flag=True, help="Fix what can be fixed without changing the network."
)
@click.option(
    "--unsafe-fixes",
    is_flag=True,
    help="With --fix or --diff: also fix what changes the network.",
)
@click.option(
    "--update", is_flag=True, help="Replace `expected:` figures by the counted ones."
)
@click.option(
    "--diff", is_flag=True, help="Show what would be fixed, and write nothing."
)
@titled("Rules")
@click.option(
    "--verify",
    is_flag=True,
    help="Build each network and measure it, too, and the latency that its `budget:` "
    "limits (needs torch, and seconds).",
)
@titled(OUTPUT)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="How to print findings; auto is github under GitHub Actions and text "
    "elsewhere.  [default: auto]",
)
@click.option(
    "--output",
    type=Target(),
    help="Write findings to this file, atomically; its suffix (.json, .sarif, "
    ".xml) chooses the format.",
)
@options.force_option
@click.option("-q", "--quiet", is_flag=True, help="Print findings only.")
@options.gathered(
    mending=Mending, way=latency.Way, wanted=limits.Limits, request=Request
)
def command(  # noqa: PLR0913 - options
    *,
    paths: tuple[str, ...],
    select: tuple[list[str], ...],
    ignore: tuple[list[str], ...],
    fail_on: str,
    exit_zero: bool,
    mending: Mending,
    wanted: Limits,
    verify: bool,
    request: Request,
) -> None:
    """Find everything that is wrong with spec files.

    \b
      effscale check specs
      effscale check specs --format sarif --output effscale.sarif
      effscale check specs --macs '<= 400M' --memory '<= 64MB' --dtype int8
      effscale check my.yaml --latency '<= 20ms' --threads 4
      effscale check my.yaml --diff
      effscale check my.yaml --fix --update

    Each PATH is a file, - for standard input, or a folder; a folder, the current one if
    there is no PATH, stands for the specs in it and below. A YAML file is a spec if it
    has a stem, stages or a neck and another key of one, if it is called
    NAME.effscale.yaml, or by the modeline of effscale schema. Findings have a place, a
    code that effscale rule explains, and where there is one a hint. The comment
    # effscale: ignore[EFF301] at the end of a line leaves that rule out there.

    Exits 1 if an error is found. torch is not imported, unless --verify or --latency
    runs networks: a limit of latency is measured where one of them asks for that, on
    the device that it names, and else said not to be.
    """
    from effscale.checking.catalogue import chosen
    from effscale.checking.fix import changes, checked

    enabled = chosen(chain(*select), chain(*ignore))
    sources, left = _sources(paths)
    held, running = wanted.of_candidates(), wanted.running(predicts=False)
    sources = [replace(each, limits=held, running=running) for each in sources]
    outcome = replace(checked(sources, enabled, mending.applies), left=left)
    if mending.diff:
        diff = "".join(changes(sources, outcome))
        click.echo(diff, nl=False)
        failed = bool(diff)
    else:
        if mending.applies:
            _write_back(sources, outcome, quiet=request.quiet)
        if verify and "EFF307" in enabled:
            outcome = _verified(outcome, quiet=request.quiet)
        if verify or wanted.latency:
            outcome = _timed(outcome, own=verify, quiet=request.quiet)
        # where standard input was mended, standard output has the text itself
        _deliver(outcome, request, aside=bool(mending.applies) and "-" in paths)
        failed = outcome.fails(fail_on)
    if failed and not exit_zero:
        raise SystemExit(1)


def _sources(paths: tuple[str, ...]) -> tuple[list[Source], int]:
    """Each file that is to be checked, and how many others lie beside them."""
    from effscale.checking.run import listed, read

    files, left = listed(paths)
    if not files:
        where = f"in {', '.join(paths)}" if paths else "below the current folder"
        others = f" but {len(left):,} other YAML files" if left else ""
        raise click.UsageError(f"expected spec files {where}, found none{others}")
    return [read(path) for path in files], len(left)


def _write_back(before: list[Source], outcome: Outcome, *, quiet: bool) -> None:
    """Replace each file that was mended; standard input goes to standard output."""
    for old, checked in zip(before, outcome.files, strict=True):
        if old.file == "-" and not old.is_unread:
            click.echo(checked.source.text, nl=False)
        elif old.text != checked.source.text:
            write(Path(old.file), checked.source.raw, quiet=quiet)


def _verified(outcome: Outcome, *, quiet: bool) -> Outcome:
    from effscale.checking.verify import networks, verified

    with Bar(networks(outcome), quiet=quiet) as bar:
        return verified(
            outcome,
            progress=lambda what: bar.advance(1, what),
            note=note,
        )


def _timed(outcome: Outcome, *, own: bool, quiet: bool) -> Outcome:
    """The outcome with networks run whose latency is limited, one after the other."""
    from effscale.checking.verify import timed

    if not outcome.unmeasured:
        return outcome
    with Bar(outcome.unmeasured, quiet=quiet) as bar:
        from effscale.module.calibrate import tries

        def clock(spec: Spec, device: Device) -> Tries:
            bar.advance(0, f"timing {spec.name}")
            return tries(spec, device)

        return timed(outcome, clock, note, own=own)


def _deliver(outcome: Outcome, request: Request, *, aside: bool) -> None:
    from effscale.checking import formats

    form = _form(request.form, request.output)
    if form == "github" and (summary := os.environ.get("GITHUB_STEP_SUMMARY")):
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(formats.summary(outcome))
    if form == "text":
        from effscale.report import findings

        if request.output is None:
            stream = sys.stderr if aside else sys.stdout
            findings.show(outcome, stream, quiet=request.quiet)
            return
        text = findings.text(outcome, quiet=request.quiet)
    else:
        written = {
            "concise": formats.concise,
            "json": formats.as_json,
            "github": formats.github,
            "sarif": formats.sarif,
            "junit": formats.junit,
        }
        text = written[form](outcome)
    request.write(text, aside=aside)
    if request.output is not None:
        note(formats.counted(outcome), quiet=request.quiet)


def _form(form: str | None, output: Path | None) -> str:
    """The format asked for, or the one that the file's name or the place suggests."""
    if form not in {None, "auto"}:
        return str(form)
    if form is None and output is not None and output.suffix in _SUFFIXES:
        return _SUFFIXES[output.suffix]
    actions = {"GITHUB_ACTIONS", "GITHUB_WORKFLOW"} <= os.environ.keys()
    return "github" if actions and output is None else "text"
