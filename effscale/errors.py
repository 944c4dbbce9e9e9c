"""Errors by the user's hand, and faults of specs: each is one clear line."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from effscale.data import data

#: Keys and indices on the way to a value of a spec: `("stages", 2, "kernel")`.
Place: TypeAlias = tuple[str | int, ...]

#: The rule that most faults of structure break: lines that do not fit each other.
MISFIT = "EFF208"
#: Characters of a word that may be a known one misspelt; by a slip alone, at least so
#: many.
LONGEST_WORD, LEAST_WORD = 80, 4
#: Likeness of words, from 0 to 1, that makes them close; and that sets one apart.
CLOSE, CLEARLY = 0.7, 0.1


class EffscaleError(Exception):
    """A mistake that its message explains; the command line exits 1 on it."""


class CandidateError(EffscaleError, ValueError):
    """A network that cannot be: one, or some of many candidates.

    `among` has an entry for each candidate, whether it is one of them; None where the
    error speaks of one network, or of all. `where` is the line and column of a file
    that no longer fit, as in a `Fault`.
    """

    def __init__(self, message: str, among: Any = None, where: str = "") -> None:  # noqa: ANN401
        super().__init__(f"{where}: {message}" if where else message)
        self.message, self.where = message, where
        self.among = among if hasattr(among, "__array_namespace__") else None


class LayerError(CandidateError):
    """A layer or network that cannot exist, refused where it would be made."""

    def within(self, place: str) -> LayerError:
        """The same of a layer in that place."""
        return LayerError(f"{place}: {self}", self.among)


class placed:  # noqa: N801 - reads as a word of `with`
    """Layers that are made in that place, so that errors say it."""

    def __init__(self, place: str) -> None:
        self.place = place

    def __enter__(self) -> None:
        """Nothing to prepare: each stage of each network comes by here."""

    def __exit__(self, _: object, error: object, __: object) -> None:
        """Say the place of an error."""
        if isinstance(error, LayerError):
            raise error.within(self.place) from None


class ScaleError(CandidateError):
    """Multipliers or options that lead to no network."""


class CountError(EffscaleError, OverflowError):
    """A candidate whose exact count does not fit into a 64-bit integer."""


class TranslationError(EffscaleError, ValueError):
    """A module of other code that cannot be said as a spec, or not proved to be."""


class UnexplainedError(EffscaleError, ValueError):
    """A scaled network whose cost cannot be told rounding by rounding."""


class MeasureError(EffscaleError, RuntimeError):
    """A network that the counter cannot measure, or measures incompletely."""


class DataError(EffscaleError, ValueError):
    """Images that a network cannot be trained on."""


class TrainError(EffscaleError, RuntimeError):
    """A training that cannot be, or cannot go on."""


class DisagreementError(EffscaleError):
    """Count and measurement differ, or a spec's own expected figures and the count."""


class UnreachableError(EffscaleError):
    """No variant is within the tolerance of what was asked for."""


class StudyError(EffscaleError):
    """A study, or a place to run one, that cannot be had as asked."""


class OutputError(EffscaleError, OSError):
    """A file that cannot be written as asked."""


class WeightsError(EffscaleError, ValueError):
    """A file of weights that cannot be read, or whose weights are another network's."""


class ExportError(EffscaleError, RuntimeError):
    """A network that a format cannot hold, or that comes out of it another."""


