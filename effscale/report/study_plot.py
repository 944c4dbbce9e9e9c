"""Accuracy against each coefficient and against cost, a point for each candidate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.errors import OutputError
from effscale.quantity import human
from effscale.report.canvas import blank, rendered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.study.ranking import Standing

_AXES = {
    "alpha": "α (depth)",
    "beta": "β (width)",
    "gamma": "γ (resolution)",
    "macs": "MACs",
}


def accuracy(ranked: Sequence[Standing], best: set[str], kind: str) -> bytes:
    """Four panels; the winner by reward and those on the front (`best`) are marked.

    Bars are one standard deviation over seeds.

    Raises:
        OutputError: if nothing has an accuracy yet.
    """
    known = [each for each in ranked if each.mean is not None]
    if not known:
        raise OutputError("--plot: no candidate has an accuracy yet")
    figure = blank(13, 3.8)
    panels = figure.subplots(1, len(_AXES), sharey=True)
    y = [each.mean or 0 for each in known]
    bars = [each.spread or 0 for each in known]
    on_front = [index for index, each in enumerate(known) if each.name in best]
    for axes, (key, label) in zip(panels, _AXES.items(), strict=True):
        x = [each.figures[key] for each in known]
        axes.errorbar(x, y, bars, fmt="o", ms=4, lw=0.8, color="C0", alpha=0.8)
        axes.scatter(
            [x[index] for index in on_front], [y[index] for index in on_front],
            s=60, marker="D", fc="none", ec="C3", zorder=3, label="front",
        )  # fmt: skip
        axes.scatter(
            x[:1], y[:1], s=110, marker="*", c="C1", zorder=4, label="best reward"
        )
        axes.set_xlabel(label)
        axes.grid(visible=True, color="0.9", lw=0.6)
        axes.set_axisbelow(True)
    panels[0].set_ylabel("accuracy")
    panels[0].legend(frameon=False, fontsize=8)
    panels[-1].xaxis.set_major_formatter(lambda value, _at: human(value))
    return rendered(figure, kind)
