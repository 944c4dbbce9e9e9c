"""Findings, printed or written in the format that was asked for."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from effscale.cli import options

if TYPE_CHECKING:
    from effscale.check.outcome import Outcome

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
    from effscale.check import formats, junit, sarif
    from effscale.report import findings

    match form:
        case "concise":
            return formats.concise(outcome)
        case "json":
            return formats.as_json(outcome)
        case "github":
            return formats.github(outcome)
        case "sarif":
            return sarif.sarif(outcome)
        case "junit":
            return junit.junit(outcome)
        case _:
            return findings.text(outcome, quiet=quiet)
