"""Pictures of networks: where their cost is, how large their maps, how a family grows.

Drawn from the rows of an answer, so that a picture shows what the tables say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.quantity import human
from effscale.report.canvas import blank, rendered
from effscale.report.plots import SMALL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from effscale.report.document import Row

#: Figures of a part, and what each is called; times are there if they were measured.
_FIGURES = {
    "macs": "MACs",
    "params": "params",
    "activations": "activations",
    "seconds": "time",
}
#: Inches of a panel: how wide, and how high for its frame and for each part.
_WIDTH, _FRAME, _PART = 5.2, 1.1, 0.42


def network(parts: Sequence[Row], name: str, kind: str) -> bytes:
    """Both pictures of a network, side by side."""
    figure = blank(2 * _WIDTH, _height(parts))
    left, right = figure.subplots(1, 2)
    _draw_costs(left, parts)
    _draw_maps(right, parts)
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
    figure = blank(_WIDTH, _height(parts))
    _draw_costs(figure.subplots(), parts)
    return figure


def maps(parts: Sequence[Row]) -> Figure:
    """The size of the feature map that each part puts out."""
    figure = blank(_WIDTH, _height(parts))
    _draw_maps(figure.subplots(), parts)
    return figure


def _height(parts: Sequence[Row]) -> float:
    return _FRAME + _PART * len(parts)


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
    _by_part(axes, parts)


def _draw_maps(axes: Axes, parts: Sequence[Row]) -> None:
    elements = [_elements(part) for part in parts]
    axes.barh(range(len(parts)), elements, 0.6, color="C4")
    for index, part in enumerate(parts):
        axes.annotate(
            "×".join(map(str, [*part["output"], part["channels"]])),
            (elements[index], index),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
        )
    axes.set_xlim(0, 1.35 * max(elements))
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel("numbers in the feature map that it puts out")
    axes.xaxis.set_major_formatter(lambda value, _at: human(value))
    _by_part(axes, parts)


def _elements(part: Row) -> int:
    height, width = part["output"]
    return int(height * width * part["channels"])


def _by_part(axes: Axes, parts: Sequence[Row]) -> None:
    """Parts from the top down, and a grid behind them."""
    axes.set_yticks(range(len(parts)), [part["part"] for part in parts])
    axes.set_ylim(len(parts) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=True, axis="x", color="0.9", lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def family(variants: Sequence[Row], kind: str) -> bytes:
    """What the variants of a scaled family cost over φ, and how far from 2^φ it is."""
    figure = blank(7.5, 6)
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
        above.plot(at, [row["ratio"] for row in members], label=strategy, **look)
        below.plot(at, [100 * row["deviation"] for row in members], **look)
    above.set_yscale("log", base=2)
    above.set_ylabel("MACs / baseline")
    above.yaxis.set_major_formatter(lambda value, _at: f"{value:g}")
    above.legend(frameon=False, fontsize=8)
    below.set_ylabel("off the budget, %")
    below.set_xlabel("φ")
    for axes in (above, below):
        axes.grid(visible=True, color="0.9", lw=0.6)
        axes.set_axisbelow(True)
    return rendered(figure, kind)