@data
class Edit:
    """Characters of a text, from `start` up to `end`, that become another text."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Fault:
    """A rule that a spec breaks, and where: in its data, and then in a file's text.

    Lines and columns count from 1; line 0 speaks of the file as a whole.
    """

    place: Place
    message: str
    code: str = MISFIT  #: of the rule
    suggestion: str = ""  #: the word that was nearly certainly meant
    instead: str = ""  #: what else would do in its place
    help: str = ""  #: a hint of its own, beside its rule's
    implies: int = 0  #: faults that follow from it, and are not said
    #: What mends it, all of it or nothing; none where that takes a decision.
    edits: tuple[Edit, ...] = ()
    path: str = ""
    line: int = 0
    column: int = 0
    end_line: int = 0
    end_column: int = 0  #: just behind the last character

    @property
    def where(self) -> str:
        """`path:line:column`, or the path alone of what concerns a whole file."""
        place = (self.path, self.line, self.column)
        return ":".join(map(str, place)) if self.line else self.path

    @property
    def said(self) -> str:
        """The message, behind its place in the data: `stages[2].kernel: …`."""
        return ": ".join(filter(None, (dotted(self.place), self.message)))

    def within(self, place: Place) -> Fault:
        """The same of a value at `place`, to which its own place is relative."""
        return replace(self, place=(*place, *self.place))

    def _rank(self) -> tuple[object, ...]:
        start, end = (self.line, self.column), (self.end_line, self.end_column)
        return self.path, *start, *end, self.code, self.said

    def __lt__(self, other: Fault) -> bool:
        return self._rank() < other._rank()

    def __str__(self) -> str:
        hint = _hint(self.suggestion) or (self.help and f"; {self.help}")
        return f"{self.where}: {self.said}{hint}"


def dotted(place: Place) -> str:
    """`("stages", 2, "kernel")` as one writes it in Python: `stages[2].kernel`."""
    text = ""
    for step in place:
        plain = isinstance(step, str) and re.fullmatch(r"\w[\w+-]*", step)
        text += f".{step}" if plain else f"[{short(step)}]"
    return text.removeprefix(".")


class PlacedError(ScaleError):
    """What is wrong with a value of a spec, its place in a file not said yet."""

    def __init__(self, fault: Fault, among: Any = None) -> None:  # noqa: ANN401
        super().__init__(fault.said, among)
        self.fault = fault

    def at(self, place: Place) -> PlacedError:
        """The same of the value at `place`."""
        return PlacedError(replace(self.fault, place=place), self.among)


class SpecError(EffscaleError, ValueError):
    """Everything that is wrong with one spec, one line a fault, in file order."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


def first_line(error: BaseException) -> str:
    """The first line that an exception says, or its type's name if it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def refusal(error: Exception) -> str:
    """Why the system refuses, or what another error says, in lower case."""
    return (getattr(error, "strerror", None) or str(error)).lower()


def short(value: object, width: int = 60) -> str:
    """`value` by repr, at a length that fits into a line."""
    try:
        text = repr(_cut(value, width))
    except ValueError:  # an int of more digits than Python prints
        size = f" of {value.bit_length()} bits" if isinstance(value, int) else ""
        text = f"{type(value).__name__}{size}"
    return text if len(text) <= width else f"{text[: width - 3]}..."


def _cut(value: object, width: int) -> object:
    """`value` without what could not be shown in so many characters anyway."""
    match value:
        case str():
            return value[:width]
        case list():
            return [_cut(each, width) for each in value[:width]]
        case dict():
            some = list(value.items())[:width]
            return {_cut(key, width): _cut(each, width) for key, each in some}
        case _:
            return value


def did_you_mean(word: object, known: list[str]) -> str:
    """`; did you mean 'kernel'?` if one known word is by far the closest."""
    return _hint(closest(word, known))


def closest(word: object, known: list[str]) -> str:
    """The one known word that is close to `word`; nothing if several might be meant.

    The only one that is a slip away is meant, however close others are.
    """
    from difflib import SequenceMatcher

    if not isinstance(word, str) or len(word) > LONGEST_WORD:
        return ""
    slips = [each for each in known if is_slip(word.lower(), each.lower())]
    if len(word) >= LEAST_WORD and len(set(slips)) == 1:
        return slips[0]
    matcher = SequenceMatcher(b=word.lower())
    close = [(0.0, ""), (0.0, "")]
    for each in known:
        matcher.set_seq1(each.lower())
        if matcher.real_quick_ratio() >= CLOSE and matcher.quick_ratio() >= CLOSE:
            close.append((matcher.ratio(), each))
    (second, _), (first, nearest) = sorted(close)[-2:]
    return nearest if first >= CLOSE and first - second >= CLEARLY else ""


def is_slip(word: str, known: str) -> bool:
    """Whether a letter is wrong, lost or too many, or two have changed places."""
    if abs(len(word) - len(known)) > 1 or word == known:
        return False
    pairs = enumerate(zip(word, known, strict=False))
    k = next((k for k, (a, b) in pairs if a != b), min(len(word), len(known)))
    a, b = word[k:], known[k:]
    return b in {b[:1] + a[1:], a[1:2] + a[:1] + a[2:], a[1:]} or a == b[1:]


def _hint(word: str) -> str:
    return f"; did you mean {word!r}?" if word else ""
