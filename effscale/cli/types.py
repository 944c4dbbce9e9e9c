"""Option values: text to data, or click's own usage error."""

from __future__ import annotations

import math
import os
import re
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from effscale.choices import MAX_NUMBER, MAX_PHI, PICTURES, SPECS
from effscale.errors import StudyError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from effscale.module.inputs import Asked

MAX_VALUES = 1000
MAX_DIGITS = 9


class Parsed(click.ParamType[Any]):
    """A type whose parser raises ValueError with what was expected.

    Or StudyError, with all that there is to say.
    """

    def __init__(
        self,
        name: str,
        parse: Callable[[str], Any],
        words: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self.name, self.parse, self.words = name, parse, words

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """The name as it is: `cpu|cuda[:N]` is typed in these letters."""
        del param, ctx
        return self.name

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The words that fit behind the last comma."""
        del ctx, param
        before, comma, last = incomplete.rpartition(",")
        fitting = (word for word in self.words() if word.startswith(last))
        return [CompletionItem(f"{before}{comma}{word}") for word in fitting]

    def convert(
        self,
        value: Any,  # noqa: ANN401 - text, or a value already
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:  # noqa: ANN401
        if not isinstance(value, str):
            return value
        try:
            return self.parse(value)
        except (ValueError, InvalidOperation) as error:
            expected = str(error) if isinstance(error, ValueError) else "a number"
            self.fail(f"expected {expected}, got {value!r}", param, ctx)
        except StudyError as error:
            self.fail(str(error), param, ctx)


def phis(text: str) -> list[float]:
    """`4`, `0,1,2`, `0..7` or `0..7:0.5`: exact steps, both ends included."""
    values = [phi for piece in text.split(",") for phi in _range(piece.strip())]
    return [
        int(phi) if phi == phi.to_integral_value() else float(phi) for phi in values
    ]


def _range(text: str) -> list[Decimal]:
    first, dots, rest = text.partition("..")
    if not dots:
        return [_phi(first)]
    last, _, step = rest.partition(":")
    low, high, by = _phi(first), _phi(last), Decimal(step or 1)
    if not by.is_finite() or by <= 0:
        raise ValueError("a step above 0")
    if high < low:
        raise ValueError("a range that rises, such as 0..7")
    if (high - low) / by >= MAX_VALUES:
        raise ValueError(f"at most {MAX_VALUES} values")
    return [low + k * by for k in range(int((high - low) / by) + 1)]


def _phi(text: str) -> Decimal:
    phi = Decimal(text)
    if not (phi.is_finite() and abs(phi) <= MAX_PHI):
        raise ValueError(f"numbers from -{MAX_PHI:g} to {MAX_PHI:g}")
    return phi


def resolution(text: str) -> tuple[int, int]:
    """`224` or `480x640`: (height, width) in pixels."""
    match = re.fullmatch(r"([1-9]\d{0,4})(?:[xX×]([1-9]\d{0,4}))?", text.strip())
    if match is None:
        raise ValueError("N or HxW in whole pixels, such as 224 or 480x640")
    return int(match[1]), int(match[2] or match[1])


def strategies(text: str) -> list[str]:
    """`compound,depth`, `fast:0.5`, `d1_w8_r1`, or `all` that a paper compares."""
    from effscale.errors import ScaleError
    from effscale.growth.multipliers import BY_LAW, STRATEGIES, shares

    names = text.split(",")
    for name in names:
        try:
            _ = text == "all" or name in BY_LAW or shares(name)
        except ScaleError as error:
            message = str(error).removeprefix("strategy: expected ")
            listed = message.partition(", got ")[0]
            more = ", ".join(each for each in BY_LAW if each not in STRATEGIES)
            raise ValueError(f"all, or {listed}; of detectors also {more}") from None
    return list(dict.fromkeys(names))


def target_ratio(text: str) -> float:
    """A multiple of the baseline's cost: a number from 1 up."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 1 <= value <= MAX_NUMBER:
        raise ValueError(f"a number from 1 to {MAX_NUMBER}")
    return value


def share(text: str) -> float:
    """`5%`, or 0.05, as a share."""
    number, per_cent, rest = text.partition("%")
    try:
        found = float(number) / (100 if per_cent else 1)
    except ValueError:
        found = math.nan
    if rest or not 0 <= found <= MAX_NUMBER:
        raise ValueError(f"a share such as 5% or 0.05, at most {MAX_NUMBER}")
    return found


def duration(text: str) -> float:
    """`90`, `90s`, `10m` or `2h` in seconds."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)\s*([smh]?)", text.strip())
    seconds = float(match[1]) * {"m": 60, "h": 3600}.get(match[2], 1) if match else 0
    if seconds <= 0:
        raise ValueError("a duration such as 90s, 10m or 2h")
    return seconds


def interval(text: str) -> tuple[Decimal, Decimal]:
    """`1:1.42`, or `1` for that one value."""
    first, colon, last = text.partition(":")
    low, high = _positive(first), _positive(last if colon else first)
    if high < low:
        raise ValueError("a range that rises, such as 1:1.42")
    return low, high


def steps(text: str) -> tuple[Decimal, Decimal, Decimal]:
    """`0.05` for all coefficients, or one for each: `0.1,0.05,0.05`."""
    values = [_positive(each) for each in text.split(",")]
    if len(values) not in {1, 3}:
        raise ValueError("one step, or one for each of alpha, beta, gamma")
    alpha, beta, gamma = values * 3 if len(values) == 1 else values
    return alpha, beta, gamma


def _positive(text: str, limit: int = MAX_NUMBER) -> Decimal:
    value = Decimal(text.strip())
    if not (value.is_finite() and 0 < value < limit):
        raise ValueError(f"numbers above 0 and below {limit}")
    if int(value.as_tuple().exponent) < -MAX_DIGITS:
        raise ValueError(f"at most {MAX_DIGITS} decimals")
    return value


def sweep(text: str) -> tuple[str, float, float]:
    """`resolution=200..320`: a dimension, and where from and to."""
    dimension, _, ends = text.partition("=")
    low, _, high = ends.partition("..")
    if dimension not in {"depth", "width", "resolution"} or not high:
        raise ValueError("depth, width or resolution as resolution=200..320")
    first, last = _positive(low, 2**16), _positive(high, 2**16)
    if last < first:
        raise ValueError("a range that rises, such as resolution=200..320")
    return dimension, float(first), float(last)


def augment(text: str) -> str:
    from effscale.train.recipe import strength

    strength(text)
    return text


def normalize(text: str) -> str:
    from effscale.train.recipe import normalisation

    normalisation(text)
    return text


def device(text: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,3})?", text):
        raise ValueError("auto, cpu, cuda or cuda:N")
    return text


class Range(click.FloatRange):
    """A number of a range: `nan` is in none."""

    def convert(
        self,
        value: Any,  # noqa: ANN401 - text, or a number already
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"expected a number, got {value!r}", param, ctx)
        return number


class Whole(click.IntRange):
    """A whole number of a range, which help calls N."""

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        del param, ctx
        return "N"


class Target(click.Path):
    """A file to write: in a folder that is there."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)

    def convert(
        self,
        value: Any,  # noqa: ANN401
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:  # noqa: ANN401
        if not os.fspath(value):
            self.fail("expected a file, got ''", param, ctx)
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if not path.parent.is_dir():
            self.fail(
                f"expected a folder, found none at {str(path.parent)!r}", param, ctx
            )
        if wrong := self.wrong(path):
            self.fail(wrong, param, ctx)
        return path

    def wrong(self, path: Path) -> str:
        """What is wrong with a file of that name, if something is."""
        del path
        return ""


class AnswerFile(Target):
    """A file for the answer of a command that has no spec to write."""

    def wrong(self, path: Path) -> str:
        """That it would be a spec, by its suffix."""
        of_spec = path.suffix in SPECS
        return f"there is no spec to write to {str(path)!r}" if of_spec else ""


class Picture(Target):
    """A picture to draw, of a format that its suffix says."""

    def wrong(self, path: Path) -> str:
        """That its suffix says no format that can be drawn."""
        if path.suffix.removeprefix(".").lower() in PICTURES:
            return ""
        expected = f"a name that ends in {' or '.join(f'.{p}' for p in PICTURES)}"
        return f"expected {expected}, got {str(path)!r}"


class SpecReference(click.ParamType[str]):
    """A spec: a file, `-`, or a built-in name; completed from both."""

    name = "spec"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Built-in names that fit, then whatever files do; variants behind an `@`."""
        del ctx, param
        from effscale.spec.names import names

        base, at, variant = incomplete.rpartition("@")
        if at:
            fitting = (each for each in _variants(base) if each.startswith(variant))
            return [CompletionItem(f"{base}@{each}") for each in fitting]
        found = [CompletionItem(n) for n in names() if n.startswith(incomplete)]
        return [*found, CompletionItem(incomplete, type="file")]


def _variants(base: str) -> list[str]:
    """The variants of a spec; none of one that cannot be read."""
    from effscale.errors import EffscaleError
    from effscale.spec.builtin import find

    if base == "-":
        return []
    try:
        spec, variant = find(base)
    except EffscaleError:
        return []
    return [] if variant else list(spec.variants)


class Family(click.ParamType[str]):
    """A family of built-in networks."""

    name = "family"

    def convert(
        self,
        value: Any,  # noqa: ANN401
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str:
        from effscale.spec.names import families

        if value not in families():
            hint = did_you_mean(value, list(families()))
            expected = "expected a family of those that effscale specs lists"
            self.fail(f"{expected}, got {value!r}{hint}", param, ctx)
        return str(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Those that fit."""
        del ctx, param
        from effscale.spec.names import families

        return [CompletionItem(n) for n in families() if n.startswith(incomplete)]


FAMILY = Family()


class SpecOrFamily(SpecReference):
    """A spec, or a family of those that are built in; completed from all of them."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Families that fit, then what any spec is completed from."""
        specs = super().shell_complete(ctx, param, incomplete)
        known = {item.value for item in specs}
        families = FAMILY.shell_complete(ctx, param, incomplete)
        return [*(item for item in families if item.value not in known), *specs]


def codes(text: str) -> list[str]:
    """`EFF2,EFF301`: codes of rules, or how they begin."""
    from effscale.checking.catalogue import UnknownRuleError, matching

    found = [each.strip() for each in text.split(",")]
    try:
        for each in found:
            matching(each)
    except UnknownRuleError:
        raise ValueError("codes of rules such as EFF2,EFF301") from None
    return found


def _codes() -> Iterable[str]:
    from effscale.checking.catalogue import RULES

    return RULES


def _strategies() -> Iterable[str]:
    from effscale.growth.multipliers import BY_LAW, STRATEGIES

    return dict.fromkeys(["all", *STRATEGIES, *BY_LAW])


AUGMENT = Parsed("none|plain|rand[:N]", augment)
NORMALIZE = Parsed("half|imagenet|MEAN/STD", normalize)
CODES = Parsed("CODE[,CODE…]", codes, _codes)
PHIS = Parsed("PHI", phis)
SWEEP = Parsed("DIMENSION=LOW..HIGH", sweep)
TARGET_RATIO = Parsed("N", target_ratio)
DEVICE = Parsed("auto|cpu|cuda[:N]", device)
DURATION = Parsed("TIME", duration)
INTERVAL = Parsed("LOW:HIGH", interval)
STEPS = Parsed("STEP", steps)
RESOLUTION = Parsed("N|HxW", resolution)
STRATEGIES_LIST = Parsed("NAMES", strategies, _strategies)


# What a module of other code is made with, and what goes into it.

#: What an --input may hold.
TYPES = (
    *("float64", "float32", "bfloat16", "float16"),
    *("int64", "int32", "int16", "int8", "uint8", "bool"),
    *("complex128", "complex64"),
)
MAX_DIMENSIONS, MAX_SIDE = 8, 2**24


def tensor(text: str) -> tuple[tuple[int, ...], str | None]:
    """`1x3x224x224`, or `1x77:int64`: the sides of a tensor, and its type."""
    sides, colon, dtype = text.strip().partition(":")
    numbers = sides.lower().replace("×", "x").split("x")
    decimal = all(each.isascii() and each.isdecimal() for each in numbers)
    known = dtype in TYPES if colon else True
    fits = decimal and all(
        len(each) < len(str(MAX_SIDE)) and int(each) > 0 for each in numbers
    )
    if not (fits and known and len(numbers) <= MAX_DIMENSIONS):
        raise ValueError(f"sides such as 1x3x224x224, and a type: {', '.join(TYPES)}")
    return tuple(map(int, numbers)), dtype or None


def entering(text: str) -> Asked:
    """`1x3x64x64`, `image=1x3x64x64`, or `1x8,1x4`, a list; of one, `1x8,`."""
    name, equals, rest = text.partition("=")
    if equals and not name.strip().isidentifier():
        raise ValueError("NAME=SIDES such as image=1x3x64x64")
    each = (rest if equals else text).split(",")
    listed = len(each) > 1
    found = [tensor(one) for one in each if one.strip() or not listed]
    if not found:
        tensor("")
    return name.strip() if equals else "", found, listed


def argument(text: str) -> tuple[str, str]:
    """`num_classes=10`: a keyword, and a Python literal or text."""
    name, equals, value = text.partition("=")
    if not (equals and name.isidentifier()):
        raise ValueError("KEY=VALUE such as num_classes=10")
    return name, value


def taking(text: str) -> dict[str, str]:
    """`depth=depth_mult,width=width_mult`: which keyword takes which multiplier."""
    pairs = [each.partition("=")[::2] for each in text.split(",")]
    found = {dimension.strip(): keyword.strip() for dimension, keyword in pairs}
    known = found.keys() <= {"depth", "width", "resolution"}
    if not (
        known
        and len({*found.values()}) == len(pairs)  # each is given once
        and all(map(str.isidentifier, found.values()))
    ):
        raise ValueError(
            "DIMENSION=KEYWORD of depth, width, resolution, a keyword for each, such "
            "as width=w"
        )
    return found
