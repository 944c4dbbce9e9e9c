"""Errors that users can make, each a clear line a fault, and the words for them."""

from __future__ import annotations

from dataclasses import dataclass

#: Characters of a word that may be a known one misspelt.
LONGEST_WORD = 80
#: Likeness of words, from 0 to 1, that makes them close; and that sets one apart.
CLOSE, CLEARLY = 0.7, 0.1


class EffscaleError(Exception):
    """A mistake that its message explains; the command line exits 1 on it."""


class LayerError(EffscaleError, ValueError):
    """A layer or network that cannot exist, refused where it would be made."""


class ScaleError(EffscaleError, ValueError):
    """Multipliers or options that lead to no network."""


class CountError(EffscaleError, OverflowError):
    """A candidate whose exact count does not fit into a 64-bit integer."""


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


class ExportError(EffscaleError, RuntimeError):
    """A network that a format cannot hold, or that comes out of it another."""


@dataclass(frozen=True, order=True)
class Fault:
    """One thing wrong with a spec, and where: lines and columns count from 1."""

    path: str
    line: int
    column: int
    place: str  #: a path that one could evaluate, `stages[2].kernel`; may be empty
    message: str
    code: str = ""  #: the rule it breaks, `EFF102`
    suggestion: str = ""  #: the word that was nearly certainly meant
    end_line: int = 0  #: where the text at fault ends, 0 if that is not known
    end_column: int = 0  #: just behind its last character
    instead: str = ""  #: what would do in its place

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}:{self.column}" if self.line else self.path
        said = self.message + _hint(self.suggestion)
        return ": ".join(filter(None, (where, self.place, said)))


class SpecError(EffscaleError, ValueError):
    """Everything that is wrong with one spec, one line a fault, in file order."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


def first_line(error: BaseException) -> str:
    """The first line that an exception says, or its type's name if it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


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
    """The one known word that is close to `word`; nothing if several might be meant."""
    from difflib import SequenceMatcher

    if not isinstance(word, str) or len(word) > LONGEST_WORD:
        return ""
    matcher = SequenceMatcher(b=word.lower())
    close = [(0.0, ""), (0.0, "")]
    for each in known:
        matcher.set_seq1(each.lower())
        if matcher.real_quick_ratio() >= CLOSE and matcher.quick_ratio() >= CLOSE:
            close.append((matcher.ratio(), each))
    (second, _), (first, nearest) = sorted(close)[-2:]
    return nearest if first >= CLOSE and first - second >= CLEARLY else ""


def _hint(word: str) -> str:
    return f"; did you mean {word!r}?" if word else ""
