"""Specs with some of their values, keys and lines changed, by numbers drawn."""

from __future__ import annotations

import copy
from functools import cache
from typing import TYPE_CHECKING, Any

import yaml

from effscale.spec.builtin import folder
from effscale.spec.line import KEYS
from effscale.spec.lines import OPERATORS

if TYPE_CHECKING:
    from random import Random

#: Small, and together of every kind of line.
SMALL = """\
- resolution: 64
  stem: {kernel: 3, stride: 2, channels: 16}
  stages:
  - {block: mbconv, kernel: 3, stride: 1, expand_ratio: 1, channels: 16, repeats: 1, se_ratio: 0.25}
  - {block: mbconv, kernel: 5, stride: 2, c_mid: [48, 72], channels: 24, repeats: 3}
  - {block: fused_mbconv, kernel: 3, stride: 2, expand_ratio: 4, channels: 32, repeats: 2}
  - {block: separable, kernel: 3, stride: 1, channels: 48, repeats: 2}
  head: {channels: 64, hidden: 32, classes: 10, dropout: 0.1}
  variants: {large: {depth_multiplier: 1.4, width_multiplier: 1.2, resolution: 80}}
- resolution: [95, 121]
  squeeze_excite: {of: gated, at: output, divisor: 8}
  blocks:
    down: [{kernel: 3, stride: 2}]
    unit:
    - {block: residual, layers: [{kernel: 1, ratio: 0.5, shared: q}, {kernel: 3}], scale: 0.5}
    split:
    - {block: concat, branches: [[{kernel: 1, ratio: 0.25}], [{kernel: 3, ratio: 0.75}]]}
  stem: [{kernel: 3, channels: 16, dilation: 2, bias: true}, {block: avg_pool, kernel: 2, stride: 2}]
  stages:
  - {block: down, channels: 32}
  - {block: unit, channels: 32, repeats: 2}
  - {block: max_pool, kernel: [3, 2], stride: [2, 1], padding: valid}
  - {block: split, channels: 64, repeats: 2}
  - {block: conv, kernel: 3, channels: 64, groups: 4, norm: false, activation: none}
  - {block: depthwise, kernel: 3, stride: 2, padding: valid}
  - {block: squeeze_excite, se_ratio: 0.25}
  - {block: sum, branches: [[{kernel: 1, channels: 32}], [{kernel: 3, channels: 32, dilation: 3}]]}
  - {block: norm}
  - {block: activation, activation: gelu}
  head: {layers: [{kernel: 2, channels: 48, padding: valid}], hidden: 20, classes: 7}
- resolution: 64
  stem: {kernel: 3, stride: 2, channels: 12}
  cells:
    a: {nodes: [[[sep_3x3, 0], [max_pool_3x3, 1]], [[identity, 2], [conv_1x7_7x1, 0]]], concat: [2, 3]}
    r: {fit: always, nodes: [[[sep_5x5, 1], [avg_pool_3x3, 0]], [[dil_3x3, 0]]], concat: [2, 3]}
  stages:
  - {block: cell, cell: r, stride: 2, channels: 8}
  - {block: cell, cell: a, channels: 8, repeats: 3}
  - {block: cell, cell: r, stride: 2, channels: 16, repeats: 2}
  - {block: cell, cell: a, channels: 16, repeats: 1}
  head: {classes: 5}
- resolution: 64
  stem: [{kernel: 7, stride: 2, channels: 16}, {block: max_pool, kernel: 3, stride: 2}]
  rounding: pycls
  stages:
  - {block: basic, kernel: 3, stride: 1, channels: 16, repeats: 2, se_ratio: 0.25}
  - {block: bottleneck, stride: 2, c_mid: 16, channels: 32, group_width: 8, repeats: 2}
  - {block: bottleneck, stride: 2, channels: 48, group_width: 24, reduce_ratio: 0.5, repeats: 1}
  - {block: dense, growth: 8, repeats: 3}
  - {block: transition, compression: 0.5}
  - {block: dense, growth: 8, bottleneck_ratio: 2, repeats: 2}
  head: {classes: 5}
"""  # noqa: E501 - a stage a line
BUILT_IN = ("b0", "resnet50", "mobilenetv3-small", "d0")

