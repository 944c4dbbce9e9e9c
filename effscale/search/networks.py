"""Many candidates counted at once, those left out that are no network."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from effscale.arrays import is_array
from effscale.cost.count import Cost, counts
from effscale.errors import CandidateError, ScaleError
from effscale.growth.multipliers import Multipliers
from effscale.growth.scale import scale

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from effscale.arrays import IntArray
    from effscale.spec.models import Spec


@dataclass
class Reason:
    """Why candidates are no network, how many, and one of them."""

    first: CandidateError
    number: int
    example: dict[str, float]

    @property
    def text(self) -> str:
        """The first that was found, less its line in a file."""
        return self.first.message


@dataclass
class LeftOut:
    """Candidates that are no network, so far, by what is wrong with them."""

    #: By the text of the reason, whatever its numbers are.
    reasons: dict[str, Reason] = field(default_factory=dict)

    def add(
        self, error: CandidateError, number: int, example: dict[str, float]
    ) -> None:
        """Note so many candidates more, of which `example` is one."""
        reason = Reason(error, 0, example)
        found = self.reasons.setdefault(_kind(reason.text), reason)
        found.number += number

    @property
    def number(self) -> int:
        """All of them."""
        return sum(each.number for each in self.reasons.values())

    def refuse_all(self, what: str) -> None:
        """Say that none of the candidates is a network, if some are left out.

        Raises:
            ScaleError: with the most frequent reason.
        """
        if self.reasons:
            most = max(self.reasons.values(), key=lambda each: each.number)
            message = f"no {what} is a network: {most.text}"
            raise ScaleError(message, where=most.first.where)


def _kind(text: str) -> str:
    return re.sub(r"\d+", "#", text)


class Networks(NamedTuple):
    """Candidates that are networks."""

    kept: IntArray  #: their indices
    spec: Spec  #: of arrays with an entry for each of them
    cost: Cost


def networks(
    make: Callable[[IntArray], Spec],
    size: int,
    left: LeftOut,
    example: Callable[[int], dict[str, float]],
) -> Networks | None:
    """The networks among `size` candidates, counted; None if there are none.

    `make` gives the spec of those with these indices; `left` hears of the others,
    `example` says what they are.

    Raises:
        CandidateError: if what is wrong is not of some of them alone.
    """
    kept: IntArray = np.arange(size)
    while len(kept):
        try:
            spec = make(kept)
            return Networks(kept, spec, counts(spec))
        except CandidateError as error:
            if error.among is None:
                raise
            wrong = np.broadcast_to(error.among, len(kept))
            left.add(error, int(wrong.sum()), example(int(kept[wrong.argmax()])))
            kept = kept[~wrong]
    return None


def scaled(spec: Spec, given: Multipliers, left: LeftOut) -> Networks | None:
    """`spec` by each of the multipliers, arrays of one length, that makes a network."""
    arrays: dict[str, Any] = {k: v for k, v in given.given.items() if is_array(v)}
    size = len(next(iter(arrays.values())))

    def make(kept: IntArray) -> Spec:
        return scale(spec, _taken(given, kept))

    def example(index: int) -> dict[str, float]:
        return {
            name: float(arrays[name][index] if name in arrays else each)
            for name, each in given.given.items()
        }

    return networks(make, size, left, example)


def _taken(given: Multipliers, kept: IntArray) -> Multipliers:
    every: dict[str, Any] = given.given
    picked = {k: each[kept] if is_array(each) else each for k, each in every.items()}
    return Multipliers(**picked)


class Spread(NamedTuple):
    """Candidates along axes that broadcast: figures of all, which of them exist."""

    exists: Any  #: an array of booleans, or True of all
    figures: Mapping[str, Any]  #: arrays that broadcast; 0 of what is no network
    sides: tuple[Any, Any]


def macs_alone(_: Spec, cost: Cost) -> dict[str, Any]:
    """The figures of candidates of which MACs alone are wanted."""
    return {"macs": cost.macs}


def spread(
    spec: Spec,
    given: Multipliers,
    left: LeftOut,
    figures: Callable[[Spec, Cost], dict[str, Any]] = macs_alone,
) -> Spread:
    """`spec` by multipliers that are axes; what is no network is left out.

    Along axes, numbers are counted once that many candidates share. Only where some
    are no network is each candidate counted for itself.
    """
    try:
        whole = scale(spec, given)
        found = figures(whole, counts(whole))
        return Spread(True, found, whole.resolution)  # noqa: FBT003 - a mask
    except CandidateError as error:
        if error.among is None:
            raise
    axes = {name: np.asarray(each) for name, each in given.given.items()}
    shape = np.broadcast_shapes(*(each.shape for each in axes.values()))
    flat = {name: np.broadcast_to(each, shape).ravel() for name, each in axes.items()}
    exists = np.zeros(shape, dtype=bool)
    some = scaled(spec, Multipliers(**flat), left)
    if some is None:
        nothing = np.zeros(shape, dtype=np.int64)
        return Spread(exists, defaultdict(lambda: nothing), (nothing, nothing))
    exists.flat[some.kept] = True

    def placed(values: Any) -> Any:  # noqa: ANN401 - of those that are networks
        whole = np.zeros(shape, dtype=np.asarray(values).dtype)
        whole.flat[some.kept] = values
        return whole

    found = {k: placed(each) for k, each in figures(some.spec, some.cost).items()}
    height, width = map(placed, some.spec.resolution)
    return Spread(exists, found, (height, width))
