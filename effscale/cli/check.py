"""`effscale check`."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from effscale.cli import options
from effscale.cli.progress import Bar
from effscale.cli.types import CODES, Target
from effscale.errors import EffscaleError, MeasureError

if TYPE_CHECKING:
    from collections.abc import Collection

    from effscale.check.rule import Applies
    from effscale.check.run import Outcome
    from effscale.check.source import Source
    from effscale.errors import Fault


# --------------------------------------------------------------------------------------
# Findings, printed or written in the format that was asked for.

_SUFFIXES = {".json": "json", ".sarif": "sarif", ".xml": "junit"}


def form_of(form: str | None, output: Path | None) -> str:
    """The format asked for, or the one that the file's name or the place suggests."""
    if form not in {None, "auto"}:
        return str(form)
    if form is None and output is not None and output.suffix in _SUFFIXES:
        return _SUFFIXES[output.suffix]
    actions = {"GITHUB_ACTIONS", "GITHUB_WORKFLOW"} <= os.environ.keys()
    return "github" if actions and output is None else "text"


def deliver(
    outcome: Outcome, form: str, output: Path | None, *, aside: bool, quiet: bool
) -> None:
    """Print the findings, or write them to the file."""
    from effscale.check import formats

    if form == "github" and (summary := os.environ.get("GITHUB_STEP_SUMMARY")):
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(formats.summary(outcome))
    if form == "text" and output is None:
        from effscale.report.findings import show

        show(outcome, sys.stderr if aside else sys.stdout, quiet=quiet)
        return
    text = _text(outcome, form, quiet=quiet)
    if output is not None:
        options.write(output, text)
        if not quiet:
            click.echo(formats.counted(outcome), err=True)
    else:
        click.echo(text, nl=False, err=aside)


def _text(outcome: Outcome, form: str, *, quiet: bool) -> str:
    """The findings in a format."""
    from effscale.check import formats
    from effscale.report import findings

    match form:
        case "concise":
            return formats.concise(outcome)
        case "json":
            return formats.as_json(outcome)
        case "github":
            return formats.github(outcome)
        case "sarif":
            return formats.sarif(outcome)
        case "junit":
            return formats.junit(outcome)
        case _:
            return findings.text(outcome, quiet=quiet)


# --------------------------------------------------------------------------------------

# --------------------------------------------------------------------------------------
# What `check --verify` adds: networks built, and measured beside their count.


def verified(
    outcome: Outcome, enabled: Collection[str], *, quiet: bool = False
) -> Outcome:
    """The outcome with a finding for each network whose measurement differs.

    fvcore runs the baseline; torch, which needs neither memory nor time for it, counts
    the baseline and every variant. What cannot be measured is said on stderr.
    """
    if "EFF307" not in enabled:
        return outcome
    sound = [each for each in outcome.files if not each.source.faults]
    total = sum(
        2 + len(each.source.spec.variants) for each in sound if each.source.spec
    )
    files = []
    with Bar(total, quiet=quiet) as bar:
        for each in outcome.files:
            found = [] if each.source.faults else _measured(each.source, bar)
            files.append(replace(each, findings=(*each.findings, *found)))
    return replace(outcome, files=tuple(files))


def _measured(source: Source, bar: Bar) -> list[Fault]:
    from effscale.check.cost import DIFFERS
    from effscale.module.measure import difference, measure_spec

    found = []
    for place, counted in source.networks.items():
        if isinstance(counted, EffscaleError):
            continue
        spec = counted.spec
        for engine in ("torch",) if place else ("torch", "fvcore"):
            try:
                text = difference(spec, measure_spec(spec, engine))  # type: ignore[arg-type]
            except MeasureError as error:
                click.echo(f"{source.path}: not verified: {error}", err=True)
                text = None
            bar.advance(1, f"{engine} measured {spec.name}")
            if text:
                found.append(DIFFERS.at(source, place, text, key=True))
    return found


# --------------------------------------------------------------------------------------

FORMATS = ("text", "concise", "json", "github", "sarif", "junit", "auto")


