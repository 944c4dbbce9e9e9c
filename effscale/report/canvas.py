"""Figures that need no pyplot, and their bytes: the same figure, the same file."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 144


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
