"""Pictures of what was found, as PNG or SVG; the only module with matplotlib."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from effscale.errors import OutputError
from effscale.extras import needed
from effscale.quantity import human
from effscale.report.canvas import blank, rendered
from effscale.report.labels import Box, Dot, place

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from effscale.search.candidates import Candidates
    from effscale.search.compare import Axis, Point
    from effscale.search.grid import Grid
    from effscale.search.sweep import Step

FORMATS = ("png", "svg")
#: Costs this many times apart are drawn on a logarithmic axis.
FAR = 8
#: Marks of families beyond the colours that one tells apart.
_MARKERS = "os^Dv<>P"
#: Points of a label's type, and pixels around it that nothing else is written in.
SMALL, _GAP = 7.5, 1.5


def form(path: Path) -> str:
    """The picture's format, from its suffix.

    Raises:
        OutputError: if it is neither .png nor .svg, or matplotlib is not installed.
    """
    suffix = path.suffix.removeprefix(".").lower()
    if suffix not in FORMATS:
        raise OutputError(f"{path}: expected a name that ends in .png or .svg")
    needed("plot", path)
    return suffix


def grid(asked: Grid, found: Candidates, kind: str) -> bytes:
    """Realised against nominal cost, and the feasible points over (β, γ)."""
    figure = blank(11, 4.6)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.1))
    budget = asked.budget ** asked.phis[0]
    nominal = found.product ** asked.phis[0]
    ends = [1 - asked.tolerance, 1 + asked.tolerance]
    power = asked.phis[0] if asked.constraint == "nominal" else 1
    low, high = (budget * end**power for end in ends)
    left.axhspan(low, high, color="C0", alpha=0.12, lw=0, label="within the budget")
    reach = min(nominal.min(), found.ratio.min()), max(nominal.max(), found.ratio.max())
    left.plot(reach, reach, color="0.6", lw=1, label="realised = nominal")
    left.scatter(nominal, found.ratio, s=14, c="C0")
    front = found.pareto
    left.scatter(
        nominal[front], found.ratio[front], s=36, marker="D", fc="none", ec="C3",
        label="front: params, activations",
    )  # fmt: skip
    left.set_xlabel("nominal cost, (α·β²·γ²)^φ")
    left.set_ylabel("realised MACs / baseline")
    left.legend(frameon=False, fontsize=8)
    points = right.scatter(found.beta, found.gamma, c=found.alpha, s=26, cmap="viridis")
    figure.colorbar(points, ax=right, label="α (depth)")
    right.set_xlabel("β (width)")
    right.set_ylabel("γ (resolution)")
    right.set_title("feasible networks", fontsize=10)
    return rendered(figure, kind)


def sweep(dimension: str, steps: Sequence[Step], kind: str) -> bytes:
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
            label = f"{each.low:g}  {each.rise:+.0%}"
            point = each.low - 0.5 * whole, int(each.cost.macs)
            axes.annotate(
                label, point, xytext=(-4, 2), textcoords="offset points",
                ha="right", fontsize=8, color="C3",
            )  # fmt: skip
    axes.set_xlabel("pixels" if whole else f"{dimension} multiplier")
    axes.set_ylabel("MACs")
    axes.yaxis.set_major_formatter(lambda value, _at: human(value))
    axes.grid(visible=True, color="0.9", lw=0.6)
    axes.set_axisbelow(True)
    return rendered(figure, kind)


def accuracy(points: Sequence[Point], x: Axis, kind: str) -> bytes:
    """Published accuracy against a cost, as in the EfficientNet paper's figures 1, 5.

    Raises:
        OutputError: if no accuracy is published of any network.
    """
    return rendered(accuracy_figure(points, x), kind)


#: What an accuracy is called on its axis.
_SCORED = {
    "top1": "published top-1 accuracy, %",
    "ap": "published average precision, COCO test-dev",
}


def accuracy_figure(points: Sequence[Point], x: Axis) -> Figure:
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
        axes.plot(*zip(*at, strict=True), color=colour, marker=marker, ms=4.5, lw=1.2)
        names = [point.name for point in members]
        labels += map(_Label, names, at, [None, *at], [colour] * len(at))
    costs = [point.cost(x) for point in points]
    digits = 3
    if max(costs) > FAR * min(costs) > 0:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        digits = 1
    axes.margins(0.08)
    axes.set_xlabel("MACs of one image" if x == "macs" else "params")
    axes.set_ylabel(_SCORED[points[0].metric])
    axes.xaxis.set_major_formatter(lambda value, _at: human(value, digits))
    axes.xaxis.set_minor_formatter(lambda _value, _at: "")
    axes.grid(visible=True, color="0.9", lw=0.6)
    axes.set_axisbelow(True)
    _write(figure, axes, labels)
    return figure


class _Label(NamedTuple):
    """A point's name, where the point is, the one before it on its line, its colour."""

    name: str
    at: Dot
    before: Dot | None
    colour: str


def _write(figure: Figure, axes: Axes, labels: Sequence[_Label]) -> None:
    """Write each name where there is room, with a line to its point if that is far."""
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
    for each, dot, box in zip(labels, dots, places, strict=True):
        if box is None:
            continue
        far = math.dist(box.nearest(dot), dot) > 3 * marker
        line = {"arrowstyle": "-", "lw": 0.5, "color": "0.6", "shrinkA": 0}
        label = axes.annotate(
            each.name,
            each.at,
            ((box.left + _GAP - dot[0]) / point, (box.bottom + _GAP - dot[1]) / point),
            textcoords="offset points",
            fontsize=SMALL,
            color=each.colour,
            arrowprops=line if far else None,
        )
        label.set_in_layout(False)
