"""The page that `explore` writes: every figure was counted, none is made on it."""

from __future__ import annotations

import json
import shlex
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import numpy as np

from effscale.cost.count import Counted, count
from effscale.cost.memory import memory
from effscale.growth.scale import relatives
from effscale.network.network import network
from effscale.quantity import human
from effscale.report.scaling import variant_row
from effscale.report.template import rendered
from effscale.search.landscape import lattice, on_rays

if TYPE_CHECKING:
    from collections.abc import Callable

    from effscale.search.landscape import Lattice, Point
    from effscale.spec.models import Spec

    Data = dict[str, Any]


def page(
    spec: Spec,
    named: str,
    low: float,
    high: float,
    progress: Callable[[str], None] = lambda _what: None,
) -> str:
    """HTML of the networks around `spec`, from one φ to another.

    `named` is what a command calls the spec.

    Raises:
        ScaleError: if a strategy has no network between them.
    """
    data = landscape(spec, named, low, high, progress)
    # Nothing in a script ends it early, and nothing in it is HTML.
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    return rendered("explore", title=spec.name, data=text.replace("<", "\\u003c"))


def landscape(
    spec: Spec,
    named: str,
    low: float,
    high: float,
    progress: Callable[[str], None] = lambda _what: None,
) -> Data:
    """What the page shows: rays, the lattice, and published relatives."""
    baseline = Counted.of(spec)
    rays = []
    for path in on_rays(spec, low, high):
        progress(path.strategy)
        points = [_point(baseline, named, each) for each in path.points]
        rays.append({"strategy": path.strategy, "points": points, "left": path.left})
    progress("lattice")
    around = lattice(spec, low, high)
    return {
        "name": spec.name,
        "macs": int(baseline.cost.macs),
        "rays": rays,
        "lattice": around and _lattice(spec, named, around),
        "published": _published(spec),
    }


def _point(baseline: Counted, named: str, point: Point) -> Data:
    """A network on a ray, in figures and in the words of the table of `scale`."""
    row = variant_row(baseline, point.variant, None)
    held = memory(network(point.variant.spec))
    words = ["effscale", "scale", named, "--phi", f"{row['phi']:g}"]
    if row["strategy"] != "compound":
        words += ["--strategy", row["strategy"]]
    return {
        "name": row["name"],
        "phi": row["phi"],
        "low": point.interval[0],
        "high": point.interval[1],
        "multipliers": [row[f"{each}_multiplier"] for each in _DIMENSIONS],
        "input": row["resolution"],
        "figures": [row["macs"], row["params"], row["activations"]],
        "memory": [held.weights, held.peak],
        "ratio": row["macs_ratio"],
        "target": row["target_ratio"],
        "deviation": row["deviation"],
        "why": [[e["factor"], e["value"], e["reason"]] for e in row["explain"]],
        "parts": [
            [
                *(part[key] for key in ("part", "operator", "channels", "repeats")),
                *(part["input"], human(part["macs"]), part["share"]),
            ]
            for part in row["stages"]
        ],
        "command": shlex.join(words),
    }


_DIMENSIONS = ("depth", "width", "resolution")


def _lattice(spec: Spec, named: str, found: Lattice) -> Data:
    """The lattice, its figures as 64-bit numbers in base64, resolution fastest."""
    depths, widths = found.alone(spec)
    ratio = np.asarray(found.cost.macs) / int(count(spec).macs)
    fit = ["effscale", "fit", named, "--free"]
    return {
        "depth": found.depth,
        "width": found.width,
        "resolution": found.resolution,
        "sides": found.sides,
        "repeats": [_numbers(each, "repeats") for each in depths],
        "channels": [_numbers(each, "channels") for each in widths],
        "parts": [[each.name, each.operator] for each in network(spec).parts],
        "macs": _packed(found.cost.macs),
        "params": _packed(found.cost.params),
        "activations": _packed(found.cost.activations),
        "ratio": _packed(ratio),
        "left": found.left,
        "command": shlex.join(fit),
    }


def _numbers(spec: Spec, field: str) -> list[int]:
    return [int(getattr(each, field)) for each in network(spec).parts]


def _packed(array: Any) -> str:  # noqa: ANN401 - of numpy
    """Doubles, least byte first; whole numbers below 2^53 are exact in them."""
    return b64encode(np.ascontiguousarray(array, dtype="<f8").tobytes()).decode()


def _published(spec: Spec) -> list[Data]:
    """The published relatives, and what the paper says of their accuracy."""
    found = []
    for name, each in relatives(spec, spec.name).items():
        cost = count(each)
        top1 = None if each.published is None else each.published.top1
        figures = [int(cost.macs), int(cost.params)]
        found.append({"name": name, "figures": figures, "top1": top1})
    return found
