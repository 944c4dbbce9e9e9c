"""Configuration files of pycls as specs: EfficientNets, AnyNets, RegNets and ResNets.

What a key means is pycls' own (pycls/core/config.py, pycls/models/); the widths of a
RegNet are those of Radosavovic et al. 2020, arXiv:2003.13678, equations 2 to 4.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from effscale.errors import (
    SpecError,
    TranslationError,
    did_you_mean,
    refusal,
    short,
)
from effscale.spec.loading import loads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from effscale.spec.models import Spec

#: What pycls takes for a key that a file does not state.
_DEFAULTS: dict[str, Any] = {
    "MODEL.NUM_CLASSES": 10,
    "MODEL.ACTIVATION_FUN": "",
    "TRAIN.IM_SIZE": 224,
    "BN.EPS": 1e-5,
    "BN.MOM": 0.1,
    "ANYNET.STEM_TYPE": "simple_stem_in",
    "ANYNET.STEM_W": 32,
    "ANYNET.BLOCK_TYPE": "res_bottleneck_block",
    "ANYNET.SE_ON": False,
    "ANYNET.HEAD_W": 0,
    "ANYNET.SE_R": 0.25,
    "REGNET.STEM_TYPE": "simple_stem_in",
    "REGNET.STEM_W": 32,
    "REGNET.BLOCK_TYPE": "res_bottleneck_block",
    "REGNET.STRIDE": 2,
    "REGNET.SE_ON": False,
    "REGNET.HEAD_W": 0,
    "REGNET.SE_R": 0.25,
    "REGNET.DEPTH": 10,
    "REGNET.W0": 32,
    "REGNET.WA": 5.0,
    "REGNET.WM": 2.5,
    "REGNET.GROUP_W": 16,
    "REGNET.BOT_MUL": 1.0,
    "RESNET.TRANS_FUN": "basic_transform",
    "RESNET.NUM_GROUPS": 1,
    "RESNET.WIDTH_PER_GROUP": 64,
    "RESNET.STRIDE_1X1": True,
    "EN.STEM_W": 32,
    "EN.SE_R": 0.25,
    "EN.HEAD_W": 1280,
    "EN.DC_RATIO": 0.0,
    "EN.DROPOUT_RATIO": 0.0,
}
#: Keys that are read, by section: those with a default, and those without.
_KEYS: dict[str, list[str]] = {
    section: [
        *(key.partition(".")[2] for key in _DEFAULTS if key.startswith(f"{section}.")),
        *more,
    ]
    for section, more in {
        "MODEL": ("TYPE", "DEPTH"),
        "TRAIN": (),
        "BN": (),
        "ANYNET": ("STRIDES", "DEPTHS", "WIDTHS", "BOT_MULS", "GROUP_WS"),
        "REGNET": (),
        "RESNET": (),
        "EN": ("STRIDES", "DEPTHS", "WIDTHS", "EXP_RATIOS", "KERNELS"),
    }.items()
}
#: Blocks of each stage of a ResNet on ImageNet, by its depth (pycls/models/resnet.py).
_RESNETS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
#: Stems: kernel and stride of the convolution, and whether a pool follows.
_STEMS = {
    "res_stem_cifar": (3, 1, False),
    "res_stem_in": (7, 2, True),
    "simple_stem_in": (3, 2, False),
}
_BLOCKS = {"res_bottleneck_block", "res_basic_block", "vanilla_block"}


class Keys:
    """The keys of a file, `MODEL.TYPE`, with pycls' own defaults."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401 - of any kind
        section, _, name = key.partition(".")
        within = self.data.get(section)
        stated = within.get(name) if isinstance(within, dict) else None
        found = _DEFAULTS.get(key) if stated is None else stated
        if found is None:
            raise TranslationError(f"{key}: expected a value, found none")
        return found

    def number(self, key: str, least: float) -> Any:  # noqa: ANN401 - whole or not
        """A number, whole where its default is, and no less than the least."""
        found = self[key]
        kinds = (int, float) if isinstance(_DEFAULTS.get(key), float) else (int,)
        if type(found) not in kinds or not least <= found < math.inf:
            kind = "number" if float in kinds else "whole number"
            expected = f"expected a {kind} of at least {least:g}"
            raise TranslationError(f"{key}: {expected}, got {short(found)}")
        return found

    def numbers(self, key: str, count: int | None = None) -> list[Any]:
        """A list of numbers, as many as there are stages."""
        found = self[key]
        fits = isinstance(found, list) and all(
            isinstance(e, int | float) for e in found
        )
        if not fits or (count is not None and len(found) != count) or not found:
            many = (
                "numbers" if count is None else f"{count} numbers, one for each stage"
            )
            raise TranslationError(f"{key}: expected {many}, got {found!r}")
        return list(found)


