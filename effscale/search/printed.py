"""A paper's tables: what each cell prints, what is counted, and why the two differ."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from effscale.cost.count import Cost, count
from effscale.quantity import SCALES
from effscale.scaling.multipliers import Multipliers
from effscale.scaling.scale import at_resolution, load, scale
from effscale.search.compare import Point

if TYPE_CHECKING:
    from collections.abc import Mapping

    from effscale.spec.models import Spec

TABLES = ("efficientnet-2", "efficientnet-3", "efficientnet-7")
#: The cells that are counted; accuracies are quoted.
FIGURES = ("params", "params_ratio", "macs", "macs_ratio")

_FOLDER = Path(__file__).with_name("tables")
_NUMBER = re.compile(r"(\d+(?:\.(\d+))?)([kMGBTx]?)")


@dataclass(frozen=True)
class Cell:
    """A printed figure beside the counted one."""

    figure: str
    printed: str
    ours: int | Fraction
    reason: str | None  #: why the two differ, where they do

    @property
    def equal(self) -> bool:
        """Whether the counted figure, rounded as the printed one is, is that."""
        return rounds_to(self.ours, self.printed)


@dataclass(frozen=True)
class Row:
    """A row of a paper's table, and the network that it is about."""

    model: str
    spec: Spec
    multipliers: Multipliers
    cost: Cost
    to: str  #: the row that the ratios are to
    printed: Mapping[str, Any]
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """A paper's table, where it is printed, and what is to be known about it."""

    name: str
    title: str
    source: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    @property
    def points(self) -> list[Point]:
        """Its networks, with the accuracies that it prints."""
        return [
            Point.of(row.model, row.spec.family, row.printed["top1"], row.cost)
            for row in self.rows
        ]


def table(name: str) -> Table:
    """The table of that name, its networks scaled and counted.

    A row says which spec it is of, the multipliers (`scale: [d, w, r]`), the pixels
    where the paper prints others than those give, and what the paper prints. Ratios
    are to the row named by `to`, or the last that is named `lead`.
    """
    data = _data(name)
    counted: dict[str, tuple[Spec, Multipliers, Cost]] = {}
    rows: list[Row] = []
    lead = ""
    for line in data["rows"]:
        model = line["model"]
        lead = model if line.get("lead", not rows) else lead
        spec, multipliers = _network(line)
        counted[model] = spec, multipliers, count(spec)
        cells = _cells(line, counted[model][2], counted[lead][2], data["reasons"])
        rows.append(Row(model, *counted[model], lead, line["printed"], cells))
    notes = tuple(data.get("notes", ()))
    return Table(name, data["title"], data["source"], tuple(rows), notes)


@cache
def _data(name: str) -> dict[str, Any]:
    text = (_FOLDER / f"{name}.yaml").read_text("utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def _network(line: Mapping[str, Any]) -> tuple[Spec, Multipliers]:
    given = Multipliers(*map(float, line.get("scale", (1, 1, 1))))
    spec = scale(load(line["spec"]), given)
    pixels = line.get("pixels")
    return (at_resolution(spec, (pixels, pixels)) if pixels else spec), given


def _cells(
    line: Mapping[str, Any], cost: Cost, lead: Cost, reasons: Mapping[str, str]
) -> tuple[Cell, ...]:
    ours: dict[str, int | Fraction] = {
        "params": int(cost.params),
        "macs": int(cost.macs),
        "params_ratio": Fraction(int(cost.params), int(lead.params)),
        "macs_ratio": Fraction(int(cost.macs), int(lead.macs)),
    }
    why = line.get("why", {})
    return tuple(
        Cell(
            figure,
            line["printed"][figure],
            ours[figure],
            reasons[why[figure]] if figure in why else None,
        )
        for figure in FIGURES
        if figure in line["printed"]
    )


def rounds_to(exact: int | Fraction, text: str) -> bool:
    """Whether `exact` reads as `text` once it is rounded to as many digits.

    A tie may go either way. Cutting digits off, as papers also do, is not rounding.
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ValueError(f"expected a figure such as 1.5B or 4.9x, got {text!r}")
    unit = Fraction(
        1 if match[3] == "x" else SCALES[match[3]], 10 ** len(match[2] or "")
    )
    stated = Fraction(match[1]) * (1 if match[3] == "x" else SCALES[match[3]])
    return 2 * abs(exact - stated) <= unit
