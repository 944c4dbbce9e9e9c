"""Limits of what a network may cost: `<= 300M`, `= 1.5G within 5 %`, `>= 100M`.

One language, for options and for `budget:` of a file. Counts have SI letters, bytes a
`B` behind them (`64MB`, `48MiB`), times an `s` (`20ms`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, get_args

from effscale.arrays import maximum
from effscale.data import data
from effscale.quantity import SCALES, human, in_bytes, in_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: What can be limited, by its name in options (`--training-memory`) and in files.
Figure = Literal[
    "macs", "params", "activations", "memory", "training_memory", "latency"
]
FIGURES: tuple[Figure, ...] = get_args(Figure)

Sign = Literal["<=", ">=", "="]
_NUMBER = r"([0-9]+(?:[.][0-9]+)?|[.][0-9]+)"


#: Float noise at the edge of a share: 1050 is within 5 % of 1000.
EDGE = 1e-12
#: How far beyond a limit is what a share does not show: 2^60 + 1 is more than 2^60.
LEAST = 2.0**-53


@data
class Unit:
    """How amounts of a figure are written."""

    name: str  #: behind a number in a sentence
    example: str
    letters: Mapping[str, Fraction]  #: what stands behind a number, and its factor
    show: Callable[[float], str]


_COUNTS = {letter: Fraction(scale) for letter, scale in SCALES.items()}
_BYTES = {f"{letter}B": Fraction(1000**k) for k, letter in enumerate(("", *"kMGT"))}
_BYTES |= {f"{letter}iB": Fraction(1024**k) for k, letter in enumerate("KMGT", 1)}
_BYTES["KB"] = Fraction(1000)
_SECONDS = {"s": Fraction(1)}
_SECONDS |= {
    f"{letter}s": Fraction(1, 1000**k)
    for letter, k in {"m": 1, "u": 2, "µ": 2, "μ": 2, "n": 3}.items()
}


def _unit(name: str) -> Unit:
    return Unit(f" {name}", "300M", _COUNTS, lambda value: human(int(value)))


_MEMORY = Unit("", "64MB", _BYTES, in_bytes)
UNITS: Mapping[Figure, Unit] = {
    "macs": _unit("MACs"),
    "params": _unit("params"),
    "activations": _unit("activations"),
    "memory": _MEMORY,
    "training_memory": _MEMORY,
    "latency": Unit("", "20ms", _SECONDS, in_seconds),
}


@dataclass(frozen=True)
class Limit:
    """What a figure is to be: at most, at least, or so much within a share of it."""

    figure: Figure
    sign: Sign
    value: int | float  #: in bytes or seconds
    within: float | None = None  #: relative; None of a target that need not be met

    @property
    def is_target(self) -> bool:
        """Whether it says what to come near to, and refuses nothing."""
        return self.sign == "=" and self.within is None

    @property
    def most(self) -> float | None:
        """The largest figure that it admits, if it limits from above."""
        if self.sign == "<=":
            return self.value
        return None if self.within is None else self.value * (1 + self.within)

    def admits(self, found: Any) -> Any:  # noqa: ANN401 - a number, or an array
        """Whether a figure is as it is to be."""
        return self.excess(found) == 0

    def excess(self, found: Any) -> Any:  # noqa: ANN401 - a number, or an array
        """How far a figure is beyond the limit, relative to it; 0 where it is within.

        Compared as whole numbers where both are, so that no figure is rounded.
        """
        over = abs(found / self.value - 1)
        if self.sign == "<=":
            return maximum(LEAST, over) * (found > self.value)
        if self.sign == ">=":
            return maximum(LEAST, over) * (found < self.value)
        if self.within is None:
            return 0 * over
        far = over - self.within
        return far * (far > EDGE)

    def said(self) -> str:
        """The limit in a sentence: `<= 300 M MACs`, `latency <= 20.0 ms`."""
        unit = UNITS[self.figure]
        text = f"{self.sign} {unit.show(self.value)}{unit.name}"
        if self.within is not None:
            text += f" within {100 * self.within:g} %"
        return text if unit.name else f"{title(self.figure)} {text}"

    def written(self) -> str:
        """The limit as a file states it, to the last digit: `<= 300M`."""
        text = f"{self.sign} {_shortest(self.figure, self.value)}"
        return text if self.within is None else f"{text} within {100 * self.within:g} %"

    def __str__(self) -> str:
        return self.said()

    def beside(self, found: float) -> str:
        """A figure, and how far it is from what the limit states: `330 M (+10.0%)`."""
        return (
            f"{exactly(self.figure, found)} ({100 * (found / self.value - 1):+.1f} %)"
        )


def _shortest(figure: Figure, value: float) -> str:
    """An amount in the unit that takes fewest characters, exactly."""
    found = []
    for letters, scale in UNITS[figure].letters.items():
        digits = f"{float(Fraction(value) / scale):.15g}"
        same = type(value)(Fraction(digits) * scale) == value
        if same and "e" not in digits:
            found.append(f"{digits}{letters}")
    return min(found, key=len)


def exactly(figure: Figure, found: float) -> str:
    """A figure to four digits, where it is a count."""
    unit = UNITS[figure]
    return human(int(found), 4) if unit.name else unit.show(found)


def title(figure: Figure) -> str:
    """The name of a figure in words."""
    return figure.replace("_", " ")


def parse(figure: Figure, text: str) -> Limit:
    """The limit that `text` states; a number alone is a target, `= 1.5G`.

    Raises:
        ValueError: with what was expected.
    """
    match = re.fullmatch(_pattern(figure), text.strip())
    amount = _amount(figure, match) if match else None
    if match is None or amount is None or amount <= 0:
        raise ValueError(expected(figure))
    sign, share = match["sign"] or "=", match["share"]
    if share is not None and sign != "=":
        raise ValueError(expected(figure))
    within = None if share is None else float(share) / 100
    return Limit(figure, sign, amount, within)  # type: ignore[arg-type]


def _amount(figure: Figure, match: re.Match[str]) -> int | float | None:
    exact = Fraction(match["number"]) * UNITS[figure].letters[match["unit"]]
    if figure == "latency":
        return float(exact)
    return int(exact) if exact.denominator == 1 else None


def _pattern(figure: Figure) -> str:
    letters = sorted(UNITS[figure].letters, key=len, reverse=True)
    amount = rf"(?P<number>{_NUMBER}) ?(?P<unit>{'|'.join(letters)})"
    share = rf"(?: ?within (?P<share>{_NUMBER}) ?%)?"
    return rf"(?P<sign><=|>=|=)? ?{amount}{share}"


def pattern(figure: Figure) -> str:
    """What limits look like that are no mere targets, for those who read patterns."""
    letters = [each for each in UNITS[figure].letters if each]
    bare = "?" if "" in UNITS[figure].letters else ""
    amount = rf"{_NUMBER} ?({'|'.join(letters)}){bare}"
    return rf"^([<>]= ?{amount}|= ?{amount} ?within {_NUMBER} ?%)$"


def expected(figure: Figure, *, signed: bool = False) -> str:
    """What a limit is expected to be, in words."""
    example = UNITS[figure].example
    words = f"a limit such as <= {example}, = {example} within 5 %"
    return words if signed else f"{words}, or {example} to come near to"
