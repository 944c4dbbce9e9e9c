"""The course of a study: how many seeds and epochs its candidates get."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

#: Seeds of one candidate.
MOST = 1000
#: Seeds from which a spread is known.
_LEAST = 2
#: Epochs of a training whose command says itself how many it takes.
WHOLE = 0
#: Epochs that a training may have, and rungs.
_LONGEST, _RUNGS = 10**6, 20


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
        looks = [self.first]
        while looks[-1] < self.most:
            looks.append(min(self.most, -(-3 * looks[-1] // 2)))
        return looks

    def __str__(self) -> str:
        ends = dict.fromkeys((self.first, self.most))
        return "..".join(map(str, ends))


@dataclass(frozen=True)
class Course:
    """What candidates are given: seeds, and rungs that few of them climb.

    Up to each of the `rungs`, in epochs, candidates are trained with the first seeds,
    and one in `halving` goes on from there: successive halving (Jamieson & Talwalkar
    2016, arXiv:1502.07943). Those on the last rung get further seeds.
    """

    seeds: Seeds
    rungs: tuple[int, ...] = ()
    halving: int = 3
    attempts: int = 2  #: at a training that fails

    @property
    def below(self) -> tuple[int, ...]:
        """The rungs from which only some go on."""
        return self.rungs[:-1]

    @property
    def last(self) -> int:
        """Epochs of the candidates that are compared in the end."""
        return self.rungs[-1] if self.rungs else WHOLE

    def going_on(self, candidates: int) -> int:
        """How many of so many leave a rung for the next."""
        return -(-candidates // self.halving)


def seeds(text: str) -> Seeds:
    """`3`, or `3..10` where more are spent on those that may be best.

    Raises:
        ValueError: with what was expected.
    """
    match = re.fullmatch(r"(\d{1,4})(?:\.\.(\d{1,4}))?", text.strip())
    first, most = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= first <= most <= MOST:
        raise ValueError(f"1 to {MOST} seeds, such as 3 or 3..10")
    return Seeds(first, most)


def check(course: Course) -> None:
    """Refuse a range from one seed, which tells nothing apart, where no rungs do.

    Raises:
        ValueError: with what was expected.
    """
    few = course.seeds.first < min(course.seeds.most, _LEAST)
    if few and not course.below:
        raise ValueError(
            f"a range from {_LEAST} up, as one seed tells nothing apart without --rungs"
        )


def rungs(text: str) -> tuple[int, ...]:
    """`2,4,8`: epochs, each more than the one before.

    Raises:
        ValueError: with what was expected.
    """
    words = [each.strip() for each in text.split(",")]
    numbers = tuple(int(each) for each in words if re.fullmatch(r"[0-9]{1,7}", each))
    rising = all(low < high for low, high in pairwise((0, *numbers)))
    good = len(numbers) == len(words) <= _RUNGS and rising
    if not good or numbers[-1] > _LONGEST:
        raise ValueError("epochs, each more than the one before, such as 2,4,8")
    return numbers