def is_pycls(path: str) -> bool:
    """Whether a file is a configuration of pycls, by what it begins with."""
    try:
        data = yaml.safe_load(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError):
        return False
    return isinstance(data, dict) and isinstance(data.get("MODEL"), dict)


def imported(path: str, name: str) -> Spec:
    """The network of a configuration of pycls.

    Raises:
        TranslationError: with the key that has no meaning in a spec.
    """
    try:
        data = yaml.safe_load(Path(path).read_text("utf-8"))
    except OSError as error:
        raise TranslationError(f"{path}: {refusal(error)}") from None
    try:
        _refuse_misspelt(data)
        made = _spec(Keys(data), name)
        return loads(yaml.safe_dump(made, sort_keys=False))
    except TranslationError as error:
        raise TranslationError(f"{path}: {error}") from None
    except SpecError as error:
        first = str(error).splitlines()[0]
        said = re.sub(r"^<text>:\d+:\d+: ", "", first)  # no line of the file itself
        raise TranslationError(f"{path}: {said}") from None


def _refuse_misspelt(data: Mapping[str, Any]) -> None:
    """Refuse a section, or a key of one that is read, that is close to another.

    Others say what is no part of a network, such as OPTIM.
    """
    for section, within in data.items():
        if section not in _KEYS:
            if hint := did_you_mean(section, [e for e in _KEYS if e not in data]):
                raise TranslationError(f"{section}: unknown section{hint}")
            continue
        for key in within if isinstance(within, dict) else ():
            left = [each for each in _KEYS[section] if each not in within]
            if key not in _KEYS[section] and (hint := did_you_mean(key, left)):
                raise TranslationError(f"{section}.{key}: unknown key{hint}")


def _spec(keys: Keys, name: str) -> dict[str, Any]:
    kind = keys["MODEL.TYPE"]
    if not isinstance(kind, str) or kind not in _KINDS:
        expected = f"expected one of {', '.join(_KINDS)}"
        raise TranslationError(f"MODEL.TYPE: {expected}, got {kind!r}")
    return {
        "name": name,
        "source": "pycls",
        "resolution": keys["TRAIN.IM_SIZE"],
        "activation": _activation(keys, "silu" if kind == "effnet" else "relu"),
        "norm": {"eps": _real(keys, "BN.EPS"), "momentum": _real(keys, "BN.MOM")},
        **_KINDS[kind](keys),
        "rounding": "pycls",
    }


def _real(keys: Keys, key: str) -> float:
    """A number, which YAML takes for text where it is written 1e-3."""
    try:
        return float(keys[key])
    except (TypeError, ValueError):
        message = f"{key}: expected a number, got {short(keys[key])}"
        raise TranslationError(message) from None


def _activation(keys: Keys, default: str) -> str:
    """That of the file; one of before the key has what its networks had then."""
    found = keys["MODEL.ACTIVATION_FUN"] or default
    named = _ACTIVATIONS.get(found) if isinstance(found, str) else None
    if named is None:
        expected = f"expected one of {', '.join(_ACTIVATIONS)}"
        raise TranslationError(f"MODEL.ACTIVATION_FUN: {expected}, got {short(found)}")
    return named


#: Ours for pycls' (pycls/models/blocks.py).
_ACTIVATIONS = {"relu": "relu", "silu": "silu", "swish": "silu", "gelu": "gelu"}


