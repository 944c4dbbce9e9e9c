"""Modules of other code, loaded by name or from a file, and counted by both engines."""

from __future__ import annotations

import ast
import importlib
import sys
import warnings
import zipfile
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from effscale.errors import MeasureError, did_you_mean, first_line, short
from effscale.module.aten import KINDS
from effscale.module.measure import Engine, Input, Measurement, run
from effscale.spec.builtin import names_saved

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

IMAGE = Input((1, 3, 224, 224))
_NO_SCRIPT = "fvcore cannot trace TorchScript"


@dataclass(frozen=True)
class Foreign:
    """A module, and what goes into it where it says so itself."""

    name: str
    module: nn.Module
    inputs: tuple[Input, ...] = ()


class Scripted(nn.Module):
    """A TorchScript module, out of the sight of those who would hook its children."""

    def __init__(self, script: nn.Module) -> None:
        super().__init__()
        self._script = (script,)

    def forward(self, *inputs: torch.Tensor) -> Any:  # noqa: ANN401 - any output
        return self._script[0](*inputs)

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:  # noqa: FBT001, FBT002 - torch's signature
        return self._script[0].parameters(recurse)


def load(reference: str, arguments: Mapping[str, str]) -> Foreign:
    """The module that a file holds, or that a callable makes of the arguments.

    `my_pkg.nets:make_net` is imported, from the current folder too; `timm:NAME` are the
    models of timm. Arguments are Python literals, or else text.

    Raises:
        MeasureError: if there is no module to be had.
    """
    try:
        read = _saved if names_saved(reference) else _made
        return read(reference, arguments)
    except MeasureError as error:
        raise MeasureError(f"{reference}: {error}") from None


def tensors(
    asked: Sequence[tuple[tuple[int, ...], str | None]],
) -> tuple[Input, ...]:
    return tuple(
        Input(shape, None if dtype is None else getattr(torch, dtype))
        for shape, dtype in asked
    )


def literal(text: str) -> object:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _made(reference: str, arguments: Mapping[str, str]) -> Foreign:
    """The module that a reference names, or that what it names makes."""
    name, _, path = reference.partition(":")
    made = _called(_imported(name, path), arguments)
    if not isinstance(made, nn.Module):
        expected = f"expected a torch.nn.Module, got {type(made).__name__}"
        raise MeasureError(expected)
    return Foreign(reference, made, _timm_size(made))


def _imported(name: str, path: str) -> Any:  # noqa: ANN401 - code of others
    """The attribute at `path` of the module of that name."""
    if name.endswith(".py"):
        known = f"{name.removesuffix('.py')}:{path}"
        hint = did_you_mean(f"{name}:{path}", [known])
        raise MeasureError(f"expected a module's name, got a file's{hint}")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found = importlib.import_module(name)
    except ModuleNotFoundError as error:
        message = f"cannot be imported: no module named {error.name!r}"
        if name == name.partition(".")[0] == error.name:
            message += f"; a file of git's is {name}:./{path}"
        raise MeasureError(message) from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - code of others
        raise MeasureError(f"importing {name} raised {_raised(error)}") from None
    try:
        for each in path.split("."):
            found = getattr(found, each)
    except AttributeError:
        if name == "timm":
            return partial(importlib.import_module(name).create_model, path)
        hint = did_you_mean(each, [n for n in dir(found) if not n.startswith("_")])
        message = f"expected a callable or module of {name}, found no {each!r}{hint}"
        raise MeasureError(message) from None
    return found


def _timm_size(module: nn.Module) -> tuple[Input, ...]:
    """What timm's models say of their input."""
    config = getattr(module, "pretrained_cfg", None)
    size = config.get("input_size") if isinstance(config, dict) else None
    if not isinstance(size, tuple | list) or not all(type(n) is int for n in size):
        return ()
    return (Input((1, *size)),)


def _called(found: Any, arguments: Mapping[str, str]) -> Any:  # noqa: ANN401
    if isinstance(found, nn.Module):
        if arguments:
            raise MeasureError("expected no --arg: it is a module already")
        return found
    if not callable(found):
        expected = "expected a callable or a torch.nn.Module"
        raise MeasureError(f"{expected}, got {short(found)}")
    values = {name: literal(text) for name, text in arguments.items()}
    said = ", ".join(f"{name}={short(value)}" for name, value in values.items())
    try:
        return found(**values)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - code of others
        message = f"calling it with ({said}) raised {_raised(error)}"
        raise MeasureError(message) from None


def _saved(path: str, arguments: Mapping[str, str]) -> Foreign:
    """The module of a file that torch.export or TorchScript has written.

    Nothing is unpickled that could run code of its own: weights alone are no module.
    """
    if arguments:
        raise MeasureError("expected no --arg for a file")
    if not Path(path).is_file():
        raise MeasureError("expected a file, found none")
    if _weights_alone(path):
        hint = "MODULE:CALLABLE makes the module that they are of"
        raise MeasureError(f"expected a module, found weights alone; {hint}")
    exported = path.endswith(".pt2")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own, of what it does within
            if exported:
                return _exported(path)
            return Foreign(path, Scripted(torch.jit.load(path, map_location="cpu")))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a file may hold anything
        kind = "torch.export" if exported else "TorchScript"
        message = f"expected a file of {kind}, got {_raised(error)}"
        raise MeasureError(message) from None


