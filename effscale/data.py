"""Values that nothing changes, cheap to declare and to make; and one told by itself."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Generic, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def data(cls: type[T]) -> type[T]:
    """A frozen dataclass, in the eyes of the type checker, which refuses to change one.

    At run time nothing is there to refuse: `dataclass(frozen=True)` takes three times
    as long to make a value, of which a network has hundreds, and five times as long to
    declare a class, of which a command imports as many: what values are compared and
    shown by is not compiled for each class, but one for all. That is all that a value
    has: one that keeps more, in a cached property, would differ from one that has not.
    """
    made = dataclass(repr=False, eq=False)(cls)
    for name, method in _SHARED.items():
        if name not in vars(cls):
            setattr(made, name, method)
    return made


def remade(value: T, **other: Any) -> T:  # noqa: ANN401 - of any field
    """Such a value with other fields.

    `dataclasses.replace` takes three times as long.
    """
    return type(value)(**{**vars(value), **other})


def _shown(self: Any) -> str:  # noqa: ANN401 - of any such class
    said = [f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if f.repr]
    return f"{type(self).__qualname__}({', '.join(said)})"


def _alike(self: object, other: object) -> Any:  # noqa: ANN401 - or not told
    if type(self) is not type(other):
        return NotImplemented
    return vars(self) == vars(other)


def _hashed(self: object) -> int:
    return hash(tuple(vars(self).values()))


_SHARED = {"__repr__": _shown, "__eq__": _alike, "__hash__": _hashed}


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
