"""Values that a variant has of its own for keys of lines.

Multipliers grow all lines alike; a published relative that they do not give says what
its lines have in place of the baseline's.
"""

from __future__ import annotations

from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from effscale.errors import Fault, closest
from effscale.spec.line import states
from effscale.spec.parameters import places_of, read, spots, unfit
from effscale.spec.steps import Use

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from effscale.errors import Place
    from effscale.spec.line import Line
    from effscale.spec.models import Spec, Variant

SECTIONS = ("stem", "stages")
#: Keys of lines that no variant changes, or that it has beside its stem and stages.
ELSEWHERE = frozenset({"block", "name", "reads", "merge", "repeats", "channels"})


class Own(NamedTuple):
    """What a variant has for a key of lines: one value for all, or one for each."""

    place: Place
    key: str
    sections: tuple[str, ...]
    value: Any

    @property
    def each(self) -> Iterator[Any]:
        """The values of the lines that state the key, in turn."""
        several = isinstance(self.value, tuple)
        return iter(self.value) if several else repeat(self.value)

    def lines(self, spec: Spec) -> list[Line]:
        """Those of the stem, of the stages or of both."""
        return [*chain(*(getattr(spec, each) for each in self.sections))]

    def is_of(self, line: Line, spec: Spec) -> bool:
        """Whether a line states the key, or uses a block with such a parameter."""
        return states(line, self.key) or self.key in _parameters(line, spec)


def _parameters(line: Line, spec: Spec) -> Iterable[str]:
    return spec.blocks[line.block].parameters if isinstance(line, Use) else ()


def own(given: Variant) -> Iterator[Own]:
    """All that a variant has of its own for keys of lines."""
    if given.repeats is not None:
        yield Own(("repeats",), "repeats", ("stages",), given.repeats)
    if given.channels is not None:
        yield Own(("channels",), "channels", SECTIONS, given.channels)
    for section in SECTIONS:
        for key, value in getattr(given, section).items():
            yield Own((section, key), key, (section,), value)


def with_own(spec: Spec, given: Variant) -> Spec:
    """The network with what a variant has of its own for keys of lines."""
    for each in own(given):
        values = each.each
        update = {
            section: tuple(
                _with(line, each.key, next(values)) if each.is_of(line, spec) else line
                for line in getattr(spec, section)
            )
            for section in each.sections
        }
        spec = spec.model_copy(update=update)
    return spec


def _with(line: Line, key: str, value: object) -> Line:
    update: dict[str, object] = {"c_in": None} if "c_in" in line.said else {}
    return line.model_copy(update={**update, key: read(line, key, value)})


def faults(spec: Spec, name: str) -> Iterator[Fault]:
    """Keys that no line has, values that are too many, too few, or cannot stand."""
    for each in own(spec.variants[name]):
        at: Place = "variants", name, *each.place
        stating = [line for line in each.lines(spec) if each.is_of(line, spec)]
        within = len(each.place) > 1
        if within and (each.key in ELSEWHERE or not stating):
            yield _unknown(spec, each, at)
        elif isinstance(each.value, tuple) and len(each.value) != len(stating):
            of = (
                "stage that repeats"
                if each.key == "repeats"
                else "line with " + each.key
            )
            message = f"expected {len(stating)}, one value for each {of}, got"
            yield Fault(at, f"{message} {len(each.value)}")
        elif within:
            yield from _misfits(spec, each, stating, at)


def _unknown(spec: Spec, own: Own, at: Place) -> Fault:
    """A key that no line of the section has, or that is not a variant's to change."""
    known: dict[str, None] = {}
    for line in own.lines(spec):
        known |= dict.fromkeys(_parameters(line, spec))
        known |= {key: None for key in type(line).model_fields if states(line, key)}
    listed = [key for key in known if key not in ELSEWHERE]
    of = own.sections[0]
    expected = f"one of {', '.join(listed)}, which lines of {of} have not as by default"
    message = f"expected {expected if listed else f'none, as lines of {of} state none'}"
    close = closest(own.key, listed)
    return Fault(at, f"{message}, got '{own.key}'", "EFF105", close)


def _misfits(spec: Spec, own: Own, lines: list[Line], at: Place) -> Iterator[Fault]:
    """Values that cannot stand where a line has them."""
    known, several = spots(spec.blocks), isinstance(own.value, tuple)
    for index, (line, value) in enumerate(zip(lines, own.each, strict=False)):
        place = (*at, index) if several else at
        given = own.key not in type(line).model_fields
        spots_of = places_of(line, own.key, known)
        found = [*unfit(value, spots_of, place, may_leave_out=given)]
        yield from found
        if found and not several:
            return
