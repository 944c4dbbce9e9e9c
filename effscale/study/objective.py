"""The objective of a study: an expression of a candidate's accuracy and costs."""

from __future__ import annotations

import ast
import math
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from effscale.errors import StudyError, did_you_mean, short

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: The reward of Tan & Le 2019, section 3: ACC · (FLOPS / T)^w, T = 400 M, w = −0.07.
PAPER = "accuracy * (macs/400e6)**-0.07"
#: What an expression may always speak of, beside the numbers that a command writes.
NAMES = (
    *("accuracy", "macs", "params", "activations", "macs_ratio"),
    *(
        "alpha",
        "beta",
        "gamma",
        "image_height",
        "image_width",
        "seconds",
        "peak_memory",
    ),
)
#: By how much a number is moved to see whether more of it is better.
_NUDGE = 1e-4
#: Letters from which a name that begins another is taken for it.
_SHORT = 3
#: The longest expression: what Python parses and walks without a second thought.
LONGEST = 300

_FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "log": math.log,
    "exp": math.exp,
    "sqrt": math.sqrt,
    "min": min,
    "max": max,
    "abs": abs,
}
#: How many numbers a function takes, where it is not one, and in words.
_TAKES: Mapping[str, tuple[range, str]] = {
    "log": (range(1, 3), "1 or 2 numbers"),
    "min": (range(2, LONGEST), "2 numbers or more"),
    "max": (range(2, LONGEST), "2 numbers or more"),
}
_BINARY: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: math.pow,
}
_UNARY: Mapping[type[ast.unaryop], Callable[[float], float]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}


@dataclass(frozen=True)
class Objective:
    """An expression that was read, and found to be of names and arithmetic."""

    text: str
    tree: ast.expr

    def __call__(self, values: Mapping[str, float]) -> float | None:
        """Its value where it has one: log(0) has none, nor has a name without."""
        try:
            value = _value(self.tree, values)
        except (ArithmeticError, ValueError, TypeError, KeyError):
            return None
        return value if math.isfinite(value) else None

    @property
    def names(self) -> list[str]:
        """What it speaks of, in order."""
        names = [each for each in ast.walk(self.tree) if isinstance(each, ast.Name)]
        names.sort(key=lambda each: (each.lineno, each.col_offset))
        return [
            name
            for name in dict.fromkeys(each.id for each in names)
            if name not in _FUNCTIONS
        ]

    def direction(self, name: str, values: Mapping[str, float]) -> int:
        """1 where more of `name` is better than these values, -1 where less, else 0."""
        step = abs(values[name]) * _NUDGE or _NUDGE
        more, less = (
            self({**values, name: values[name] + each}) for each in (step, -step)
        )
        return 0 if more is None or less is None else (more > less) - (more < less)


def objective(text: str) -> Objective:
    """The expression `text`, parsed and never run as code.

    Numbers, `NAMES`, other names of what a command writes, + - * / **, brackets, log,
    exp, sqrt, min, max, abs.

    Raises:
        StudyError: for anything else, and for a name that is almost one of `NAMES`.
    """
    if len(text) > LONGEST:
        raise StudyError(f"expected at most {LONGEST} characters, got {len(text)}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        message = f"expected an expression such as {PAPER!r}"
        raise StudyError(f"{message}, got {short(text)}") from None
    _check(tree, text)
    return Objective(text.strip(), tree)


def _check(node: ast.expr, text: str) -> None:
    """Refuse what has no place in an objective."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(
            value, bool
        ):
            return
        case ast.Name(id=name):
            hint = _slip(name)
            if hint or name in _FUNCTIONS:
                known = ", ".join(NAMES)
                message = f"expected one of {known}, got {name!r}"
                raise StudyError(message + hint)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            _check(left, text)
            _check(right, text)
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            _check(operand, text)
        case ast.Call(func=ast.Name(id=name), args=[_, *_] as arguments, keywords=[]):
            if name not in _FUNCTIONS:
                known = ", ".join(_FUNCTIONS)
                raise StudyError(f"expected one of {known}, got {name!r}")
            numbers, words = _TAKES.get(name, (range(1, 2), "1 number"))
            if len(arguments) not in numbers:
                raise StudyError(f"{name}: expected {words}, got {len(arguments)}")
            for each in arguments:
                _check(each, text)
        case _:
            what = ast.get_source_segment(text.strip(), node) or text
            message = "expected numbers, names, + - * / ** and functions"
            raise StudyError(f"{message}, got {short(what)}")


def _slip(name: str) -> str:
    """A hint at which of `NAMES` is meant, if `name` is not likely a command's own.

    `accuracy_top5` is one, `acuracy` and `acc` are not.
    """
    if any(each in name for each in NAMES):
        return ""
    begun = [each for each in NAMES if len(name) >= _SHORT and each.startswith(name)]
    return did_you_mean(begun[0] if begun else name, list(NAMES))


def _value(node: ast.expr, values: Mapping[str, float]) -> float:
    match node:
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.Name(id=name):
            return float(values[name])
        case ast.BinOp(left=left, op=op, right=right):
            return _BINARY[type(op)](_value(left, values), _value(right, values))
        case ast.UnaryOp(op=op, operand=operand):
            return _UNARY[type(op)](_value(operand, values))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _FUNCTIONS[name](*(_value(each, values) for each in arguments))
        case _:
            raise TypeError(ast.dump(node))
