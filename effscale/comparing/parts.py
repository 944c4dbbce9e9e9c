"""Two versions of a network, part by part: what changed, and by how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pydantic_core import PydanticUndefined

from effscale.cost.count import Cost, PartCost, count, part_costs
from effscale.growth.scale import variant
from effscale.network.network import network

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from effscale.spec.models import Spec


#: What a spec says that is not said again part by part, or speaks of the file alone.
_ELSEWHERE = ("name", "source", "expected", "published", "variants")
_UNSAID = (None, (), PydanticUndefined)
#: Parts that a section makes, and the keys by which it does not speak of them.
_BEHIND: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "head": {"head": ()},
    "neck": {"neck": ()},
    "heads": {"class_head": (), "box_head": ("classes", "prior")},
}
#: Relatives of a backbone are, as variants, other networks.
_UNTOLD: dict[str, Any] = {
    **dict.fromkeys(("stem", "stages", "outputs", *_BEHIND, *_ELSEWHERE), True),
    "scaling": {"backbones"},
}


@dataclass(frozen=True)
class Difference:
    """A value that is another; None where there was none, or is none any more."""

    place: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Change:
    """A part before and after: None where it is new, or gone."""

    before: PartCost | None
    after: PartCost | None
    differences: tuple[Difference, ...] = ()

    @property
    def sides(self) -> list[PartCost]:
        return [each for each in (self.before, self.after) if each is not None]

    @property
    def delta(self) -> Cost:
        old = Cost() if self.before is None else self.before.cost
        new = Cost() if self.after is None else self.after.cost
        return less(new, old)

    @property
    def kind(self) -> str:
        """`added`, `removed`, `changed` or `same`."""
        if self.before is None:
            return "added"
        if self.after is None:
            return "removed"
        return "changed" if self.differences or self.delta != Cost() else "same"


def less(new: Cost, old: Cost) -> Cost:
    """By how much `new` costs more."""
    pairs = zip(vars(new).values(), vars(old).values(), strict=True)
    return Cost(*(int(ours) - int(theirs) for ours, theirs in pairs))


class _Told(NamedTuple):
    """A part, and what the file says of it."""

    cost: PartCost
    said: Any


def changes(old: Spec, new: Spec) -> list[Change]:
    """Each part of either version, those that are each other's together, in order."""
    (stem, was, ends), (new_stem, now, new_ends) = _told(old), _told(new)
    pairs = aligned([each.said for each in was], [each.said for each in now], alike)
    return [
        _change(stem, new_stem),
        *(
            _change(None if i is None else was[i], None if j is None else now[j])
            for i, j in pairs
        ),
        *(
            _change(ends.get(path), new_ends.get(path))
            for path in dict.fromkeys([*ends, *new_ends])
        ),
    ]


def _told(spec: Spec) -> tuple[_Told, list[_Told], dict[str, _Told]]:
    """The stem, the stages that are there, and what is behind them by its path."""
    costs = {each.part.path: each for each in part_costs(network(spec))}
    lines = [(costs.get(f"stages.{k}"), line) for k, line in enumerate(spec.stages)]
    stages = [_Told(cost, _said(line)) for cost, line in lines if cost is not None]
    behind = {}
    for name, section in spec.sections.items():
        said = _said(section)
        for path, others in _BEHIND[name].items():
            kept = {key: said[key] for key in said if key not in others}
            behind[path] = _Told(costs[path], kept)
    for name, output in spec.outputs.items():
        behind[f"outputs.{name}"] = _Told(costs[f"outputs.{name}"], _said(output))
    return _Told(costs["stem"], _said(spec.stem)), stages, behind


def _change(old: _Told | None, new: _Told | None) -> Change:
    if old is None or new is None:
        return Change(old and old.cost, new and new.cost)
    found = differences(old.said, new.said)
    inputs = [each.cost.input for each in (old, new)]
    sides = [[int(side) for side in each[1:]] for each in inputs]
    widths = [int(each.channels) for each in inputs]
    if sides[0] != sides[1]:
        found.append(Difference("input", *sides))
    if widths[0] != widths[1]:
        found.append(Difference("c_in", *widths))
    return Change(old.cost, new.cost, tuple(found))


def _said(value: Any) -> Any:  # noqa: ANN401 - a model, or some
    """What the file says of a part, defaults filled in; input channels are not said."""
    if isinstance(value, tuple):
        lines = [_said(each) for each in value]
        return lines[0] if len(lines) == 1 else lines
    fields = type(value).model_fields.items()
    defaults = {name: _plain(field.default) for name, field in fields}
    written = value.model_dump(exclude_none=True, exclude={"c_in"})
    filled = {name: written.get(name, default) for name, default in defaults.items()}
    return {name: each for name, each in filled.items() if each not in _UNSAID}


