"""Heads of attention: how many and how wide, and what their keys ask of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.arrays import Int, divided, divides, first
from effscale.errors import Fault, LayerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from effscale.spec.steps import Attention


def heads_of(line: Attention, c_in: Int) -> tuple[Int, Int, Int]:
    """How many heads, and the channels of a key and of a value of each.

    Raises:
        LayerError: if the channels are no whole number of heads.
    """
    parts, key, value = 1 if line.project else 3, line.key_width, line.value_width
    if line.head_width is not None:
        key, value = key or line.head_width, value or line.head_width
        unit = line.head_width if line.project else 2 * key + value
        return _whole(c_in, unit, "head_width"), key, value
    heads = 1 if line.heads is None else line.heads
    if key is not None and value is None and not line.project:
        value = _whole(c_in - 2 * key * heads, heads, "heads")
    if key is None or value is None:
        width = _whole(c_in, parts * heads, "heads")
        key, value = key or width, value or width
    return heads, key, value


def _whole(channels: Int, unit: Int, what: str) -> Int:
    """How many units there are in so many channels."""
    if not divides(unit, channels):
        wrong = channels % unit != 0
        several, units = first(wrong, channels, unit)
        message = f"{what}: expected a divisor of {several} channels, got {units}"
        raise LayerError(message, wrong)
    found: Int = divided(channels, unit)
    return found


def faults_of(line: Attention, c_in: int) -> Iterator[Fault]:
    """Heads that are said twice, or do not go into the channels; and the like."""
    if line.heads is None and line.head_width is None:
        yield Fault((), "missing heads or head_width", "EFF101")
        return
    if line.heads is not None and line.head_width is not None:
        yield Fault(("head_width",), "expected heads or head_width, got both")
        return
    if line.over is None and line.size is not None:
        yield Fault(("size",), "expected none without over")
    elif line.over is not None and line.size is None:
        yield Fault((), f"missing size of the {line.over}", "EFF101")
    try:
        heads, key, value = (int(each) for each in heads_of(line, c_in))
    except LayerError as error:
        name, _, message = str(error).partition(": ")
        yield Fault((name,), message)
        return
    if value < 1:
        expected = f"expected less than half of {c_in // heads} channels a head"
        yield Fault(("key_width",), f"{expected}, got {key}")
        return
    yield from _unfit(line, key, value)
    if not line.project and (parts := heads * (2 * key + value)) != c_in:
        message = f"expected {parts} channels of queries, keys and values, got {c_in}"
        yield Fault((), message)


def _unfit(line: Attention, key: int, value: int) -> Iterator[Fault]:
    """What cannot be said together."""
    apart, of_scores = not line.alike, line.kind in {"softmax", "cosine"}
    of_one, separable = "queries, keys and values of one map", line.kind == "separable"
    covariance = line.kind == "covariance"
    steps = bool(line.queries or line.keys or line.values)
    wrong = {
        "shift": (line.shift and line.over != "window", "over: window"),
        "multi_query": (line.multi_query and not of_scores, "kind: softmax"),
        "value_width": (
            (covariance or separable) and key != value,
            f"{key}, as of keys",
        ),
        "kind": (
            (covariance or separable) and steps,
            "another where keys are of another map",
        ),
        "over": (line.over is not None and apart, of_one),
        "local": (
            line.local is not None and (apart or separable),
            "another kind" if separable else of_one,
        ),
        "project": (
            not line.project and (apart or separable),
            "true of one query for all" if separable else of_one,
        ),
    }
    if line.position != "none":
        wrong["position"] = (
            apart or not of_scores,
            "none where keys are of another map" if apart else "kind: softmax",
        )
    for name, (found, expected) in wrong.items():
        if found:
            yield Fault((name,), f"expected {expected}, got {getattr(line, name)!r}")
