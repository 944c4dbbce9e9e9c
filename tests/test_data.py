"""Tests of `effscale.data`: values are told, shown and kept as dataclasses are."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from effscale.data import data


@data
class Ours:
    """A value of ours, one field of which is not shown."""

    number: int
    word: str = field(default="a", repr=False)


@data
class Named:
    """One that says itself how it is shown."""

    number: int

    def __repr__(self) -> str:
        return "named"


@dataclass(frozen=True)
class Theirs:
    """The same by a dataclass."""

    number: int
    word: str = field(default="a", repr=False)


def test_values_are_told_and_shown_as_those_of_a_dataclass() -> None:
    assert repr(Ours(1)).replace("Ours", "Theirs") == repr(Theirs(1))
    assert hash(Ours(1)) == hash(Theirs(1))
    assert Ours(1) == Ours(1, "a") != Ours(1, "b")
    other: object = Named(1)
    assert Ours(1) != other
    assert {Ours(1): "found"}[replace(Ours(2), number=1)] == "found"
    assert repr(Named(1)) == "named"
