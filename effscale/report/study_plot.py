"""The picture of a study: accuracy by coefficient and cost, what matters, curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from effscale.errors import OutputError
from effscale.report.plots import blank, in_letters, rendered, ruled
from effscale.study.learning import COEFFICIENTS, curves, importance

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes

    from effscale.study.folder import Study
    from effscale.study.ranking import Standing

#: What accuracies are drawn against.
_AXES = {
    "alpha": "α (depth)",
    "beta": "β (width)",
    "gamma": "γ (resolution)",
    "macs": "MACs",
}
#: Inches of the picture: its width, and the height of a row of panels.
_WIDTH, _ROW = 13, 3.8
#: Colours of the best, of those on the front, of the others.
_BEST, _FRONT, _OTHER = "C1", "C3", "C0"


@dataclass(frozen=True)
class Ranked:
    """Candidates with an accuracy, the best first; those on the front of what."""

    standings: Sequence[Standing]
    front: set[str]
    along: Iterable[str]

    @property
    def best(self) -> Standing | None:
        """Whoever has the best score, if any has one."""
        first = self.standings[0]
        return first if first.score is not None else None


def picture(
    study: Study,
    ranked: Sequence[Standing],
    front: set[str],
    along: Iterable[str],
    kind: str,
) -> bytes:
    """Panels of accuracy; below, what goes with it, and its curves where there are any.

    The winner by score and those on the front, which is `along` these names of the
    objective, are marked. Bars are one standard error of the mean over seeds.

    Raises:
        OutputError: if nothing has an accuracy yet.
    """
    known = Ranked([each for each in ranked if each.mean is not None], front, along)
    if not known.standings:
        raise OutputError("--plot: no candidate has an accuracy yet")
    shares, by_epoch = importance(study, study.course), curves(study)
    rows = 1 + bool(shares or by_epoch)
    figure = blank(_WIDTH, _ROW * rows)
    grid = figure.add_gridspec(rows, len(_AXES))
    first = figure.add_subplot(grid[0, 0])
    panels = [first]
    for column in range(1, len(_AXES)):
        panels.append(figure.add_subplot(grid[0, column], sharey=first))
        panels[-1].tick_params(labelleft=False)
    for axes, (key, label) in zip(panels, _AXES.items(), strict=True):
        _points(axes, known, key, label)
    first.set_ylabel("accuracy")
    panels[-1].locator_params(axis="x", nbins=4)
    panels[-1].xaxis.set_major_formatter(in_letters)
    if shares:
        _bars(figure.add_subplot(grid[1, 0] if by_epoch else grid[1, :2]), shares)
    if by_epoch:
        beside = grid[1, 1:] if shares else grid[1, :]
        _curves(figure.add_subplot(beside), by_epoch, known)
    marks = first.get_legend_handles_labels()
    figure.legend(
        *marks,
        loc="outside upper center",
        ncols=3,
        frameon=False,
        # A title of the figure would lie beneath the legend.
        title=f"{study.folder.resolve().name}: accuracy of the candidates",
        title_fontsize=11,
    )
    return rendered(figure, kind)


def _points(axes: Axes, known: Ranked, key: str, label: str) -> None:
    x = [each.figures[key] for each in known.standings]
    y = [each.mean or 0 for each in known.standings]
    bars = [each.accuracy_error or 0 for each in known.standings]
    mean = "mean over seeds ± one standard error" if any(bars) else "of one seed"
    axes.errorbar(
        x, y, bars, fmt="o", ms=4, lw=0.8, color=_OTHER, alpha=0.8, label=mean
    )
    ahead = [k for k, each in enumerate(known.standings) if each.name in known.front]
    if ahead:
        at = [x[k] for k in ahead], [y[k] for k in ahead]
        names = (_AXES.get(each, each) for each in known.along)
        what = f"front of {', '.join(names)}"
        axes.scatter(*at, s=60, marker="D", fc="none", ec=_FRONT, zorder=3, label=what)
    if known.best is not None:
        what = "best score"
        axes.scatter(x[:1], y[:1], s=110, marker="*", c=_BEST, zorder=4, label=what)
    axes.set_xlabel(label)
    ruled(axes)


def _bars(axes: Axes, shares: dict[str, float]) -> None:
    """A bar for each coefficient, as long as what it explains."""
    names = [_AXES[key] for key in COEFFICIENTS][::-1]
    values = [shares[key] for key in COEFFICIENTS][::-1]
    bars = axes.barh(names, values, color=_OTHER, alpha=0.8)
    axes.bar_label(bars, [f"{100 * each:.0f} %" for each in values], padding=3)
    axes.set_xlim(0, 1.15)
    axes.set_xticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
    axes.set_xlabel("share of variance explained, each alone")
    ruled(axes, "x")


def _curves(axes: Axes, by_epoch: dict[str, dict[int, float]], known: Ranked) -> None:
    """A line for each candidate; those that did not go on end where they stayed."""
    best = known.best.name if known.best else ""
    for name, curve in by_epoch.items():
        ahead, first = name in known.front, name == best
        axes.plot(
            [*curve],
            [*curve.values()],
            marker="o",
            ms=2.5,
            lw=2.2 if first else 1,
            color=_BEST if first else _FRONT if ahead else _OTHER,
            alpha=1 if ahead or first else 0.5,
            zorder=2 + ahead + 2 * first,
        )
    axes.locator_params(axis="x", integer=True)
    axes.set_xlabel("epoch")
    axes.set_ylabel("accuracy, mean over seeds")
    ruled(axes)
