"""Pictures as PNG or SVG: of grids, sweeps, families and networks."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np

from effscale.errors import OutputError
from effscale.extras import needed
from effscale.quantity import human
from effscale.report.document import extents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from effscale.arrays import RealArray
    from effscale.comparing.side_by_side import Axis, Point
    from effscale.report.document import Row
    from effscale.search.grid import Candidates, Grid
    from effscale.search.sweep import Step

DPI = 144
#: Costs this many times apart are drawn on a logarithmic axis.
FAR = 8
#: Marks of families beyond the colours that one tells apart.
_MARKERS = "os^Dv<>P"
#: Points of a label's type, and pixels around it that nothing else is written in.
SMALL, _GAP = 7.5, 1.5
#: Inches of a panel of parts: its width, the height of its frame and of each part.
_WIDTH, _FRAME, _PART = 5.2, 1.1, 0.42
#: What an accuracy is called on its axis.
_SCORED = {
    "top1": "published top-1 accuracy, %",
    "ap": "published average precision, COCO",
    "miou": "published mean intersection over union, %",
}
_ACCURACY = {"top1": "Accuracy on ImageNet", "ap": "Average precision on COCO"}
_COST = {"macs": "MACs of one image", "params": "params"}
#: Figures of a part, and what each is called; times are there if they were measured.
_FIGURES = {
    "macs": "MACs",
    "params": "params",
    "activations": "activations",
    "seconds": "time",
}


def form(path: Path) -> str:
    """The picture's format, from its suffix: one of `PICTURES`.

    Raises:
        OutputError: if matplotlib is not installed.
    """
    needed("plot", path)
    return path.suffix.removeprefix(".").lower()


def grid(
    asked: Grid, found: Candidates, own: Sequence[float], name: str, kind: str
) -> bytes:
    """Realised against nominal cost, and the feasible points over (β, γ).

    The front is marked in both halves, and the `own` coefficients of the network.
    """
    figure = blank(11.5, 5)
    phi = asked.phis[0]
    what = (
        f"networks of {asked.target_ratio:g} times the MACs for each φ, at φ = {phi:g}"
    )
    figure.suptitle(f"{name}: {what}", fontsize=11)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.15))
    is_own = np.all([a == b for a, b in zip(found.coefficients, own, strict=True)], 0)
    marks = [
        ("front: params, activations", found.pareto, "D", 42),
        ("the network's own α, β, γ", is_own, "*", 190),
    ]

    def marked(axes: Axes, x: RealArray, y: RealArray) -> None:
        for label, which, marker, area in marks:
            if which.any():
                at = x[which], y[which]
                axes.scatter(
                    *at, area, marker=marker, fc="none", ec="C3", lw=1.1, label=label
                )

    nominal = found.product**phi
    target, power = asked.target_ratio**phi, phi if asked.constraint == "nominal" else 1
    ends = [1 - asked.tolerance, 1 + asked.tolerance]
    low, high = (target * end**power for end in ends)
    left.axhspan(low, high, color="C0", alpha=0.12, lw=0, label="within the tolerance")
    reach = nominal.min(), nominal.max()
    left.plot(reach, reach, color="0.6", lw=1, label="realised = nominal")
    left.scatter(nominal, found.ratio, s=16, c="C0", alpha=0.5, lw=0)
    marked(left, nominal, found.ratio)
    left.set_xlabel("nominal cost, (α·β²·γ²)^φ")
    left.set_ylabel("realised MACs / baseline")
    left.legend(frameon=False, fontsize=8)
    left.set_title("what rounding adds", fontsize=10)
    alpha, beta, gamma = found.coefficients
    apart = beside(beta, gamma, alpha)
    points = right.scatter(apart, gamma, c=alpha, s=20, cmap="viridis", lw=0)
    marked(right, apart, gamma)
    figure.colorbar(points, ax=right, label="α (depth)")
    right.set_xlabel("β (width)")
    right.set_ylabel("γ (resolution)")
    right.set_title("feasible networks, those of one β and γ abreast", fontsize=10)
    return rendered(figure, kind)


#: How much of the room between two values points of one place may take.
_SPREAD = 0.7


def beside(x: RealArray, y: RealArray, by: RealArray) -> RealArray:
    """`x`, but points of one place side by side, in the order of `by`."""
    values = np.unique(x)
    room = _SPREAD * (float(np.diff(values).min()) if len(values) > 1 else 1.0)
    places: dict[tuple[float, float], list[int]] = {}
    for index in np.argsort(by, kind="stable").tolist():
        places.setdefault((float(x[index]), float(y[index])), []).append(index)
    step = room / max(map(len, places.values()), default=1)
    found: RealArray = x.astype(float)
    for members in places.values():
        for k, index in enumerate(members):
            found[index] += (k - (len(members) - 1) / 2) * step
    return found


def sweep(name: str, dimension: str, steps: Sequence[Step], kind: str) -> bytes:
    """MACs along one dimension as a staircase, cliffs marked."""
    figure = blank(9, 4.6)
    axes = figure.subplots()
    whole = dimension == "resolution"
    edges = [each.low - 0.5 * whole for each in steps]
    edges.append(steps[-1].high + 0.5 * whole)
    macs = [int(each.cost.macs) for each in steps]
    axes.stairs(macs, edges, baseline=None, color="C0", lw=1.6)
    for each in steps:
        if each.is_cliff:
            label = f"{each.low:g}  {100 * each.rise:+.0f} %"
            point = each.low - 0.5 * whole, int(each.cost.macs)
            axes.annotate(
                label, point, xytext=(-4, 2), textcoords="offset points",
                ha="right", fontsize=8, color="C3",
            )  # fmt: skip
    axes.set_title(f"{name}: MACs by {dimension}, and where they jump", fontsize=11)
    axes.set_xlabel("pixels" if whole else f"{dimension} multiplier")
    axes.set_ylabel("MACs")
    axes.yaxis.set_major_formatter(in_letters)
    ruled(axes)
    return rendered(figure, kind)


def accuracy(
    points: Sequence[Point], x: Axis, kind: str, missing: Sequence[str] = ()
) -> bytes:
    """Published accuracy against a cost, as in the EfficientNet paper's figures 1, 5.

    Networks that are `missing`, as none is published of them, are listed below.

    Raises:
        OutputError: if no accuracy is published of any network.
    """
    return rendered(accuracy_figure(points, x, missing), kind)


def accuracy_figure(
    points: Sequence[Point], x: Axis, missing: Sequence[str] = ()
) -> Figure:
    """The figure of `accuracy`: families joined by lines, every point named.

    The line of a family runs from the least accurate network to the most.

    Raises:
        OutputError: if there is no point.
    """
    from matplotlib.ticker import LogLocator

    if not points:
        raise OutputError("--plot: no accuracy is published of any of these networks")
    many = min(len(points) / 40, 1)
    figure = blank(8 + 6 * many, 5.4 + 4.6 * many)
    axes = figure.subplots()
    families: dict[str, list[Point]] = {}
    for point in sorted(points, key=lambda each: (each.accuracy, each.cost(x))):
        families.setdefault(point.family or point.name, []).append(point)
    labels: list[_Label] = []
    for index, members in enumerate(families.values()):
        colour, marker = f"C{index % 10}", _MARKERS[index // 10 % len(_MARKERS)]
        at = [(point.cost(x), point.accuracy) for point in members]
        (line,) = axes.plot(*zip(*at, strict=True), color=colour, lw=1.2)
        line.set_gid(f"line{index}:{'|'.join(point.name for point in members)}")
        for k, (point, dot) in enumerate(zip(members, at, strict=True)):
            (mark,) = axes.plot(*dot, color=colour, marker=marker, ms=4.5)
            mark.set_gid(f"dot{index}-{k}:{point.name}")
        names = [point.name for point in members]
        labels += map(_Label, names, at, [None, *at], [colour] * len(at))
    costs = [point.cost(x) for point in points]
    digits = 3
    if max(costs) > FAR * min(costs) > 0:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        digits = 1
    axes.margins(0.08)
    figure.suptitle(f"{_ACCURACY[points[0].metric]} by {_COST[x]}", fontsize=11)
    axes.set_xlabel(_COST[x])
    if missing:
        listed = f"not drawn, as no such accuracy is published: {', '.join(missing)}"
        wide = int(figure.get_figwidth() * 15)
        figure.supxlabel(fill(listed, wide), fontsize=SMALL, color="0.35")
    axes.set_ylabel(_SCORED[points[0].metric])
    axes.xaxis.set_major_formatter(lambda value, _at: human(value, digits))
    axes.xaxis.set_minor_formatter(lambda _value, _at: "")
    ruled(axes)
    _write(figure, axes, labels)
    return figure


def network(parts: Sequence[Row], name: str, kind: str) -> bytes:
    """Both pictures of a network, side by side."""
    figure = _panels(parts, _draw_costs, _draw_maps)
    figure.suptitle(name, fontsize=11)
    return rendered(figure, kind)


def timed(data: Row) -> list[Row]:
    """The parts of an answer of `profile`, with their times of the first setting."""
    runs = data.get("latency", [])
    times = {each["part"]: each for each in runs[0]["parts"]} if runs else {}
    return [
        {**part, "seconds": times[part["part"]]["seconds"]}
        if part["part"] in times
        else part
        for part in data["parts"]
    ]


def costs(parts: Sequence[Row]) -> Figure:
    """Each part's share of MACs, params, activations and, if measured, of the time."""
    return _panels(parts, _draw_costs)


