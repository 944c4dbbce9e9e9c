"""Heads of attention: how many and how wide, and what their keys ask of each other."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from effscale.arrays import ONE, Int, divided, divides, every, first, on_paper, where
from effscale.errors import Fault, LayerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from effscale.spec.steps import Attention


#: How a line says how many heads there are.
WAYS = ("heads", "head_width", "least_head_width")


def heads_of(line: Attention, c_in: Int) -> tuple[Int, Int, Int]:
    """How many heads, and the channels of a key and of a value of each.

    Raises:
        LayerError: if the channels are no whole number of heads.
    """
    if line.least_head_width is not None or line.key_ratio is not None:
        return _by_share(line, c_in)
    parts, key, value = 1 if line.project else 3, line.key_width, line.value_width
    if line.head_width is not None:
        key, value = key or line.head_width, value or line.head_width
        unit = line.head_width if line.project else 2 * key + value
        return _whole(c_in, unit, "head_width"), key, value
    heads = line.heads or 1
    if key is not None and value is None and not line.project:
        value = _whole(c_in - 2 * key * heads, heads, "heads")
    if key is None or value is None:
        width = _whole(c_in, parts * heads, "heads")
        key, value = key or width, value or width
    return heads, key, value


def _by_share(line: Attention, c_in: Int) -> tuple[Int, Int, Int]:
    """Keys as a share of values, which are what comes in less queries and keys."""
    share = share_of_keys(line)
    part, of = share.numerator, share.denominator
    total = c_in if line.project else _parts(c_in, of + 2 * part, share) * of
    if line.least_head_width is not None:
        heads = most_heads(total, line.least_head_width, of)
    elif line.head_width is not None:
        heads = _whole(total, line.head_width, "head_width")
    else:
        heads = line.heads or 1
    value = _whole(total, heads, "heads")
    return heads, _parts(value, of, share) * part, value


def share_of_keys(line: Attention) -> Fraction:
    """Channels of a head's keys over those of its values."""
    stated = 1 if line.key_ratio is None else line.key_ratio
    return Fraction(stated).limit_denominator(64)


def most_heads(channels: Int, least: Int, of: int) -> Int:
    """As many heads as are whole, of a multiple of `of` and at least `least` channels.

    One, where there are fewer channels; on paper, as many as go into them.
    """
    found: Int = divided(channels, least) if on_paper(channels) else ONE + 0 * channels
    heads = 2
    while not (on_paper(channels) or every(channels < heads * least)):
        whole = (channels % (heads * of) == 0) & (channels >= heads * least)
        found, heads = where(whole, heads, found), heads + 1
    return found


def _whole(channels: Int, unit: Int, what: str) -> Int:
    """How many units there are in so many channels."""
    if not divides(unit, channels):
        wrong = channels % unit != 0
        several, units = first(wrong, channels, unit)
        message = f"{what}: expected a divisor of {several} channels, got {units}"
        raise LayerError(message, wrong)
    found: Int = divided(channels, unit)
    return found


def _parts(channels: Int, of: int, share: Fraction) -> Int:
    """The channels in so many parts, which keys and values are some of."""
    if not divides(of, channels):
        wrong = channels % of != 0
        (several,) = first(wrong, channels)
        message = f"expected a multiple of {of} channels beside {share}, got {several}"
        raise LayerError(f"key_ratio: {message}", wrong)
    found: Int = divided(channels, of)
    return found


def faults_of(line: Attention, c_in: int) -> Iterator[Fault]:
    """Heads that are said twice, or do not go into the channels; and the like."""
    said = [name for name in WAYS if getattr(line, name) is not None]
    if not said:
        yield Fault((), "missing heads or head_width", "EFF101")
        return
    if len(said) > 1:
        yield Fault((said[1],), f"expected {' or '.join(said)}, got both")
        return
    widths = [name for name in ("key_width", "value_width") if getattr(line, name)]
    if widths and {line.least_head_width, line.key_ratio} != {None}:
        by = "least_head_width" if line.least_head_width else "key_ratio"
        yield Fault((widths[0],), f"expected none beside {by}")
        return
    if line.areas > 1 and line.over is not None:
        yield Fault(
            ("areas",), f"expected 1 beside over: {line.over}, got {line.areas}"
        )
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
    steps = bool(line.before)
    wrong = {
        "bias": (
            not line.project and line.bias not in {True, False},
            "true or false of what is projected elsewhere",
        ),
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
        "keys": (bool(line.context and line.keys), "none beside context"),
        "values": (bool(line.context and line.values), "none beside context"),
        "over": (line.over is not None and apart, of_one),
        "areas": (line.areas > 1 and apart, of_one),
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
        areas = line.areas > 1
        where_apart = "none where keys are of another map" if apart else "kind: softmax"
        wrong["position"] = (
            apart or areas or not of_scores,
            "none beside areas" if areas else where_apart,
        )
    for name, (found, expected) in wrong.items():
        if found:
            said: object = getattr(line, name)
            got = f"{len(said)} steps" if isinstance(said, tuple) else repr(said)
            yield Fault((name,), f"expected {expected}, got {got}")