def _effnet(keys: Keys) -> dict[str, Any]:
    depths = keys.numbers("EN.DEPTHS")
    names = ("WIDTHS", "STRIDES", "EXP_RATIOS", "KERNELS")
    lists = [keys.numbers(f"EN.{each}", len(depths)) for each in names]
    stages = [
        {
            "block": "mbconv",
            "kernel": kernel,
            "stride": stride,
            "expand_ratio": expand,
            "channels": width,
            "repeats": depth,
            "se_ratio": keys["EN.SE_R"],
        }
        for depth, width, stride, expand, kernel in zip(depths, *lists, strict=True)
    ]
    return {
        "stochastic_depth": keys["EN.DC_RATIO"],
        "stem": {"kernel": 3, "stride": 2, "channels": keys["EN.STEM_W"]},
        "stages": stages,
        "head": {
            "channels": keys["EN.HEAD_W"],
            "classes": keys["MODEL.NUM_CLASSES"],
            "dropout": keys["EN.DROPOUT_RATIO"],
        },
    }


def _anynet(keys: Keys) -> dict[str, Any]:
    depths = keys.numbers("ANYNET.DEPTHS")
    count, block = len(depths), keys["ANYNET.BLOCK_TYPE"]
    widths, strides = (
        keys.numbers(f"ANYNET.{e}", count) for e in ("WIDTHS", "STRIDES")
    )
    ratios, groups = [1.0] * count, [0] * count
    if block == "res_bottleneck_block":
        ratios = keys.numbers("ANYNET.BOT_MULS", count)
        groups = keys.numbers("ANYNET.GROUP_WS", count)
        widths, groups = _whole_groups(widths, ratios, groups)
    se_ratio = keys["ANYNET.SE_R"] if keys["ANYNET.SE_ON"] else 0.0
    stages = [
        _stage(block, *each, se_ratio)
        for each in zip(depths, widths, strides, ratios, groups, strict=True)
    ]
    _refuse_head(keys, "ANYNET.HEAD_W")
    return _residual(keys, keys["ANYNET.STEM_TYPE"], keys["ANYNET.STEM_W"], stages)


def _regnet(keys: Keys) -> dict[str, Any]:
    least = {"WA": 0.0, "W0": _EIGHT, "WM": 1.001}
    slope, first, step = (float(keys.number(f"REGNET.{e}", least[e])) for e in least)
    widths: Counter[int] = Counter()
    for index in range(keys.number("REGNET.DEPTH", 1)):
        power = round(math.log((first + slope * index) / first) / math.log(step))
        widths[_EIGHT * round(first * step**power / _EIGHT)] += 1
    ratio = keys.number("REGNET.BOT_MUL", 0.01)
    group = keys.number("REGNET.GROUP_W", 1)
    several = len(widths)
    fitting, groups = _whole_groups([*widths], [ratio] * several, [group] * several)
    se_ratio = keys["REGNET.SE_R"] if keys["REGNET.SE_ON"] else 0.0
    block, stride = keys["REGNET.BLOCK_TYPE"], keys["REGNET.STRIDE"]
    stages = [
        _stage(block, depth, width, stride, ratio, each, se_ratio)
        for depth, width, each in zip(widths.values(), fitting, groups, strict=True)
    ]
    _refuse_head(keys, "REGNET.HEAD_W")
    return _residual(keys, keys["REGNET.STEM_TYPE"], keys["REGNET.STEM_W"], stages)


def _refuse_head(keys: Keys, key: str) -> None:
    if found := keys[key]:
        message = f"{key}: expected 0, a head without convolution, got {short(found)}"
        raise TranslationError(message)


#: Widths of a RegNet are a multiple of it.
_EIGHT = 8


def _resnet(keys: Keys) -> dict[str, Any]:
    depth, groups = keys["MODEL.DEPTH"], keys.number("RESNET.NUM_GROUPS", 1)
    inner = groups * keys.number("RESNET.WIDTH_PER_GROUP", 1)
    if keys.number("TRAIN.IM_SIZE", 1) < _IMAGENET:
        repeats = (keys.number("MODEL.DEPTH", _LEAST) - 2) // 6
        stages = [
            _stage("res_basic_block", repeats, width, stride, 1.0, 0, 0.0)
            for width, stride in ((16, 1), (32, 2), (64, 2))
        ]
        return _residual(keys, "res_stem_cifar", 16, stages)
    if depth not in _RESNETS or keys["RESNET.TRANS_FUN"] != "bottleneck_transform":
        expected = f"expected a bottleneck_transform of {', '.join(map(str, _RESNETS))}"
        raise TranslationError(f"MODEL.DEPTH: {expected}, got {depth}")
    if keys["RESNET.STRIDE_1X1"]:
        message = "expected False: a bottleneck strides by its 3×3 convolution"
        raise TranslationError(f"RESNET.STRIDE_1X1: {message}, got True")
    stages = []
    for index, repeats in enumerate(_RESNETS[depth]):
        width, c_mid = 256 * 2**index, inner * 2**index
        stride, group = (2 if index else 1), c_mid // groups
        stages.append(
            _stage(
                "res_bottleneck_block",
                repeats,
                width,
                stride,
                c_mid / width,
                group,
                0.0,
            )
        )
    return _residual(keys, "res_stem_in", 64, stages)


