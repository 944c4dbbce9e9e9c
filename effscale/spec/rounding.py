"""Rounding rules as a spec states them, and the policies of well-known codebases."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic_core import PydanticCustomError

from effscale.spec import fields
from effscale.spec.base import Model, Share

RepeatsRule = Literal["ceil", "round"]
TiesRule = Literal["up", "even"]
StemRule = Literal["scaled", "fixed"]
HeadRule = Literal["scaled", "fixed", "grows"]


class Rounding(Model):
    """How a scaled number becomes one that a network can have.

    A file names a policy, `rounding: pycls`, or writes what differs from the
    `efficientnet` policy.
    """

    #: Channels are a multiple of this.
    channel_divisor: Annotated[int, fields.Whole(1, 1024)] = 8
    #: Rounding channels down may lose at most this share of them.
    max_channel_loss: Share = 0.1
    #: Where channels or pixels lie halfway between two multiples.
    ties: Annotated[TiesRule, fields.Choice(("up", "even"))] = "up"
    #: Repeats go up to the next whole number, or to the nearest (halves to even).
    repeats: Annotated[RepeatsRule, fields.Choice(("ceil", "round"))] = "ceil"
    #: Whether the stem's widths follow the width multiplier.
    stem: Annotated[StemRule, fields.Choice(get_args(StemRule))] = "scaled"
    #: The same of the head's; `grows` is scaled up but never down.
    head: Annotated[HeadRule, fields.Choice(get_args(HeadRule))] = "scaled"
    #: Whether the repeats of the first and the last stage follow the depth multiplier.
    ends: Annotated[StemRule, fields.Choice(get_args(StemRule))] = "scaled"
    #: Height and width are a multiple of this.
    resolution_multiple: Annotated[int, fields.Whole(1, 1024)] = 8


#: What well-known implementations do, by name: where each differs from the first.
POLICIES: dict[str, Rounding] = {
    # tpu/models/official/efficientnet/efficientnet_model.py:106-130
    "efficientnet": Rounding(),
    # automl/efficientnetv2/effnetv2_model.py:84-95: no rule of the tenth
    "efficientnetv2": Rounding(max_channel_loss=1.0),
    # pycls/models/scaler.py: Python's round everywhere, pixels to a multiple of 4
    "pycls": Rounding(
        max_channel_loss=1.0, ties="even", repeats="round", resolution_multiple=4
    ),
    # timm/models/_efficientnet_builder.py:232-267, depth_trunc="round"
    "timm": Rounding(repeats="round"),
    # tpu/models/official/efficientnet/lite: fix_head_stem, and repeats of the ends
    "lite": Rounding(stem="fixed", head="fixed", ends="fixed"),
    # timm/models/efficientnet.py:1188-1208: fix_stem, max(1280, …), depth_trunc="round"
    "tinynet": Rounding(repeats="round", stem="fixed", head="grows"),
}


Policy = Annotated[str, fields.Choice(tuple(POLICIES))]


def policy(value: Any) -> Any:  # noqa: ANN401 - pydantic judges what this leaves alone
    """The rules of a policy that a file names, or what else it has written."""
    if not isinstance(value, str):
        return value
    if value not in POLICIES:
        expected = f"one of {', '.join(POLICIES)}, or keys and values"
        raise PydanticCustomError("kind", "expected {expected}", {"expected": expected})
    return POLICIES[value]
