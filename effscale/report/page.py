"""The page that `report` writes: what to decide by first, then each network, folded.

Styles, scripts and pictures are in the page: it makes no request.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from effscale.checking.cost import budgeted
from effscale.comparing.side_by_side import points
from effscale.cost.count import Counted
from effscale.glossary import TERMS
from effscale.limit import UNITS
from effscale.markup import plain
from effscale.quantity import human
from effscale.report import plots, profile, rows
from effscale.report.document import sides, signed_percent, unit_of
from effscale.report.template import rendered

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.figure import Figure

    from effscale.comparing.side_by_side import Entry
    from effscale.module.measure import Measurement
    from effscale.report.document import Column, Report, Row, Units

#: Colours that pictures are drawn in, and the page's own in their place, which are
#: others in the dark.
_INK = "#010203"
_OWN = {_INK: "var(--ink)", "#e6e6e6": "var(--line)", "fill: #ffffff": "fill: none"}
_INKED = (
    *("text.color", "axes.edgecolor", "axes.labelcolor"),
    *("xtick.color", "ytick.color"),
)
_NAMED = re.compile(r'(\bid="|href="#|url\(#)')
_PICTURES = ((plots.costs, "Where its cost is"), (plots.maps, "Its feature maps"))


#: Columns that a narrow screen leaves to what opens.
MINOR = {
    *("resolution", "activations", "top5", "macs_ratio", "params_ratio", "repeats"),
    *("input", "output", "channels", "products", "calls"),
}


class Picture(NamedTuple):
    """A drawing as SVG, and what is said under it."""

    svg: str
    caption: str
    wide: bool = False


class Verdict(NamedTuple):
    """How a network stands to one limit of its own budget."""

    limit: str
    found: str
    off: str
    kept: bool | None  #: None where nobody has measured it


@dataclass(frozen=True)
class Chapter:
    """An answer with its pictures; one of a network has its name as title."""

    report: Report
    pictures: Sequence[Picture] = ()
    title: str = ""
    id: str = "networks"
    figures: str = ""  #: what is to be seen of it before it is opened
    verdicts: Sequence[Verdict] = ()

    @property
    def verdict(self) -> str:
        """`within` its budget, `over` it, or nothing where nothing is known."""
        known = [each.kept for each in self.verdicts if each.kept is not None]
        return ("within" if all(known) else "over") if known else ""


@dataclass(frozen=True)
class Page:
    """A title, and chapters: the first is of all networks, each other of one."""

    title: str
    chapters: Sequence[Chapter]
    made: str = ""  #: when, and by which command

    @property
    def ids(self) -> dict[str, str]:
        """Where the networks are on the page, by name."""
        return {each.title: each.id for each in self.chapters if each.title}

    @property
    def verdict(self) -> str:
        """How the networks stand to their budgets, in a sentence."""
        judged = [each for each in self.chapters if each.verdict]
        over = [each.title for each in judged if each.verdict == "over"]
        if not judged:
            return ""
        if not over:
            timed = any(v.kept is None for each in self.chapters for v in each.verdicts)
            but = "; latency is not measured here" if timed else ""
            if len(judged) == 1:
                return f"{judged[0].title} is within its budget{but}."
            return f"All {len(judged)} networks with a budget are within it{but}."
        return f"{len(over)} of {len(judged)} over budget: {', '.join(over)}."


class Cell(NamedTuple):
    """What a table's cell shows, what it is sorted by, and how it looks."""

    text: str
    order: float | None
    look: str
    share: float | None


def page(  # noqa: PLR0913 - what a page is made of
    compared: Sequence[Entry],
    answer: Report,
    *,
    title: str,
    measured: Sequence[Measurement | None],
    units: Units = "macs",
    made: str = "",
    progress: Callable[[str], None] = lambda _what: None,
) -> str:
    """HTML of the networks; `answer` is that of `compare`, latencies included."""
    chapters = [Chapter(answer, _accuracy(compared))]
    for index, (each, found) in enumerate(zip(compared, measured, strict=True)):
        progress(each.name)
        chapters.append(_chapter(each, index, found, units))
    return html_page(title, chapters, made)


