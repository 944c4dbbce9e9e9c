"""Values that nothing changes, cheap to declare and to make; and one told by itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def data(cls: type[T]) -> type[T]:
    """A frozen dataclass, in the eyes of the type checker, which refuses to change one.

    At run time nothing is there to refuse: `dataclass(frozen=True)` takes three times
    as long to make a value, of which a network has hundreds, and twice as long to
    declare a class, of which a command imports as many.
    """
    return dataclass(unsafe_hash=True)(cls)


class Same(Generic[T]):
    """An object as a key that is told by being that object, not by what it holds.

    To compare two models of a file is to compare all that they hold.
    """

    __slots__ = ("it",)

    def __init__(self, it: T) -> None:
        self.it = it

    def __hash__(self) -> int:
        """That of the object, whatever it holds."""
        return id(self.it)

    def __eq__(self, other: object) -> bool:
        """Whether both are the one object."""
        return isinstance(other, Same) and other.it is self.it
