"""The answer of `weights`: which tensor of a file is which of a network's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.report import rows
from effscale.report.document import Column, Report, Section, extents, several

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from effscale.module.mapping import Mapped
    from effscale.module.weights import Weights
    from effscale.spec.models import Spec

#: Lines of what does not fit that are shown, of many.
SHOWN = 20


def report(spec: Spec, path: Path, held: Weights, found: Mapped) -> Report:
    """Each tensor beside its own, and what is left of both."""
    shapes = {name: list(each.shape) for name, each in held.tensors.items()}
    table = _table(found, shapes)
    padding, eps = spec.padding, spec.norm.eps
    data = {
        **rows.envelope("weights", spec.name),
        "file": str(path),
        "origin": held.origin,
        "by": found.by,
        "whole": found.whole,
        "pairs": table,
        "classifier": list(found.classifier),
        "left": list(found.left),
        "misfits": list(found.misfits),
        "padding": padding,
        "eps": eps,
    }
    runs = f"padding: {padding}, ε of norms {eps:g}, as {spec.name} has it"
    runs += "; no file of weights says them"
    fits = several(len(found.pairs), "tensor")
    return Report(
        data=data,
        sections=[
            Section(
                [
                    Column.words("file", "theirs"),
                    Column.words(spec.name, "ours"),
                    _SHAPE,
                ],
                table,
            )
        ],
        heading=[
            ("file", f"{path}, {held.origin}"),
            ("mapped", f"{fits} by {found.by}"),
            *_said("left out", found.left, "what training alone runs"),
            *_said("initialised anew", found.classifier, "for other classes"),
            *[("misfit", each) for each in found.misfits[:SHOWN]],
            *_more(found.misfits),
            ("runs with", runs),
        ],
        records=table,
        warnings=warnings(spec, found),
    )


_SHAPE = Column("shape", "shape", extents)


def warnings(spec: Spec, found: Mapped) -> list[str]:
    """What the file's library does otherwise than the spec says."""
    if found.padding in {None, spec.padding}:
        return []
    theirs = f"{found.by} are of networks with padding: {found.padding}"
    return [f"warning: {theirs}, {spec.name} has {spec.padding}: outputs will differ"]


def _table(found: Mapped, shapes: Mapping[str, list[int]]) -> list[rows.Data]:
    return [
        {"theirs": theirs, "ours": ours, "shape": shapes[theirs]}
        for ours, theirs in found.pairs.items()
    ]


def _said(label: str, names: Sequence[str], why: str) -> list[tuple[str, str]]:
    if not names:
        return []
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return [(label, f"{names[0]}{more}, {why}")]


def _more(misfits: Sequence[str]) -> list[tuple[str, str]]:
    hidden = len(misfits) - SHOWN
    return [("", f"and {hidden} more")] if hidden > 0 else []
