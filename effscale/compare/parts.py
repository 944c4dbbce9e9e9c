"""Two versions of a network, part by part: what changed, and by how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

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
    **dict.fromkeys(("stem", "stages", *_BEHIND, *_ELSEWHERE), True),
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
        """The part as it was and is, as far as it was and is."""
        return [each for each in (self.before, self.after) if each is not None]

    @property
    def delta(self) -> Cost:
        """What the change adds to the costs."""
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
    return Cost(
        int(new.macs) - int(old.macs),
        int(new.params) - int(old.params),
        int(new.activations) - int(old.activations),
    )


def changes(old: Spec, new: Spec) -> list[Change]:
    """Each part of either version, those that are each other's together, in order."""
    before, after = (part_costs(network(spec)) for spec in (old, new))
    was, now = (
        [_said(line) for line, _ in zip(spec.stages, _stages(parts), strict=False)]
        for spec, parts in ((old, before), (new, after))
    )
    found = [_change(before[0], after[0], _said(old.stem), _said(new.stem))]
    for i, j in aligned(was, now, alike):
        found.append(
            _change(
                None if i is None else before[1 + i],
                None if j is None else after[1 + j],
                None if i is None else was[i],
                None if j is None else now[j],
            )
        )
    ends = [_behind(spec, parts) for spec, parts in ((old, before), (new, after))]
    for path in dict.fromkeys([*ends[0], *ends[1]]):
        (one, says), (other, then) = (end.get(path, (None, None)) for end in ends)
        found.append(_change(one, other, says, then))
    return found


def _stages(parts: Sequence[PartCost]) -> list[PartCost]:
    """The parts that are stages; a detector has none beyond those that are tapped."""
    return [each for each in parts if each.part.path.startswith("stages.")]


def _behind(spec: Spec, parts: Sequence[PartCost]) -> dict[str, tuple[PartCost, Any]]:
    """The parts behind the stages by their path, and what the file says of each."""
    costs = {each.part.path: each for each in parts}
    found: dict[str, tuple[PartCost, Any]] = {}
    for name, section in spec.sections.items():
        said = _said(section)
        for path, others in _BEHIND[name].items():
            kept = {key: said[key] for key in said if key not in others}
            found[path] = costs[path], kept
    return found


def _change(
    before: PartCost | None, after: PartCost | None, old: object, new: object
) -> Change:
    if before is None or after is None:
        return Change(before, after)
    found = differences(old, new)
    sides = [[int(side) for side in each.input[1:]] for each in (before, after)]
    widths = [int(each.input.channels) for each in (before, after)]
    if sides[0] != sides[1]:
        found.append(Difference("input", *sides))
    if widths[0] != widths[1]:
        found.append(Difference("c_in", *widths))
    return Change(before, after, tuple(found))


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

    None where the files have no variant in common: they are of different families.
    """
    shared = old.variants.keys() & new.variants.keys()
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
