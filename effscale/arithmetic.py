"""Arithmetic on shapes, written as text: `2 * prod(x[0]) * x[1][-2]`."""

from __future__ import annotations

import ast
import math
import operator
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Shape: TypeAlias = tuple[int, ...]

_OPERATIONS: dict[type, Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.USub: operator.neg,
}
_LONGEST = 400


def arithmetic(
    text: str,
) -> Callable[[Sequence[Shape], Sequence[Shape]], int]:
    """The formula that arithmetic on shapes is: `2 * prod(x[0]) * x[1][-2]`.

    `x[i]` is the shape of the i-th tensor that goes in, `y[i]` of what comes out; with
    another index, one of its sides. `prod` multiplies the sides of a shape.

    Raises:
        ValueError: if it is anything else.
    """
    try:
        tree = (
            ast.parse(text.strip(), mode="eval").body if len(text) < _LONGEST else None
        )
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        tree = None
    if tree is None or not _is_arithmetic(tree):
        raise ValueError("arithmetic on shapes such as 2*prod(x[0])*x[1][-2]")
    known: ast.expr = tree

    def formula(inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
        found: int = _value(known, {"x": inputs, "y": outputs})
        return found

    return formula


def _is_arithmetic(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=value):
            return type(value) is int
        case ast.BinOp(left=left, op=op, right=right):
            return type(op) in _OPERATIONS and all(map(_is_arithmetic, (left, right)))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _is_arithmetic(operand)
        case ast.Call(func=ast.Name(id="prod"), args=[argument], keywords=[]):
            return _is_shape(argument)
        case ast.Subscript(value=value, slice=index):
            return _is_shape(value) and _is_index(index)
        case _:
            return False


def _is_shape(node: ast.expr) -> bool:
    match node:
        case ast.Subscript(value=ast.Name(id="x" | "y"), slice=index):
            return _is_index(index)
        case _:
            return False


def _is_index(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node = node.operand
    return isinstance(node, ast.Constant) and type(node.value) is int


def _value(node: ast.expr, shapes: dict[str, Any]) -> Any:  # noqa: ANN401 - a number, a shape
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return shapes[name]
        case ast.BinOp(left=left, op=op, right=right):
            both = _value(left, shapes), _value(right, shapes)
            return _OPERATIONS[type(op)](*both)
        case ast.UnaryOp(op=op, operand=operand):
            return _OPERATIONS[type(op)](_value(operand, shapes))
        case ast.Subscript(value=value, slice=index):
            return _value(value, shapes)[_value(index, shapes)]
        case ast.Call(args=[argument]):
            return math.prod(_value(argument, shapes))
        case _:
            raise ValueError(ast.dump(node))
