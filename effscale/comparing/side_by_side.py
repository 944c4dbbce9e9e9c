"""Networks side by side: what each costs, and as a multiple of which other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from effscale.cost.count import Cost, count
from effscale.growth.scale import relatives, stated
from effscale.quantity import agrees
from effscale.spec import builtin, names

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from effscale.growth.multipliers import Multipliers
    from effscale.spec.models import Published, Spec

#: What `to` may be beside a name: each network's own rival.
CHEAPEST = "cheapest"
#: The costs that accuracy is drawn against.
Axis = Literal["params", "macs"]
#: What accuracy is measured by: of classifiers, of detectors, of networks that tell
#: pixels apart; better is higher.
Metric = Literal["top1", "ap", "miou"]
METRICS: tuple[Metric, ...] = get_args(Metric)


@dataclass(frozen=True)
class Entry:
    """A network that is compared."""

    name: str  #: the spec's own, or the reference where several have the same
    reference: str
    spec: Spec
    cost: Cost
    multipliers: Multipliers | None  #: those of a variant of its file

    @property
    def names(self) -> set[str]:
        """What it may be called when it is asked for."""
        return {self.name, self.reference, self.spec.name}

    @property
    def score(self) -> tuple[Metric, float] | None:
        """Published accuracy, and what it is measured by."""
        for metric in METRICS:
            found = getattr(self.spec.published, metric, None)
            if found is not None:
                return metric, found
        return None

    def beats(self, other: Entry) -> bool:
        """Whether it is at least as accurate as `other`, by the same measure."""
        if self.score is None or other.score is None:
            return False
        same = self.score[0] == other.score[0]
        return same and self.score[1] >= other.score[1]


@dataclass(frozen=True)
class Point:
    """A network of published accuracy, and what it costs."""

    name: str
    family: str | None
    accuracy: float
    params: int
    macs: int
    metric: Metric = "top1"

    def cost(self, axis: Axis) -> int:
        return self.macs if axis == "macs" else self.params


@dataclass(frozen=True)
class Mark:
    """A published figure that is not the counted one, rounded or cut."""

    figure: str  #: `params` or `macs`
    printed: str
    counted: int


def entries(references: Sequence[str], specs: Sequence[Spec]) -> list[Entry]:
    """What is compared; `specs` are the networks that `references` name."""
    own = [spec.name for spec in specs]
    return [
        Entry(
            spec.name if own.count(spec.name) == 1 else reference,
            reference,
            spec,
            count(spec),
            _multipliers(reference, spec),
        )
        for reference, spec in zip(references, specs, strict=True)
    ]


def _multipliers(reference: str, spec: Spec) -> Multipliers | None:
    """What made a variant of its file's network; None for any other network."""
    file, at, _ = reference.partition("@")
    if not built_in(reference, spec) and not (at and Path(file).is_file()):
        return None
    baseline, name = builtin.find(reference)
    given = baseline.variants[name] if name else None
    if given is None or given.repeats is not None:
        return None
    height, width = (
        Fraction(int(ours), int(theirs))
        for ours, theirs in zip(spec.resolution, baseline.resolution, strict=True)
    )
    if height != width:
        return None
    return replace(stated(baseline, given), resolution=float(height))


def built_in(reference: str, spec: Spec) -> bool:
    """Whether `reference`, which names `spec`, needs no file."""
    base = reference.partition("@")[0]
    return bool({base, base.removeprefix(f"{spec.family}-")} & names.names().keys())


def expanded(references: Iterable[str]) -> list[str]:
    """The references, each family among them as its networks, cheapest first.

    A name is a network's before it is a family's, and a file alone is its network and
    all variants. What is built in is compared once.
    """
    known = names.names()
    found: list[str] = []
    given = list(references)
    if len(given) == 1 and given[0] not in known:
        given = of_file(given[0]) or given
    for reference in given:
        each = [reference] if reference in known else members(reference) or [reference]
        found += [name for name in each if name not in known or name not in found]
    return found


def of_file(reference: str) -> list[str]:
    """The networks of a file that has variants, as references; none of any other."""
    if "@" in reference or not Path(reference).is_file():
        return []
    spec, _ = builtin.find(reference)
    if not spec.variants:
        return []
    return [reference, *(f"{reference}@{name}" for name in spec.variants)]


def members(family: str) -> list[str]:
    """The built-in networks of that family, cheapest first; none if there is none."""
    if family not in names.families():
        return []
    macs: dict[str, int] = {}
    for stem, path in names.files().items():
        if f"family: {family}" not in path.read_text("utf-8"):
            continue
        for name, network in relatives(builtin.spec(stem), stem).items():
            if network.family == family:
                macs[name] = int(count(network).macs)
    return sorted(macs, key=macs.__getitem__)


def rivals(compared: Sequence[Entry], to: str | None = None) -> list[Entry | None]:
    """What each network's ratios are to: the first, the one named, or its own rival.

    That is the cheapest of those compared that is at least as accurate, which may be
    itself; None where no accuracy is published. Table 2 of the EfficientNet paper
    groups its networks so.
    """
    if to != CHEAPEST:
        named = [each for each in compared if to in each.names]
        return [(named or [*compared])[0]] * len(compared)
    ranked = sorted(compared, key=lambda each: int(each.cost.macs))
    return [
        next((other for other in ranked if other.beats(each)), None)
        for each in compared
    ]


def versions(compared: Sequence[Entry]) -> bool:
    """Whether two networks are compared that look like a change of one.

    They have the same name, or neither is built in.
    """
    if len(compared) != 2:  # noqa: PLR2004 - one and the other
        return False
    old, new = compared
    same = old.spec.name == new.spec.name
    return same or not any(built_in(each.reference, each.spec) for each in compared)


def points(compared: Iterable[Entry]) -> list[Point]:
    """The networks whose accuracy is published, by the measure of the first of them."""
    scored = [(each, each.score) for each in compared if each.score is not None]
    return [
        Point(
            each.name,
            each.spec.family,
            value,
            int(each.cost.params),
            int(each.cost.macs),
            metric,
        )
        for each, (metric, value) in scored
        if metric == scored[0][1][0]
    ]


def marks(entry: Entry) -> list[Mark]:
    """The published figures of a network that are not ours."""
    printed: Published | None = entry.spec.published
    if printed is None:
        return []
    pairs = (
        ("params", printed.params, int(entry.cost.params)),
        ("macs", printed.macs, int(entry.cost.macs)),
    )
    return [
        Mark(figure, text, counted)
        for figure, text, counted in pairs
        if text is not None and not agrees(text, counted)
    ]