@click.command("check")
@click.argument(
    "paths",
    nargs=-1,
    type=click.Path(exists=True, allow_dash=True, readable=False),
    metavar="[PATH]...",
)
@click.option(
    "--select",
    type=CODES,
    multiple=True,
    help="Look for these rules alone: codes, or how they begin (EFF2,EFF301).",
)
@click.option(
    "--ignore",
    type=CODES,
    multiple=True,
    help="Do not look for these; the longer of two prefixes wins.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning"]),
    default="error",
    show_default=True,
    help="The least severity that makes the exit code 1.",
)
@click.option("--exit-zero", is_flag=True, help="Exit 0 whatever is found.")
@click.option("--fix", is_flag=True, help="Mend what keeps the network as it is.")
@click.option(
    "--unsafe-fixes",
    is_flag=True,
    help="With --fix or --diff: mend what changes the network, too.",
)
@click.option(
    "--update", is_flag=True, help="Write what is counted over expected figures."
)
@click.option(
    "--diff", is_flag=True, help="Show what would be mended, and write nothing."
)
@click.option(
    "--verify",
    is_flag=True,
    help="Build each network and measure it, too (needs torch, and seconds).",
)
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
    help="Write findings to this file, whole or not at all; its suffix (.json, .sarif, "
    ".xml) chooses the format.",
)
@click.option("--force", is_flag=True, help="Replace the output file.")
@click.option("-q", "--quiet", is_flag=True, help="Findings alone, and no progress.")
def command(  # noqa: PLR0913 - options
    *,
    paths: tuple[str, ...],
    select: tuple[list[str], ...],
    ignore: tuple[list[str], ...],
    fail_on: str,
    exit_zero: bool,
    fix: bool,
    unsafe_fixes: bool,
    update: bool,
    diff: bool,
    verify: bool,
    form: str | None,
    output: Path | None,
    force: bool,
    quiet: bool,
) -> None:
    """Find everything that is wrong with spec files.

    Each PATH is a file, a folder, or - for standard input; without one, the specs below
    the current folder are checked. Findings have a place, a code that effscale rule
    explains, and where there is one a hint. A line that ends with
    # effscale: ignore[EFF301] is spared that one.

    Exits 1 if an error is found. torch is not imported.

    \b
      effscale check specs
      effscale check specs --format sarif --output effscale.sarif
      effscale check my.yaml --diff
      effscale check my.yaml --fix --update
    """
    from effscale.check.catalogue import chosen

    if unsafe_fixes and not (fix or diff):
        raise click.UsageError("--unsafe-fixes goes with --fix or --diff")
    options.unused(output, force=force)
    enabled = chosen(chain(*select), chain(*ignore))
    safe = fix or (diff and (unsafe_fixes or not update))
    applies = _applies(safe=safe, unsafe=unsafe_fixes, update=update)
    sources = _sources(paths)
    outcome = _checked(sources, enabled, applies)
    if diff:
        failed = _show_changes(sources, outcome)
    else:
        if applies:
            _write_back(sources, outcome)
        if verify:
            outcome = verified(outcome, enabled, quiet=quiet)
        aside = bool(applies) and "-" in paths  # standard output has the text itself
        chosen_form = form_of(form, output)
        deliver(outcome, chosen_form, output, aside=aside, quiet=quiet)
        failed = outcome.fails(fail_on)
    if failed and not exit_zero:
        raise SystemExit(1)


def _applies(**asked: bool) -> set[Applies]:
    """What may be mended."""
    kinds: tuple[Applies, ...] = ("safe", "unsafe", "update")
    return {kind for kind in kinds if asked[kind]}


def _sources(paths: tuple[str, ...]) -> list[Source]:
    """Each file that is to be checked."""
    from effscale.check.run import listed, read

    found = [read(path) for path in listed(paths)]
    if not found:
        where = f"in {', '.join(paths)}" if paths else "below the current folder"
        raise click.UsageError(f"expected spec files {where}, found none")
    return found


def _checked(
    sources: list[Source], enabled: frozenset[str], applies: set[Applies]
) -> Outcome:
    """What is found in each file, once what may be mended is."""
    from effscale.check.fix import fixed
    from effscale.check.run import Checked, Outcome, check

    files = []
    for source in sources:
        after, count = fixed(source, enabled, applies) if applies else (source, 0)
        files.append(Checked(after, tuple(check(after, enabled)), count))
    return Outcome(tuple(files))


def _show_changes(before: list[Source], outcome: Outcome) -> bool:
    """Print what would be written as a diff; whether that is anything."""
    from difflib import unified_diff

    changed = False
    for old, new in zip(before, (each.source for each in outcome.files), strict=True):
        changed |= old.text != new.text
        a, b = (text.splitlines(keepends=True) for text in (old.text, new.text))
        for line in unified_diff(a, b, old.path, new.path):
            missing = "" if line.endswith("\n") else "\n\\ No newline at end of file\n"
            click.echo(f"{line}{missing}", nl=False)
    return changed


def _write_back(before: list[Source], outcome: Outcome) -> None:
    """Replace each file that was mended; standard input goes to standard output."""
    for old, checked in zip(before, outcome.files, strict=True):
        if old.file == "-" and not old.is_unread:
            click.echo(checked.source.text, nl=False)
        elif old.text != checked.source.text:
            options.write(Path(old.file), checked.source.raw)
