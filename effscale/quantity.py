"""Quantities as people write them: `1.5G` read to an exact number, and back."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

#: Factor of each letter. `K` is k, and `B` is 10⁹ in papers and tools; these two are
#: read, never written.
SCALES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
SCALES |= {"K": SCALES["k"], "B": SCALES["G"]}
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*([kKMGBT]?)\s*", re.ASCII)
_LETTERS = ("", "k", "M", "G", "T", "P", "E")


def parse(text: str) -> int:
    """The whole number that `text` states, `"5.29M"` → 5290000.

    Raises:
        ValueError: if `text` is no number with an optional k, K, M, G, B or T, or
            states a fraction of one.
    """
    match = _QUANTITY.fullmatch(text)
    number = Fraction(match[1]) * SCALES[match[2]] if match else None
    if number is None or number.denominator != 1:
        raise ValueError(f"expected a quantity such as 1.5G or 400M, got {text!r}")
    return int(number)


def agrees(text: str, exact: int) -> bool:
    """Whether `exact`, rounded or cut as `text` is, reads as `text` does.

    Papers do both: EfficientNet-B3 has 10.7 M parameters without its classifier and
    is printed as 10 M.
    """
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"expected a quantity such as 1.5G or 400M, got {text!r}")
    places = len(match[1].partition(".")[2])
    unit = Decimal(SCALES[match[2]]).scaleb(-places)
    return -unit / 2 <= exact - Decimal(match[1]) * SCALES[match[2]] < unit


def human(number: float, digits: int = 3) -> str:
    """`number` to three significant digits with its SI letter: 385814752 → `386 M`."""
    if number == 0:
        return "0"
    mantissa, exponent = f"{abs(number):.{digits - 1}e}".split("e")
    group = min(max(int(exponent) // 3, 0), len(_LETTERS) - 1)
    power = int(exponent) - 3 * group
    if group == 0 and isinstance(number, int):
        return str(number)
    decimals = max(digits - 1 - power, 0)
    sign = "-" if number < 0 else ""
    scaled = Decimal(mantissa).scaleb(power)
    return f"{sign}{scaled:.{decimals}f} {_LETTERS[group]}".rstrip()


def in_bytes(value: float) -> str:
    """Bytes, in thousands: `12.6 MB`."""
    said = human(value)
    return f"{said}B" if " " in said else f"{said} B"


#: The least number that three digits show as 1.
_ONE = 0.9995


def in_seconds(value: float) -> str:
    """A time to three digits: 0.0602 → `60.2 ms`."""
    return _in_parts(value, "s")


def in_joules(value: float) -> str:
    """An energy to three digits: 0.0602 → `60.2 mJ`."""
    return _in_parts(value, "J")


def _in_parts(value: float, whole: str) -> str:
    """An amount in a unit, or in thousandths or millionths of it."""
    scales = ((whole, 1.0), (f"m{whole}", 1e3), (f"µ{whole}", 1e6))
    unit, scale = next((each for each in scales if value * each[1] >= _ONE), scales[-1])
    scaled = value * scale
    decimals = 2 if scaled < 10 * _ONE else 1 if scaled < 100 * _ONE else 0
    return f"{scaled:.{decimals}f} {unit}"
