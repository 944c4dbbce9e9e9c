"""Pictures of what was found, as PNG or SVG; the only module with matplotlib."""

from __future__ import annotations

import io
from importlib.util import find_spec
from typing import TYPE_CHECKING

from effscale.errors import OutputError
from effscale.quantity import human

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

    from effscale.search.candidates import Candidates
    from effscale.search.grid import Grid
    from effscale.search.sweep import Step

FORMATS = ("png", "svg")


def form(path: Path) -> str:
    """The picture's format, from its suffix.

    Raises:
        OutputError: if it is neither .png nor .svg, or matplotlib is not installed.
    """
    suffix = path.suffix.removeprefix(".").lower()
    if suffix not in FORMATS:
        raise OutputError(f"{path}: expected a name that ends in .png or .svg")
    if find_spec("matplotlib") is None:
        message = "needs matplotlib; pip install 'effscale[plot]' brings it"
        raise OutputError(f"{path}: {message}")
    return suffix


def grid(asked: Grid, found: Candidates, kind: str) -> bytes:
    """Realised against nominal cost, and the feasible points over (β, γ)."""
    figure = _figure(11, 4.6)
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
    return _bytes(figure, kind)


def sweep(dimension: str, steps: Sequence[Step], kind: str) -> bytes:
    """MACs along one dimension as a staircase, cliffs marked."""
    figure = _figure(9, 4.6)
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
    return _bytes(figure, kind)


def _figure(width: float, height: float) -> Figure:
    """A figure of its own, in inches: no state of pyplot's is touched."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_facecolor("white")
    return figure


def _bytes(figure: Figure, kind: str) -> bytes:
    import matplotlib as mpl

    out = io.BytesIO()
    # Text stays text in SVG, and the same figure gives the same file.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "effscale"}):
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(out, format=kind, dpi=144, metadata=metadata)
    return out.getvalue()