def maps(parts: Sequence[Row]) -> Figure:
    """The elements of each part's output."""
    return _panels(parts, _draw_maps)


def _panels(
    parts: Sequence[Row], *draws: Callable[[Axes, Sequence[Row]], None]
) -> Figure:
    """A panel for each drawing, with the parts from the top down."""
    figure = blank(len(draws) * _WIDTH, _FRAME + _PART * len(parts))
    panels = figure.subplots(1, len(draws), squeeze=False)[0]
    for axes, draw in zip(panels, draws, strict=True):
        draw(axes, parts)
        axes.set_yticks(range(len(parts)), [part["part"] for part in parts])
        axes.set_ylim(len(parts) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        ruled(axes, "x")
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_costs(axes: Axes, parts: Sequence[Row]) -> None:
    shown = [key for key in _FIGURES if any(part.get(key) for part in parts)]
    thick = 0.8 / max(len(shown), 1)
    for index, key in enumerate(shown):
        values = [part.get(key) or 0 for part in parts]
        total = sum(values)
        at = [k - 0.4 + (index + 0.5) * thick for k in range(len(parts))]
        widths = [100 * value / total for value in values]
        axes.barh(at, widths, thick, color=f"C{index}", label=_FIGURES[key])
    axes.set_xlabel("share of the network, %")
    axes.legend(frameon=False, fontsize=SMALL)


def _draw_maps(axes: Axes, parts: Sequence[Row]) -> None:
    shapes = [(*part["output"], part["channels"]) for part in parts]
    elements = [math.prod(shape) for shape in shapes]
    axes.barh(range(len(parts)), elements, 0.6, color="C4")
    for index, shape in enumerate(shapes):
        axes.annotate(
            extents(shape), (elements[index], index), xytext=(3, 0),
            textcoords="offset points", va="center", fontsize=SMALL,
        )  # fmt: skip
    axes.set_xlim(0, 1.35 * max(elements))
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel("numbers in the feature map that it puts out")
    axes.xaxis.set_major_formatter(in_letters)


def family(name: str, variants: Sequence[Row], kind: str) -> bytes:
    """MACs of the variants of a scaled family over φ, and their deviation from 2^φ."""
    figure = blank(7.5, 6.2)
    figure.suptitle(f"{name}: variants against 2^φ", fontsize=11)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    lines: dict[str, list[Row]] = {}
    for row in sorted(variants, key=lambda row: row["phi"]):
        lines.setdefault(row["strategy"], []).append(row)
    phis = sorted({row["phi"] for row in variants})
    above.plot(phis, [2**phi for phi in phis], color="0.6", ls="--", label="2^φ")
    below.axhline(0, color="0.6", ls="--")
    for strategy, members in lines.items():
        at = [row["phi"] for row in members]
        look = {"marker": "o", "ms": 4.5, "lw": 1.2}
        above.plot(at, [row["macs_ratio"] for row in members], label=strategy, **look)
        below.plot(at, [100 * row["deviation"] for row in members], **look)
    above.set_yscale("log", base=2)
    above.set_ylabel("MACs / baseline")
    above.yaxis.set_major_formatter(lambda value, _at: f"{value:g}")
    above.legend(frameon=False, fontsize=8)
    below.set_ylabel("deviation from 2^φ, %")
    below.set_xlabel("φ")
    for axes in (above, below):
        ruled(axes)
    return rendered(figure, kind)


def ruled(axes: Axes, along: Literal["both", "x", "y"] = "both") -> None:
    """A grid behind what is drawn."""
    axes.grid(visible=True, axis=along, color="0.9", lw=0.6)
    axes.set_axisbelow(True)


def in_letters(value: float, _at: object) -> str:
    return human(value)


def blank(width: float, height: float) -> Figure:
    """A figure of its own, in inches: no state of pyplot's is touched."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", dpi=DPI)
    figure.patch.set_facecolor("white")
    return figure


def rendered(figure: Figure, kind: str) -> bytes:
    """The figure as a PNG or an SVG."""
    import matplotlib as mpl

    out = io.BytesIO()
    # Text stays text in SVG, and the same figure gives the same file.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "effscale"}):
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(out, format=kind, dpi=DPI, metadata=metadata)
    return out.getvalue()


Dot: TypeAlias = tuple[float, float]
Segment: TypeAlias = tuple[Dot, Dot]

#: Directions in the order in which a reader expects a label: above left first, as an
#: accuracy curve bends to the lower right; then around.
_ANGLES = (135, 315, 90, 270, 45, 225, 180, 0, 112, 292, 157, 337, 67, 247, 22, 202)
_REACH, _STEP = 40, 6.0  #: rings of places around a point, and how far apart
#: Penalties of a place that covers a marker, crosses a line, or is a ring away.
_MARKER, _LINE, _AWAY = 6.0, 4.0, 1.0
#: The same of a place that is nearer to another dot, whose name it would seem.
_MISLEADS = 3.0


class _Label(NamedTuple):
    """A point's name, where the point is, the one before it on its line, its colour."""

    name: str
    at: Dot
    before: Dot | None
    colour: str


def _write(figure: Figure, axes: Axes, labels: Sequence[_Label]) -> None:
    """Write each name where there is room, led to its point if others are as near."""
    figure.draw_without_rendering()  # settles where the axes are

    def pixels(at: Dot) -> Dot:
        x, y = axes.transData.transform(at)
        return float(x), float(y)

    dots = [pixels(each.at) for each in labels]
    lines = [
        (pixels(each.before), dot)
        for each, dot in zip(labels, dots, strict=True)
        if each.before is not None
    ]
    sizes = []
    for each in labels:
        text = axes.text(0, 0, each.name, fontsize=SMALL)
        extent = text.get_window_extent()
        sizes.append((extent.width + 2 * _GAP, extent.height + 2 * _GAP))
        text.remove()
    frame = Box(*map(float, axes.get_window_extent().padded(-4).extents))
    point = figure.dpi / 72
    marker = 3.5 * point
    places = place(dots, sizes, frame, lines, marker)
    for k, (each, dot, box) in enumerate(zip(labels, dots, places, strict=True)):
        if box is None:
            continue
        far = math.dist(box.nearest(dot), dot) > 3 * marker
        led = far or box.misleads(dot, dots, marker)
        line = {"arrowstyle": "-", "lw": 0.5, "color": "0.6", "shrinkA": 0}
        label = axes.annotate(
            each.name,
            each.at,
            ((box.left + _GAP - dot[0]) / point, (box.bottom + _GAP - dot[1]) / point),
            textcoords="offset points",
            fontsize=SMALL,
            color=each.colour,
            arrowprops=line if led else None,
        )
        label.set_in_layout(False)
        label.set_gid(f"label{k}:{each.name}")


@dataclass(frozen=True)
class Box:
    """A label's place: left, bottom, right, top."""

    left: float
    bottom: float
    right: float
    top: float

    def overlaps(self, other: Box) -> bool:
        """Whether the two have an area in common."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.bottom < other.top
            and other.bottom < self.top
        )

    def holds(self, dot: Dot, margin: float = 0.0) -> bool:
        """Whether the dot is in it, or nearer than `margin`."""
        x, y = dot
        inside = self.left - margin < x < self.right + margin
        return inside and self.bottom - margin < y < self.top + margin

    def crosses(self, segment: Segment) -> bool:
        """Whether the segment enters it (Liang & Barsky 1984)."""
        (x0, y0), (x1, y1) = segment
        start, end = 0.0, 1.0
        for origin, step, low, high in (
            (x0, x1 - x0, self.left, self.right),
            (y0, y1 - y0, self.bottom, self.top),
        ):
            if step == 0:
                if not low < origin < high:
                    return False
                continue
            enter, leave = sorted(((low - origin) / step, (high - origin) / step))
            start, end = max(start, enter), min(end, leave)
        return start < end

    def nearest(self, dot: Dot) -> Dot:
        """The dot of the box that is nearest to `dot`."""
        x, y = dot
        return min(max(x, self.left), self.right), min(max(y, self.bottom), self.top)

    def misleads(self, dot: Dot, dots: Sequence[Dot], margin: float = 0.0) -> bool:
        """Whether another dot is nearer than the one that it names, or nearly as near.

        Dots on one spot are one to who reads them.
        """
        near = math.dist(self.nearest(dot), dot) + margin
        return any(math.dist(self.nearest(e), e) < near for e in dots if e != dot)


def place(
    dots: Sequence[Dot],
    sizes: Sequence[tuple[float, float]],
    frame: Box,
    lines: Sequence[Segment] = (),
    marker: float = 4.0,
) -> list[Box | None]:
    """A place for each label, in one unit of length; no two have an area in common.

    Each takes the best place that those before it have left: near its dot, nearer than
    to any other, within the frame, off markers and lines where that can be. None where
    there is no place left.
    """
    taken: list[Box] = []
    places: dict[int, Box | None] = {}
    for index in sorted(range(len(dots)), key=lambda k: _crowd(dots, k), reverse=True):
        best, least = None, math.inf
        for ring, box in _around(dots[index], sizes[index], marker):
            if ring * _AWAY >= least:
                break
            if not _within(box, frame) or any(map(box.overlaps, taken)):
                continue
            cost = ring * _AWAY
            cost += _MARKER * sum(box.holds(dot, marker) for dot in dots)
            cost += _LINE * sum(map(box.crosses, lines))
            if cost < least and box.misleads(dots[index], dots, marker):
                cost += _MISLEADS
            if cost < least:
                best, least = box, cost
        places[index] = best
        taken += [] if best is None else [best]
    return [places[k] for k in range(len(dots))]


def _crowd(dots: Sequence[Dot], index: int) -> float:
    """Crowding around a dot: those with many near neighbours choose first."""
    x, y = dots[index]
    return sum(1 / (1 + math.hypot(x - a, y - b)) for a, b in dots)


def _around(
    dot: Dot, size: tuple[float, float], marker: float
) -> Iterator[tuple[int, Box]]:
    """Places around a dot, ring by ring, each with its ring."""
    x, y = dot
    width, height = size
    for ring in range(_REACH):
        away = marker + 1 + ring * _STEP
        for angle in _ANGLES:
            dx, dy = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            left = x + away * dx - width * (1 - dx) / 2
            bottom = y + away * dy - height * (1 - dy) / 2
            yield ring, Box(left, bottom, left + width, bottom + height)


def _within(box: Box, frame: Box) -> bool:
    across = frame.left <= box.left and box.right <= frame.right
    return across and frame.bottom <= box.bottom and box.top <= frame.top
