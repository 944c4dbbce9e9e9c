"""Inputs of a module: shapes of tensors, alone or in lists, tuples, dictionaries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


class Input(NamedTuple):
    """A tensor that a module takes; of the type of its weights where none is given."""

    shape: tuple[int, ...]
    dtype: torch.dtype | None = None


def leaves(tree: Any) -> Iterator[Input]:  # noqa: ANN401 - lists, tuples and dictionaries
    """The tensors of what goes into a module."""
    match tree:
        case Input():
            yield tree
        case list() | tuple():
            for each in tree:
                yield from leaves(each)
        case dict():
            yield from leaves([*tree.values()])
        case _:
            pass


def filled(tree: Any, make: Callable[[Input], Any]) -> Any:  # noqa: ANN401
    """The same lists, tuples and dictionaries with what is made of each tensor."""
    match tree:
        case Input():
            return make(tree)
        case list() | tuple():
            return type(tree)([filled(each, make) for each in tree])
        case dict():
            return {name: filled(each, make) for name, each in tree.items()}
        case _:
            return tree


class Called(nn.Module):
    """A module, given its tensors one by one, however it takes them."""

    def __init__(
        self, module: nn.Module, args: tuple[Any, ...], keywords: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self.module, self._call = module, (args, keywords)
        self.keeps = False  #: all that is made on the way, as outputs

    def forward(self, *tensors: torch.Tensor) -> Any:  # noqa: ANN401
        """Whatever the module puts out; or all tensors that it makes."""
        each = iter(tensors)
        args, keywords = filled(self._call, lambda _: next(each))
        if not self.keeps:
            return self.module(*args, **keywords)
        with _Kept() as kept:
            self.module(*args, **keywords)
        return tuple(kept.tensors)


class _Kept(TorchFunctionMode):
    """Holds what every function of torch makes within its context."""

    def __init__(self) -> None:
        super().__init__()
        self.tensors: list[torch.Tensor] = []

    def __torch_function__(
        self,
        func: Any,  # noqa: ANN401 - a function
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - what it returns
        made = func(*args, **(kwargs or {}))
        self.tensors += tensors_of(made)
        return made


def tensors_of(tree: Any) -> Iterator[torch.Tensor]:  # noqa: ANN401
    """The tensors of what a module takes, in order."""
    match tree:
        case torch.Tensor():
            yield tree
        case list() | tuple():
            for each in tree:
                yield from tensors_of(each)
        case dict():
            yield from tensors_of([*tree.values()])
        case _:
            pass


def called(module: nn.Module, args: Any, named: Any) -> Called:  # noqa: ANN401
    """The module with the arguments that it is called by, given its tensors."""

    def shape(tree: Any) -> Any:  # noqa: ANN401
        match tree:
            case torch.Tensor():
                return Input(tuple(tree.shape))
            case list() | tuple():
                return type(tree)([shape(each) for each in tree])
            case dict():
                return {name: shape(each) for name, each in tree.items()}
            case _:
                return tree

    return Called(module, shape(args), shape(named))
