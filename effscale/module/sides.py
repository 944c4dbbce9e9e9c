"""One module counted by both engines, side by side: where they part, what they miss."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from effscale.errors import MeasureError
from effscale.module.foreign import Scripted, raised
from effscale.module.measure import Engine, Input, Measurement, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from effscale.module.foreign import Foreign

KINDS = ("convolution", "matrix product")


@dataclass(frozen=True)
class Side:
    """What one engine measured, or why it could not."""

    engine: Engine
    measured: Measurement | None
    error: str = ""

    @property
    def whole(self) -> bool:
        """Whether it counted everything that multiplies."""
        return self.measured is not None and not self.measured.skipped

    def kinds(self) -> Counter[str]:
        """MACs of convolutions, and of matrix products."""
        found: Counter[str] = Counter()
        if self.measured is not None:
            factor = 2 if self.engine == "torch" else 1
            for name in self.measured.calls:
                found[kind(name)] += self.measured.operators.get(name, 0) // factor
        return found


def kind(operator: str) -> str:
    """Which of `KINDS` an engine's operator is."""
    return KINDS[0] if "conv" in operator else KINDS[1]


@dataclass(frozen=True)
class Sides:
    """A module as both engines, or the one that was asked for, have counted it."""

    name: str
    module: nn.Module
    inputs: tuple[Input, ...]
    assumed: bool
    sides: tuple[Side, ...]
    note: str = ""  #: why an engine was not asked

    @cached_property
    def best(self) -> Measurement:
        """The first that is whole, or else the one that counted most."""
        found = [each.measured for each in self.sides if each.measured is not None]
        whole = [each for each in found if not each.skipped]
        return (whole or sorted(found, key=lambda each: -int(each.macs)))[0]

    def faults(self) -> list[str]:
        """What each engine missed, and the kinds in which the two differ."""
        said = []
        for each in self.sides:
            if each.measured is None:
                said.append(f"{each.engine} counted nothing: {each.error}")
            elif each.measured.skipped:
                calls = each.measured.skipped.items()
                missed = ", ".join(f"{name} ×{n}" for name, n in calls)
                said.append(
                    f"{each.engine} cannot count {missed}: its MACs would be wrong"
                )
        counted = [each for each in self.sides if each.measured is not None]
        if len(counted) == len(self.sides) == 2:  # noqa: PLR2004 - fvcore and torch
            one, other = counted
            said += [
                f"{one.engine} and {other.engine} differ in {name}: "
                f"{one.kinds()[name]:,} and {other.kinds()[name]:,} MACs"
                for name in KINDS
                if one.kinds()[name] != other.kinds()[name]
            ]
        return said


def count(
    foreign: Foreign, inputs: Sequence[Input], engines: Sequence[Engine]
) -> Sides:
    """The module counted by each engine.

    Raises:
        MeasureError: if none of them could run it.
    """
    inputs = tuple(inputs) or foreign.inputs
    note = ""
    if isinstance(foreign.module, Scripted) and "torch" in engines:
        engines, note = ["torch"], "fvcore cannot trace TorchScript"
    sides = tuple(_side(foreign, inputs, engine) for engine in engines)
    if all(each.measured is None for each in sides):
        said = " and ".join(map(shown, inputs))
        reasons = dict.fromkeys(each.error for each in sides)
        raise MeasureError(f"{foreign.name}: with {said}: {'; '.join(reasons)}")
    assumed = foreign.assumed and inputs == foreign.inputs
    return Sides(foreign.name, foreign.module, inputs, assumed, sides, note)


def shown(each: Input) -> str:
    """An input as it is asked for: `1x3x224x224`, `1x77:int64`."""
    sides = "x".join(map(str, each.shape)) or "scalar"
    kind = "" if each.dtype is None else f":{str(each.dtype).removeprefix('torch.')}"
    return sides + kind


def _side(foreign: Foreign, inputs: Sequence[Input], engine: Engine) -> Side:
    scripted = isinstance(foreign.module, Scripted)
    if scripted and engine == "fvcore":
        return Side(engine, None, "fvcore cannot trace TorchScript")
    try:
        return Side(engine, _run(foreign.module, inputs, engine, really=scripted))
    except MeasureError as error:
        return Side(engine, None, str(error))
    except Exception as error:  # noqa: BLE001 - whatever theirs does
        return Side(engine, None, f"running it raised {raised(error)}")


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