#: Layers of the smallest ResNet of CIFAR.
_LEAST = 8
#: Sides below are those of CIFAR.
_IMAGENET = 64

_KINDS = {"effnet": _effnet, "anynet": _anynet, "regnet": _regnet, "resnet": _resnet}


def _whole_groups(
    widths: Sequence[int], ratios: Sequence[float], groups: Sequence[int]
) -> tuple[list[int], list[int]]:
    """Widths whose inner channels are whole groups, and groups no wider than these.

    Source: `adjust_block_compatibility`, pycls/models/blocks.py.
    """
    fitting, narrow = [], []
    for width, ratio, group in zip(widths, ratios, groups, strict=True):
        inside = max(1, int(width * ratio))
        least = min(group, inside)
        whole = math.lcm(least, int(ratio)) if ratio > 1 else least
        inside = max(whole, round(inside / whole) * whole)
        fitting.append(int(inside / ratio))
        narrow.append(least)
    return fitting, narrow


def _stage(  # noqa: PLR0913, PLR0917 - what pycls says of a stage
    block: str,
    depth: int,
    width: int,
    stride: int,
    ratio: float,
    group: int,
    se_ratio: float,
) -> dict[str, Any]:
    line = {"stride": stride, "channels": width, "repeats": depth}
    if block == "res_basic_block":
        return {"block": "basic", "kernel": 3, **line}
    if block == "vanilla_block":
        return {"block": "vanilla", "stride": stride, **line}
    if block != "res_bottleneck_block":
        expected = f"expected one of {', '.join(sorted(_BLOCKS))}"
        raise TranslationError(f"BLOCK_TYPE: {expected}, got {block!r}")
    inside = int(width * ratio)
    own: dict[str, Any] = {} if inside == width else {"c_mid": inside}
    own |= {} if group == inside else {"group_width": group}
    own |= {"se_ratio": se_ratio} if se_ratio else {}
    return {"block": "bottleneck", **line, **own}


def _residual(
    keys: Keys, stem: str, width: int, stages: list[dict[str, Any]]
) -> dict[str, Any]:
    if stem not in _STEMS:
        expected = f"expected one of {', '.join(_STEMS)}"
        raise TranslationError(f"STEM_TYPE: {expected}, got {stem!r}")
    kernel, stride, pooled = _STEMS[stem]
    lines: list[dict[str, Any]] = [
        {"kernel": kernel, "stride": stride, "channels": width}
    ]
    if pooled:
        lines.append({"block": "max_pool", "kernel": 3, "stride": 2})
    blocks: dict[str, Any] = {}
    unrolled: list[dict[str, Any]] = []
    for line in stages:
        if line["block"] != "vanilla":
            unrolled.append(line)
            continue
        blocks |= _vanilla()
        rest = line["repeats"] - 1
        name = "vanilla" if line["stride"] == 1 else "vanilla_down"
        if name == "vanilla":
            rest += 1
        else:
            unrolled.append({"block": name, "channels": line["channels"]})
        if rest:
            again = {"channels": line["channels"], "repeats": rest}
            unrolled.append({"block": "vanilla", **again})
    used = {each["block"] for each in unrolled}
    return {
        "blocks": {name: each for name, each in blocks.items() if name in used},
        "stem": lines,
        "stages": unrolled,
        "head": {"classes": keys["MODEL.NUM_CLASSES"]},
    }


def _vanilla() -> dict[str, Any]:
    """Two 3×3 convolutions, and the same with a stride of 2."""
    return {
        "vanilla": [{"kernel": 3}, {"kernel": 3}],
        "vanilla_down": [{"kernel": 3, "stride": 2}, {"kernel": 3}],
    }