def _plain(default: object) -> object:
    """A field's default as a file would write it: `1` for 1×1."""
    return default[0] if isinstance(default, tuple) and default else default


def differences(old: Any, new: Any, place: str = "") -> list[Difference]:  # noqa: ANN401
    """Where plain data differs: by key, by index where lists are equally long."""
    if old == new:
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        keys: list[Any] = list(dict.fromkeys([*old, *new]))
        steps = [(f"{place}.{key}" if place else key, key) for key in keys]
        pairs = [(step, old.get(key), new.get(key)) for step, key in steps]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        both = enumerate(zip(old, new, strict=True))
        pairs = [(f"{place}[{k}]", one, other) for k, (one, other) in both]
    else:
        return [Difference(place, old, new)]
    return [each for step, a, b in pairs for each in differences(a, b, step)]


def aside(old: Spec, new: Spec) -> list[Difference]:
    """What else the versions say differently: activation, rules, cells, and so on."""
    was, now = (
        spec.model_dump(exclude_none=True, exclude=_UNTOLD) for spec in (old, new)
    )
    return differences(was, now)


def of_variants(old: Spec, new: Spec) -> dict[str, tuple[Cost | None, Cost | None]]:
    """What the variants of either file cost before and after, those that changed.

    None where files of different names have no variant in common: they are of
    different families.
    """
    shared = old.name == new.name or old.variants.keys() & new.variants.keys()
    names = dict.fromkeys([*old.variants, *new.variants] if shared else [])
    both = {
        name: tuple(
            count(variant(spec, name)) if name in spec.variants else None
            for spec in (old, new)
        )
        for name in names
    }
    return {name: (a, b) for name, (a, b) in both.items() if a != b}


T = TypeVar("T")
#: Items less alike than this are not versions of each other.
LEAST_ALIKE = 0.25


def aligned(
    old: Sequence[T], new: Sequence[T], likeness: Callable[[T, T], float]
) -> list[tuple[int | None, int | None]]:
    """Indices of those that are each other's, in the order of both sequences.

    The pairing with the most likeness in all; None stands for what has no pair. An
    inserted item leaves all the others with theirs.
    """
    first = _common(old, new)
    last = _common(old[first:][::-1], new[first:][::-1])
    rows, columns = len(old) - last, len(new) - last
    inner = _best(old[first:rows], new[first:columns], likeness)
    return [
        *((k, k) for k in range(first)),
        *(
            (None if i is None else first + i, None if j is None else first + j)
            for i, j in inner
        ),
        *((rows + k, columns + k) for k in range(last)),
    ]


def _common(old: Sequence[T], new: Sequence[T]) -> int:
    """How many both begin with: those are each other's in any best pairing."""
    pairs = enumerate(zip(old, new, strict=False))
    return next((k for k, (a, b) in pairs if a != b), min(len(old), len(new)))


def _best(
    old: Sequence[T], new: Sequence[T], likeness: Callable[[T, T], float]
) -> list[tuple[int | None, int | None]]:
    """The pairing with the most likeness, by dynamic programming from the ends."""
    rows, columns = len(old), len(new)
    best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    paired = [[0.0] * columns for _ in range(rows)]
    for i in reversed(range(rows)):
        for j in reversed(range(columns)):
            alone = max(best[i + 1][j], best[i][j + 1])
            like = likeness(old[i], new[j]) - LEAST_ALIKE
            paired[i][j] = best[i + 1][j + 1] + like
            best[i][j] = max(alone, paired[i][j])
    found: list[tuple[int | None, int | None]] = []
    i = j = 0
    while i < rows or j < columns:
        if i < rows and j < columns and paired[i][j] >= best[i][j]:
            found.append((i, j))
            i, j = i + 1, j + 1
        elif i < rows and best[i + 1][j] >= best[i][j]:
            found.append((i, None))
            i += 1
        else:
            found.append((None, j))
            j += 1
    return found


def alike(old: dict[str, Any], new: dict[str, Any]) -> float:
    """How much two lines of a file say the same, from 0 to 1; the block counts double.

    Numbers are as alike as their ratio.
    """
    keys = [*dict.fromkeys([*old, *new]), "block"]
    return sum(_alike(old.get(key), new.get(key)) for key in keys) / len(keys)


def _alike(old: object, new: object) -> float:
    numbers = isinstance(old, int | float) and isinstance(new, int | float)
    if numbers and old and new:
        low, high = sorted((abs(float(old)), abs(float(new))))  # type: ignore[arg-type]
        return low / high
    return float(old == new)
