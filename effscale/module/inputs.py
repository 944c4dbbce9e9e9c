"""Inputs of a module: shapes of tensors, alone or in lists, tuples, dictionaries.

They are asked for as text, `image=1x3x64x64`, and said in the same way.
"""

from __future__ import annotations

import inspect
from types import GeneratorType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from effscale.errors import short

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence


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


#: What makes its values when they are asked for.
_GENERATORS = GeneratorType, map, filter, zip


def drained(out: Any) -> Any:  # noqa: ANN401 - lists, tuples and dictionaries
    """The same with what generators make in their place, which nobody asked yet."""
    if not _draws(out):
        return out
    if isinstance(out, dict):
        return {name: drained(each) for name, each in out.items()}
    return [drained(each) for each in out]


def _draws(out: Any) -> bool:  # noqa: ANN401
    """Whether there are generators among what is put out."""
    if isinstance(out, list | tuple | dict):
        return any(map(_draws, out.values() if isinstance(out, dict) else out))
    return isinstance(out, _GENERATORS)


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


#: A name, if there is one, and the tensors that go in under it; whether as a list.
Asked: TypeAlias = "tuple[str, Sequence[tuple[tuple[int, ...], str | None]], bool]"


def given(
    module: nn.Module, asked: Sequence[Asked]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What goes into a module, in order and by keyword.

    Names that it does not take as keywords are those of a dictionary, its last input.
    """
    inputs: list[Any] = []
    named: dict[str, Any] = {}
    for name, each, listed in asked:
        tensors = [
            Input(shape, None if dtype is None else getattr(torch, dtype))
            for shape, dtype in each
        ]
        value = tensors if listed else tensors[0]
        if name:
            named[name] = value
        else:
            inputs.append(value)
    if named and not _takes(module, len(inputs), named):
        return (*inputs, named), {}
    return tuple(inputs), named


def _takes(module: nn.Module, placed: int, names: Iterable[str]) -> bool:
    """Whether `names` are keywords of its forward pass, beside what is in place."""
    parameters = _parameters(module)
    if parameters is None:
        return True
    known = {each.name for each in parameters if each.kind not in STARRED}
    if known.issuperset(names):
        return True
    takes_any = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters)
    return takes_any and not missing(module, placed, names)


def missing(module: nn.Module, placed: int, names: Iterable[str]) -> list[str]:
    """What its forward pass needs beside so many inputs in place, and these by name."""
    parameters = _parameters(module) or []
    plain = inspect.Parameter.POSITIONAL_OR_KEYWORD
    ordered = [each.name for each in parameters if each.kind is plain]
    needed = [each for each in parameters if each.default is inspect.Parameter.empty]
    given = {*ordered[:placed], *names}
    return [
        each.name for each in needed if each.kind is plain and each.name not in given
    ]


def within(module: nn.Module) -> nn.Module:
    """The script that a module stands for, or itself."""
    (inner,) = getattr(module, "_script", (module,))
    return inner if isinstance(inner, nn.Module) else module


def _parameters(module: nn.Module) -> Sequence[inspect.Parameter] | None:
    """Those of its forward pass, of a script by its schema; None if nobody knows."""
    inner = within(module)
    forward: Any = inner.forward
    if isinstance(inner, torch.jit.ScriptModule):
        _self, *arguments = forward.schema.arguments
        plain, unsaid = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.empty
        return [
            inspect.Parameter(
                each.name, plain, default=None if each.has_default_value() else unsaid
            )
            for each in arguments
        ]
    try:
        return [*inspect.signature(forward).parameters.values()]
    except (TypeError, ValueError):
        return None


STARRED = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)


def said_of(inputs: Sequence[Any], keywords: Mapping[str, Any]) -> list[str]:
    """What goes in, as it is asked for: `1x3x8x8`, `image=1x3x64x64`, `1x8,1x4`."""
    named = {**keywords}
    if inputs and isinstance(inputs[-1], dict):
        named, inputs = {**inputs[-1], **named}, inputs[:-1]
    said = [_said(each) for each in inputs]
    return [*said, *(f"{name}={_said(each)}" for name, each in named.items())]


def _said(each: Any) -> str:  # noqa: ANN401
    if isinstance(each, Input):
        return shown(each)
    found = [*leaves(each)]
    alone = "," if len(found) == 1 else ""  # a list of one
    return ",".join(map(shown, found)) + alone if found else short(each)


def shown(each: Input) -> str:
    """A tensor as it is asked for: `1x3x224x224`, `1x77:int64`."""
    sides = "x".join(map(str, each.shape)) or "scalar"
    dtype = "" if each.dtype is None else f":{str(each.dtype).removeprefix('torch.')}"
    return sides + dtype