WORDS = (
    *("silu", "relu", "none", "same", "valid", "gated", "input", "middle", "output"),
    *("pycls", "lite", "timm", "tinynet", "ceil", "round", "fixed", "even", "grows"),
    *("mbconv", "bottleneck", "basic", "dense", "transition", "separable", "conv"),
    *("residual", "concat", "sum", "depthwise", "avg_pool", "max_pool", "norm", "cell"),
    *("unit", "split", "down", "a", "r", "q", *OPERATORS),
)
NUMBERS = (0, 1, 2, 3, 4, 5, 7, 8, 12, 16, 24, 33, 64, 100, 1000, 2**20, -1)
SHARES = (0.0, 0.01, 0.1, 0.25, 0.3, 0.334, 0.5, 0.7, 1.0, 1.5, 3.0)
LINES: tuple[dict[str, Any], ...] = (
    {"kernel": 1},
    {"kernel": 1, "ratio": 0.5},
    {"kernel": 3, "channels": 24},
    {"kernel": 3, "stride": 2, "padding": "valid", "channels": 16},
    {"block": "depthwise", "kernel": 3},
    {"block": "avg_pool", "kernel": 2, "stride": 2},
    {"block": "max_pool", "kernel": 3, "stride": 2, "padding": "valid"},
    {"block": "squeeze_excite", "se_ratio": 0.1},
    {"block": "residual", "layers": [{"kernel": 3}]},
    {"block": "concat", "branches": [[], [{"kernel": 1, "ratio": 0.3}]]},
    {"block": "sum", "branches": [[{"kernel": 1}], [{"kernel": 3}]]},
)


@cache
def seeds() -> tuple[Any, ...]:
    """What mutants are made of, as plain data."""
    small = [{"name": "m", **each} for each in yaml.safe_load(SMALL)]
    paths = (folder() / f"{name}.yaml" for name in BUILT_IN)
    large = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in paths]
    for each in large:  # a check counts every one of them
        each["variants"] = dict(list(each.get("variants", {}).items())[:1])
    return (*small * 8, *large)


def mutant(random: Random) -> str:
    """The text of a spec with a few changes."""
    data = copy.deepcopy(random.choice(seeds()))
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 5))):
        _change(random, data)
    return str(yaml.safe_dump(data, sort_keys=False, default_flow_style=None))


def _change(random: Random, data: Any) -> None:  # noqa: ANN401
    """Change something, somewhere."""
    holders = list(_holders(data))
    holder = random.choice(holders)
    if not holder:
        return
    if isinstance(holder, dict):
        _change_key(random, holder)
    else:
        _change_item(random, holder)


def _holders(value: Any) -> Any:  # noqa: ANN401
    """Every mapping and list of the data."""
    if isinstance(value, dict | list):
        yield value
        for each in value.values() if isinstance(value, dict) else value:
            yield from _holders(each)


def _change_key(random: Random, holder: dict[str, Any]) -> None:
    key = random.choice(list(holder))
    match random.randrange(12):
        case 0:
            del holder[key]
        case 1:
            holder[random.choice(KEYS)] = _any(random)
        case 2:
            holder[key] = _any(random)
        case _:
            holder[key] = _near(random, holder[key])


def _change_item(random: Random, holder: list[Any]) -> None:
    index = random.randrange(len(holder))
    match random.randrange(6):
        case 0:
            del holder[index]
        case 1:
            holder.insert(index, copy.deepcopy(random.choice(holder)))
        case 2 if isinstance(holder[index], dict):
            holder.insert(index, copy.deepcopy(random.choice(LINES)))
        case 3:
            holder[index] = copy.deepcopy(random.choice(holder))
        case _:
            holder[index] = _near(random, holder[index])


def _near(random: Random, value: Any) -> Any:  # noqa: ANN401
    """Another value of the kind."""
    match value:
        case bool():
            return not value
        case int():
            own = (value + 1, value - 1, 2 * value, value // 2, 3 * value)
            return random.choice((*own, *own, *NUMBERS))
        case float():
            return random.choice((value / 2, value * 1.1, *SHARES))
        case str():
            return random.choice(WORDS)
        case _:
            return value


def _any(random: Random) -> Any:  # noqa: ANN401
    """A value of any kind."""
    several = [random.choice(NUMBERS), random.choice(NUMBERS)]
    kinds = (random.choice(NUMBERS), random.choice(SHARES), random.choice(WORDS))
    return random.choice((*kinds, *kinds, several, None, True, {}, [], "", several))
