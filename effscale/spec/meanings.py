"""The meaning of each key of the language, for schemas and editors.

A key that means the same wherever it stands is explained here; what answers speak of
too, in `effscale.glossary`. Any other has a comment of its own beside its field,
`#: …`, which is read from the source and comes first.
"""

from __future__ import annotations

import ast
import inspect
import re
from functools import cache
from typing import TYPE_CHECKING

from effscale import glossary

if TYPE_CHECKING:
    from effscale.spec.values import Model

#: Keys that mean the same in every section.
KEYS = {
    "activation": "Activation function; left out, the network's own.",
    "anchor_scale": "Side of the smallest anchor, as a multiple of the level's stride.",
    "anchors": "Boxes that each position of a level begins from.",
    "backbone": "Spec of a classifier, built in or a file, that the rest builds on.",
    "backbones": "Names of backbones by whole φ, or their multipliers.",
    "bias": "Whether a bias is added to each channel.",
    "block": "What the line is made of.",
    "blocks": "Blocks that this file defines, each a list of steps.",
    "branches": "Lists of steps, side by side on the same input.",
    "budget": "Upper limits that `effscale check` holds the network to.",
    "c_in": "Channels that come in; checked, never needed.",
    "c_mid": "Channels inside the block.",
    "cell": "A cell that this file defines.",
    "cells": "Cells that this file defines, each a small graph.",
    "channels": "Channels that come out; they follow the width multiplier.",
    "classes": "Number of classes.",
    "coefficients": "Growth of depth, width and resolution for one φ.",
    "compression": "Channels that come out, over those that come in.",
    "concat": "States that are put out, one after the other.",
    "dilation": "Positions from one element of the kernel to the next.",
    "dropout": "Rate of dropout before the classifier, in training.",
    "eps": "Number added to the variance.",
    "expand_ratio": "Expanded width over the width that comes in.",
    "expected": "Exact figures that this file expects of its own network.",
    "factor": "Height and width that come out, over those that come in.",
    "family": "Name of the family.",
    "fusion": "How maps of one size become one.",
    "gate": "Activation that ends between 0 and 1.",
    "groups": "Groups of channels that do not see each other.",
    "head": "Layers that make classes of the last feature map.",
    "heads": "Layers that predict classes and boxes at each level.",
    "image_channels": "Channels of the image.",
    "kernel": "Side of the kernel, or its rows and columns.",
    "kind": "What kind it is: of a norm what it is over, of an output what it tells.",
    "laterals": "Whether each node that reads a map has a fit of its own.",
    "layers": "Steps, one after the other.",
    "level": "Level of the map: 1 / 2^level of the image's side.",
    "levels": "Lowest and highest level: 1 / 2^level of the image's side.",
    "mode": "Interpolation of a larger map.",
    "momentum": "Weight of a new batch in running statistics, as torch means it.",
    "name": "Name of the network.",
    "neck": "Feature network between the backbone and the heads.",
    "nodes": "Feature maps of the graph, each made of others.",
    "norm": "Normalisation of feature maps.",
    "note": "Reason of a published figure that is not the counted one.",
    "padding": "`same` makes ceil(side / stride) of a side, `valid` adds no padding, a "
    "number as many pixels on both sides.",
    "published": "Figures as the source printed them, digit by digit.",
    "ratio": "Share of the channels that are not stated.",
    "ratios": "Height over width of anchors, or pairs of both.",
    "repeats": "Blocks in a row; they follow the depth multiplier.",
    "resolution": "Height and width of the image in pixels.",
    "rounding": "Rules that make scaled numbers whole: the name of a policy, or keys.",
    "scale": "Factor on the layers before the shortcut is added.",
    "scaling": "The law by which a detector grows with φ.",
    "se_ratio": "Squeezed width over the width that comes into the block; 0 is none.",
    "shortcut": "Steps beside the layers; none are the input itself.",
    "source": "Publication, with its table.",
    "squeeze_excite": "Form of squeeze-and-excitation in all blocks.",
    "stages": "Blocks that repeat, and steps; a line for each stage.",
    "stem": "Steps before the first stage.",
    "stride": "Positions from one window to the next; of blocks, that of the first.",
    "top1": "Top-1 accuracy in per cent.",
    "top5": "Top-5 accuracy in per cent.",
    "variants": "Published relatives of this network, by name.",
}

_COMMENT = re.compile(r"#: ?(.*)")


@cache
def _comments(model: type[Model]) -> dict[str, str]:
    """What the comments beside a model's own fields say, by field."""
    source = inspect.getsource(model).splitlines()
    found: dict[str, str] = {}
    for node in ast.walk(ast.parse("\n".join(source))):
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
            continue
        above: list[str] = []
        line = node.lineno - 2
        while line >= 0 and (said := _COMMENT.fullmatch(source[line].strip())):
            above.insert(0, said[1])
            line -= 1
        beside = source[(node.end_lineno or node.lineno) - 1].partition("#: ")[2]
        if text := " ".join(above) or beside:
            found[node.target.id] = text[0].upper() + text[1:].rstrip(".") + "."
    return found


def meaning(model: type[Model], key: str) -> str:
    """The sentence that says what a key of a model means; empty where none does."""
    for each in model.__mro__:
        if each.__module__.startswith("effscale.") and key in _comments(each):
            return _comments(each)[key]
    return KEYS.get(key) or glossary.meaning(key)
