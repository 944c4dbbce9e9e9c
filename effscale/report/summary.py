"""The page that `report` writes: networks side by side, then each by itself."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from effscale.cost.count import count
from effscale.report import html, plots, portraits, profile
from effscale.search.compare import points

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from effscale.module.measure import Measurement
    from effscale.report.document import Report, Units
    from effscale.search.compare import Entry


_PICTURES = (
    (portraits.costs, "Where its cost is"),
    (portraits.maps, "Its feature maps"),
)


def page(  # noqa: PLR0913 - what a page is made of
    compared: Sequence[Entry],
    answer: Report,
    *,
    title: str,
    measured: Sequence[Measurement | None],
    units: Units = "macs",
    progress: Callable[[str], None] = lambda _what: None,
) -> str:
    """HTML of the networks; `answer` is that of `compare`, with whatever was added."""
    chapters = [html.Chapter(answer, _accuracy(compared))]
    for index, (each, found) in enumerate(zip(compared, measured, strict=True)):
        progress(each.name)
        chapters.append(_chapter(each, index, found, units))
    return html.page(title, chapters)


def _accuracy(compared: Sequence[Entry]) -> list[html.Picture]:
    """Published accuracy against MACs, where there is more than one to draw."""
    known = points(compared)
    if len(known) < 2:  # noqa: PLR2004 - a line has two ends
        return []
    caption = "Published top-1 accuracy against MACs"
    draw = partial(plots.accuracy_figure, known, "macs")
    return [html.drawn(draw, caption, "accuracy", wide=True)]


def _chapter(
    entry: Entry, index: int, measured: Measurement | None, units: Units
) -> html.Chapter:
    """A network by part and by operator, with its pictures."""
    by_part, by_operator = (
        profile.report(
            entry.spec, count(entry.spec), by=by, measured=measured, units=units
        )
        for by in ("part", "operator")
    )
    parts = by_part.data["parts"]
    sections = [
        *by_part.sections,
        replace(by_operator.sections[0], title="By operator"),
    ]
    pictures = [
        html.drawn(partial(draw, parts), caption, f"n{index}{draw.__name__}")
        for draw, caption in _PICTURES
    ]
    slug = re.sub(r"[^a-z0-9.]+", "-", entry.name.lower()).strip("-.") or "network"
    return html.Chapter(
        replace(by_part, sections=sections), pictures, entry.name, f"{slug}-{index + 1}"
    )
