"""Numbers of trainings that candidates of a study get, each from its own seed."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Seeds of one candidate.
MOST = 1000
#: Seeds from which a spread is known.
_LEAST = 2


@dataclass(frozen=True)
class Seeds:
    """Every candidate gets the `first`; those that may still be best, up to `most`."""

    first: int
    most: int

    @property
    def looks(self) -> list[int]:
        """After how many seeds candidates are compared: each time half as many more.

        Few looks cost few trainings of the worse, and each may err the more often.
        """
        found = [self.first]
        while found[-1] < self.most:
            found.append(min(self.most, -(-3 * found[-1] // 2)))
        return found

    def __str__(self) -> str:
        ends = dict.fromkeys((self.first, self.most))
        return "..".join(map(str, ends))


def seeds(text: str) -> Seeds:
    """`3`, or `3..10` where more are spent on those that may be best.

    Raises:
        ValueError: with what was expected.
    """
    match = re.fullmatch(r"(\d{1,4})(?:\.\.(\d{1,4}))?", text.strip())
    first, most = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= first <= most <= MOST:
        raise ValueError(f"1 to {MOST} seeds, such as 3 or 3..10")
    if first < most and first < _LEAST:
        raise ValueError(f"a range from {_LEAST} up, as one seed tells nothing apart")
    return Seeds(first, most)