def _accuracy(compared: Sequence[Entry]) -> list[Picture]:
    """Published accuracy against MACs, where there is more than one to draw."""
    known = points(compared)
    if len(known) < 2:  # noqa: PLR2004 - a line has two ends
        return []
    caption = "Published accuracy against MACs; search to show some networks alone"
    draw = partial(plots.accuracy_figure, known, "macs")
    return [_drawn(draw, caption, "accuracy", wide=True)]


def _chapter(
    entry: Entry, index: int, measured: Measurement | None, units: Units
) -> Chapter:
    """A network by part and by operator, with its pictures."""
    counted = Counted.of(entry.spec)
    by_part, by_operator = (
        profile.report(counted, by=by, measured=measured, units=units)
        for by in ("part", "operator")
    )
    operators = replace(by_operator.sections[0], title="By operator")
    pictures = [
        _drawn(
            partial(draw, by_part.data["parts"]), caption, f"n{index}{draw.__name__}"
        )
        for draw, caption in _PICTURES
    ]
    slug = re.sub(r"[^a-z0-9.]+", "-", entry.name.lower()).strip("-.") or "network"
    answer = replace(by_part, sections=[*by_part.sections, operators])
    unit, factor = unit_of(units)
    cost = counted.cost
    macs, params = human(factor * int(cost.macs)), human(int(cost.params))
    figures = f"{macs} {unit} · {params} params · {sides(rows.image(entry.spec))} px"
    name, place = entry.name, f"{slug}-{index + 1}"
    return Chapter(answer, pictures, name, place, figures, _verdicts(entry))


def _verdicts(entry: Entry) -> list[Verdict]:
    """The limits of a network's budget, and how it stands to each."""
    found = []
    for limit, how in budgeted(entry.spec):
        if limit.figure == "latency":
            on = "" if how.device is None else f" on {how.device.said()}"
            found.append(Verdict(f"{limit}{on}", "not measured", "", kept=None))
            continue
        value = how.figure(limit.figure, entry.spec, entry.cost)
        off = signed_percent(value / limit.value - 1)
        shown = UNITS[limit.figure].show(value)
        found.append(Verdict(str(limit), shown, off, bool(limit.admits(value))))
    return found


def _drawn(
    draw: Callable[[], Figure], caption: str, name: str, *, wide: bool = False
) -> Picture:
    """What `draw` draws, for the page; `name` keeps its ids apart from other ones."""
    import matplotlib as mpl

    look: Any = dict.fromkeys(_INKED, _INK)
    with mpl.rc_context(look):
        svg = plots.rendered(draw(), "svg").decode()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = _NAMED.sub(rf"\g<1>{name}-", svg)
    for theirs, ours in _OWN.items():
        svg = svg.replace(theirs, ours)
    label = f'<svg role="img" aria-label="{escape(caption)}"'
    return Picture(svg.replace("<svg", label, 1), caption, wide)


def html_page(title: str, chapters: Sequence[Chapter], made: str = "") -> str:
    """The chapters as one page of HTML."""
    return rendered(
        "report",
        page=Page(title, chapters, made),
        cell_of=cell,
        terms=[each for each in TERMS.values() if each.word],
        minor=MINOR,
    )


def cell(column: Column, row: Row) -> Cell:
    """The cell of a column: shares have bars, numbers are sorted exactly."""
    value = column.value(row)
    order: float | None = None
    if isinstance(value, int | float) and not isinstance(value, bool):
        order = value
    elif isinstance(value, list) and all(isinstance(each, int) for each in value):
        order = math.prod(value)
    share = order if column.key in {"share", "macs_share"} else None
    looks = [column.justify, "wraps" if column.wraps else ""]
    looks += ["share" if share is not None else ""]
    looks += ["" if value is None else column.style(value)]
    return Cell(
        plain(column.cell(row)),
        order,
        " ".join(filter(None, looks)),
        None if share is None else round(100 * share, 2),
    )
