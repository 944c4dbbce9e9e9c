"""A paper's tables: what each cell prints, what it is here, and why the two differ."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

from effscale.comparing.side_by_side import METRICS, Point
from effscale.cost.count import Cost, count, part_costs, whole
from effscale.growth.growth import at_phi
from effscale.growth.multipliers import Multipliers
from effscale.growth.scale import (
    at_resolution,
    load,
    scale,
    value,
    with_classes,
    without_classifier,
)
from effscale.network.network import network
from effscale.quantity import SCALES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from effscale.spec.models import Spec
    from effscale.spec.values import Model

#: The cells that are counted; accuracies are quoted.
COSTS = ("params", "params_ratio", "macs", "macs_ratio")
#: The cells that a detector's spec states, and where.
SETTINGS: Mapping[str, tuple[str, ...]] = {
    "input": ("resolution",),
    "backbone": ("backbone",),
    "channels": ("neck", "channels"),
    "layers": ("neck", "repeats"),
    "head_layers": ("heads", "repeats"),
}

#: How a reason begins that is not shown to be one, and what its cells are counted as.
UNPROVED = {"a guess: ": "guessed at", "not reproduced: ": "not reproduced"}

#: A count, a ratio of two, or the name of a backbone.
Ours: TypeAlias = "int | Fraction | str"

_FOLDER = Path(__file__).with_name("tables")
_NUMBER = re.compile(r"(\d+(?:\.(\d+))?)([kKMGBTx]?)")


@dataclass(frozen=True)
class Cell:
    """What is printed, beside what is counted or stated here."""

    figure: str
    printed: str
    ours: Ours
    reason: str | None  #: why the two differ, where they do
    law: Cell | None = None  #: the same beside what a scaling law gives

    @property
    def standing(self) -> str:
        """How far the difference is understood: a reason that is not shown says so."""
        if self.reason is None:
            return "unexplained"
        found = (
            word for start, word in UNPROVED.items() if self.reason.startswith(start)
        )
        return next(found, "explained below")

    @property
    def equal(self) -> bool:
        """Whether ours, rounded as the printed one, is that; a name in any case."""
        if isinstance(self.ours, str):
            return self.ours == self.printed.lower()
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
    #: What it was trained on, where that is another thing than ImageNet; its classes,
    #: and the params with a classifier for them.
    data: str | None = None
    classes: int | None = None
    in_all: int | None = None


@dataclass(frozen=True)
class Table:
    """A paper's table, where it is printed, and what is to be known about it."""

    name: str
    title: str
    source: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    part: str | None  #: the part of each network that it is about, if not the whole

    @property
    def points(self) -> list[Point]:
        """Its networks, with the accuracies that it prints."""
        return [
            Point(
                row.model,
                row.spec.family,
                row.printed[metric],
                int(row.cost.params),
                int(row.cost.macs),
                metric,
            )
            for row in self.rows
            for metric in METRICS
            if metric in row.printed
        ]


def table(name: str) -> Table:
    """The table of that name, its networks scaled and counted.

    A row says which spec it is of, the multipliers (`scale: [d, w, r]`), what a
    detector's `neck` and `heads` have otherwise, the pixels where the paper prints
    others than those give, and what the paper prints. A table may be of networks
    `without` their classifier, and a row of one for so many `classes`. Ratios are to
    the row named by `to`, or the last that is named `lead`. Beside a row of some `phi`
    stands what the law of the table's `baseline` gives.
    """
    data = _data(name)
    part, reasons = data.get("part"), data.get("reasons", {})
    counted: dict[str, Cost] = {}
    rows: list[Row] = []
    lead = ""
    for line in data["rows"]:
        model = line["model"]
        lead = model if line.get("lead", not rows) else lead
        spec, multipliers = _network(line)
        trained = _of_data(line, spec)
        if data.get("without") == "classifier":
            spec = without_classifier(spec)
        parts = part_costs(network(spec))
        counted[model] = whole(each for each in parts if part in {None, each.part.name})
        ours = {**_costs(counted[model], counted[lead]), **_settings(spec)}
        laws = _law(data["baseline"], line["phi"]) if "phi" in line else {}
        cells = tuple(_cells(line, ours, laws, reasons))
        cost = whole(parts)
        printed = line["printed"]
        rows.append(Row(model, spec, multipliers, cost, lead, printed, cells, *trained))
    notes = tuple(data.get("notes", ()))
    return Table(name, data["title"], data["source"], tuple(rows), notes, part)


@cache
def _data(name: str) -> dict[str, Any]:
    text = (_FOLDER / f"{name}.yaml").read_text("utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def _network(line: Mapping[str, Any]) -> tuple[Spec, Multipliers]:
    given = Multipliers(*map(float, line.get("scale", (1, 1, 1))))
    spec = scale(load(line["spec"]), given)
    update = {
        name: _with(getattr(spec, name), line[name])
        for name in ("neck", "heads")
        if name in line
    }
    if not update and "pixels" not in line:
        return spec, given
    sides = (line["pixels"],) * 2 if "pixels" in line else spec.resolution
    return at_resolution(spec.model_copy(update=update), sides), given


def _of_data(
    line: Mapping[str, Any], spec: Spec
) -> tuple[str | None, int | None, int | None]:
    """The data set of a row, its classes, and the params of the network for them."""
    if "classes" not in line:
        return line.get("data"), None, None
    classes = line["classes"]
    return line["data"], classes, int(count(with_classes(spec, classes)).params)


def _with(section: Model, given: Mapping[str, Any]) -> Model:
    """A section of a spec, with what a file would write otherwise."""
    return type(section).model_validate({**dict(section), **given})


def _costs(cost: Cost, lead: Cost) -> dict[str, Ours]:
    return {
        "params": int(cost.params),
        "params_ratio": Fraction(int(cost.params), int(lead.params)),
        "macs": int(cost.macs),
        "macs_ratio": Fraction(int(cost.macs), int(lead.macs)),
    }


def _settings(spec: Spec) -> dict[str, Ours]:
    """What the spec of a detector states; of a square image, a side."""
    found = {figure: value(spec, path) for figure, path in SETTINGS.items()}
    return {**found, "input": spec.resolution[0]}


def _law(baseline: str, phi: float) -> dict[str, Ours]:
    spec = load(baseline)
    return _settings(scale(spec, at_phi(spec, phi)))


def _cells(
    line: Mapping[str, Any],
    ours: Mapping[str, Ours],
    laws: Mapping[str, Ours],
    reasons: Mapping[str, str],
) -> Iterator[Cell]:
    """A cell for each printed figure, of our values and of the law's."""
    why, why_law = line.get("why", {}), line.get("why_law", {})
    for figure in (*SETTINGS, *COSTS):
        if figure not in line["printed"]:
            continue
        text, law = line["printed"][figure], None
        if figure in laws:
            reason = reasons.get(why_law.get(figure, ""))
            law = Cell(figure, text, laws[figure], reason)
        yield Cell(figure, text, ours[figure], reasons.get(why.get(figure, "")), law)


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