def _weights_alone(path: str) -> bool:
    """Whether `torch.save` has written it: a pickle, without the code of a module."""
    try:
        with zipfile.ZipFile(path) as file:
            names = {name.partition("/")[2] for name in file.namelist()}
    except (OSError, zipfile.BadZipFile):
        return False
    return "data.pkl" in names and "constants.pkl" not in names


def _exported(path: str) -> Foreign:
    """The modules that were exported, and the inputs they were exported with."""
    program = torch.export.load(path)
    module = torch.export.unflatten(program)
    examples = (program.example_inputs or ((), {}))[0]
    inputs = tuple(
        Input(tuple(each.shape), each.dtype)
        for each in examples
        if isinstance(each, torch.Tensor)
    )
    return Foreign(path, module, inputs if len(inputs) == len(examples) else ())


def _raised(error: BaseException) -> str:
    kind, said = type(error).__name__, first_line(error)
    return kind if said == kind else f"{kind}: {said}"


@dataclass(frozen=True)
class Attempt:
    """What one engine measured of a module, or why it could not."""

    engine: Engine
    measured: Measurement | None
    error: str = ""


@dataclass(frozen=True)
class Counted:
    """A module as both engines, or the one that was asked for, have counted it."""

    name: str
    module: nn.Module
    inputs: tuple[Input, ...]
    assumed: bool  #: nobody said what goes in
    attempts: tuple[Attempt, ...]
    note: str = ""  #: why an engine was not asked

    @cached_property
    def measured(self) -> list[Measurement]:
        found = (each.measured for each in self.attempts)
        return [each for each in found if each is not None]

    @cached_property
    def best(self) -> Measurement:
        """The first that skipped nothing, or else the one that counted most."""
        whole = [each for each in self.measured if not each.skipped]
        return whole[0] if whole else max(self.measured, key=lambda x: int(x.macs))

    def faults(self) -> list[str]:
        """What each engine missed, and the kinds in which the two differ."""
        said = []
        for each in self.attempts:
            if each.measured is None:
                said.append(f"{each.engine} counted nothing: {each.error}")
            elif each.measured.skipped:
                calls = each.measured.skipped.items()
                missed = ", ".join(f"{name} ×{n}" for name, n in calls)
                said.append(
                    f"{each.engine} cannot count {missed}: its MACs would be wrong"
                )
        if len(self.measured) == 2:  # noqa: PLR2004 - fvcore and torch
            one, other = self.measured
            ours, theirs = one.by_kind(), other.by_kind()
            said += [
                f"{one.engine} and {other.engine} differ in {name}: "
                f"{ours[name]:,} and {theirs[name]:,} MACs"
                for name in KINDS
                if ours[name] != theirs[name]
            ]
        return said


def count(
    foreign: Foreign, inputs: Sequence[Input], engines: Sequence[Engine]
) -> Counted:
    """The module counted by each engine.

    Raises:
        MeasureError: if none of them could run it.
    """
    inputs = tuple(inputs) or foreign.inputs or (IMAGE,)
    note = ""
    if isinstance(foreign.module, Scripted) and "torch" in engines:
        engines, note = ["torch"], _NO_SCRIPT
    attempts = tuple(_attempt(foreign, inputs, engine) for engine in engines)
    if all(each.measured is None for each in attempts):
        said = " and ".join(map(shown, inputs))
        reasons = dict.fromkeys(each.error for each in attempts)
        raise MeasureError(f"{foreign.name}: with {said}: {'; '.join(reasons)}")
    assumed = not foreign.inputs and inputs == (IMAGE,)
    return Counted(foreign.name, foreign.module, inputs, assumed, attempts, note)


def shown(each: Input) -> str:
    """An input as it is asked for: `1x3x224x224`, `1x77:int64`."""
    sides = "x".join(map(str, each.shape)) or "scalar"
    dtype = "" if each.dtype is None else f":{str(each.dtype).removeprefix('torch.')}"
    return sides + dtype


def _attempt(foreign: Foreign, inputs: Sequence[Input], engine: Engine) -> Attempt:
    scripted = isinstance(foreign.module, Scripted)
    if scripted and engine == "fvcore":
        return Attempt(engine, None, _NO_SCRIPT)
    try:
        return Attempt(engine, _run(foreign.module, inputs, engine, really=scripted))
    except MeasureError as error:
        return Attempt(engine, None, str(error))
    except Exception as error:  # noqa: BLE001 - code of others
        return Attempt(engine, None, f"running it raised {_raised(error)}")


def _run(
    module: nn.Module, inputs: Sequence[Input], engine: Engine, *, really: bool
) -> Measurement:
    """The measurement; of a real run where torch cannot run the module on meta."""
    if engine == "torch" and not really:
        try:
            return run(module, inputs, engine)
        except Exception:  # noqa: BLE001, S110 - what it is, the real run says
            pass
    return run(module, inputs, engine, really=True)
