"""MACs of lines in fractions, by the papers' arithmetic on what a file writes."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.drawn_lines import Data


def pair(value: Any) -> list[int]:  # noqa: ANN401 - one number or two
    """Rows and columns of what may be given as one number for both."""
    return value if isinstance(value, list) else [value, value]


#: Steps that are counted here beside blocks of stages.
STEPS = (
    *("conv", "depthwise", "max_pool", "avg_pool", "squeeze_excite", "concat", "sum"),
    *("residual", "norm", "activation"),
)
BLOCKS = (
    *("dense", "separable", "mbconv", "fused_mbconv", "basic", "bottleneck"),
    "transition",
)


def knows(line: Data) -> bool:
    """Whether a line, and all within it, is counted here."""
    inner = [
        *line.get("branches", ()),
        line.get("layers", ()),
        line.get("shortcut", ()),
    ]
    known = line.get("block", "conv") in (*STEPS, *BLOCKS)
    return known and all(knows(each) for chain in inner for each in chain)


class TooSmallError(Exception):
    """A map of which a window leaves nothing, not even a part of a pixel."""


@dataclass
class Paper:
    """A feature map of fractions that goes through lines, and the MACs on its way."""

    width: Fraction
    depth: Fraction
    channels: Fraction
    sides: list[Fraction]
    blocks: dict[str, list[Data]]
    macs: Fraction = Fraction(0)

    def at(self) -> Paper:
        """Another map like this one, which has cost nothing so far."""
        return Paper(
            self.width, self.depth, self.channels, list(self.sides), self.blocks
        )

    def conv(self, c_out: Fraction, line: Data, groups: Fraction) -> None:
        """A convolution, whatever comes after it."""
        self.window(line)
        weights = prod(pair(line["kernel"])) * self.channels / groups * c_out
        self.macs += weights * self.sides[0] * self.sides[1]
        self.channels = c_out

    def plain(self, c_out: Fraction, kernel: int = 1, stride: int = 1) -> None:
        """A convolution of one group."""
        self.conv(c_out, {"kernel": kernel, "stride": stride}, Fraction(1))

    def depthwise(self, kernel: int, stride: int) -> None:
        """One of each channel by itself."""
        line = {"kernel": kernel, "stride": stride}
        self.conv(self.channels, line, self.channels)

    def window(self, line: Data) -> None:
        """Sides after a window has gone over the map, without any rounding."""
        kernel, stride = pair(line["kernel"]), pair(line.get("stride", 1))
        reach = [line.get("dilation", 1) * (side - 1) + 1 for side in kernel]
        padding = line.get("padding", "same")
        around = pair(0 if isinstance(padding, str) else padding)
        less = [
            step - 1 if padding in ("same", "tensorflow") or each == 1 else each - 1
            for each, step in zip(reach, stride, strict=True)
        ]
        less = [gone - 2 * put for gone, put in zip(less, around, strict=True)]
        self.sides = [
            (side - gone - 1) / Fraction(step) + 1
            for side, gone, step in zip(self.sides, less, stride, strict=True)
        ]
        if min(self.sides) <= 0:
            raise TooSmallError

    def squeeze(self, of: Fraction, ratio: float) -> None:
        """Both 1×1 convolutions on what is pooled."""
        self.macs += 2 * self.channels * of * Fraction(str(ratio))

    def through(self, lines: Sequence[Data], unstated: Fraction | None = None) -> None:
        """Each line in turn; `unstated` are channels that convolutions do not state."""
        for line in lines:
            self.step(line, unstated)

    def step(self, line: Data, unstated: Fraction | None) -> None:
        """One step."""
        before = self.channels
        match line.get("block", "conv"):
            case "conv":
                share = Fraction(str(line.get("ratio", 1)))
                own = (before if unstated is None else unstated) * share
                if "channels" in line:
                    own = line["channels"] * self.width
                groups = Fraction(line.get("groups", 1))
                if "group_width" in line:  # which stays, however many they become
                    groups = before / line["group_width"]
                self.conv(own, line, groups)
            case "depthwise":
                self.conv(before, line, before)
            case "max_pool" | "avg_pool":
                self.window(line)
            case "squeeze_excite":
                self.squeeze(before, line["se_ratio"])
            case "concat" | "sum":
                ways = [self.at() for _ in line["branches"]]
                for way, steps in zip(ways, line["branches"], strict=True):
                    way.through(steps, unstated)
                self.macs += sum(way.macs for way in ways)
                self.sides = ways[0].sides
                if line["block"] == "sum":
                    ways = ways[:1]
                self.channels = sum((way.channels for way in ways), Fraction(0))
            case "residual":
                beside = self.at()
                beside.through(line.get("shortcut", []), unstated)
                self.through(line["layers"], unstated=before)
                self.macs += beside.macs
            case _:
                pass  # norm and activation

    def stage(self, line: Data) -> None:
        """A line of stages: as many blocks as fractions say, the first of them whole.

        Those of a stage that widens by each are wider by part of it after part of one.
        """
        if line["block"] == "transition":
            self.plain(self.channels * Fraction(str(line["compression"])))
            self.window({"kernel": 2, "stride": 2})
            return
        if "repeats" not in line:
            self.step(line, None)
            return
        repeats = line["repeats"] * self.depth
        for index in range(max(1, ceil(repeats))):
            there = Fraction(1) if index == 0 else min(Fraction(1), repeats - index)
            block = self.at()
            block.block(line, index)
            self.macs += block.macs * there
            self.channels += (block.channels - self.channels) * there
            self.sides = block.sides

    def block(self, line: Data, index: int) -> None:
        """Block number `index` of a stage."""
        c_in, kernel = self.channels, line.get("kernel", 3)
        stride = line["stride"] if index == 0 and "stride" in line else 1
        c_out = line.get("channels", 0) * self.width
        beside, ratio = self.at(), line.get("se_ratio", 0.0)
        match line["block"]:
            case "dense":
                growth = line["growth"] * self.width
                self.plain(growth * line["bottleneck_ratio"])
                self.plain(growth, kernel)
                self.channels += c_in
                return
            case "separable":
                self.depthwise(kernel, stride)
                self.plain(c_out)
                return
            case "mbconv" | "fused_mbconv" as name:
                self.expanded(line, index, stride)
                if ratio:
                    self.squeeze(c_in, ratio)
                if name == "mbconv" or line.get("expand_ratio") != 1:
                    self.plain(c_out)
                elif name == "fused_mbconv":
                    self.plain(c_out, kernel, stride)
                return
            case "basic":
                self.plain(c_out, kernel, stride)
                self.plain(c_out, kernel)
                if ratio:
                    self.squeeze(c_in, ratio)
            case _:
                inside = line["c_mid"] * self.width
                groups = Fraction(1)
                if "group_width" in line:
                    groups = Fraction(line["c_mid"], line["group_width"])
                self.plain(inside * Fraction(str(line["reduce_ratio"])))
                self.conv(inside, {"kernel": kernel, "stride": stride}, groups)
                if ratio:
                    self.squeeze(c_in, ratio)
                self.plain(c_out)
        if stride > 1 or c_in != c_out:
            beside.plain(c_out, line.get("shortcut_kernel", 1), stride)
            self.macs += beside.macs

    def expanded(self, line: Data, index: int, stride: int) -> None:
        """What a mobile block has before it projects."""
        c_in, ratio = self.channels, line.get("expand_ratio")
        kernel = line["kernel"]
        if ratio is None:
            listed = line["c_mid"]
            own = listed if isinstance(listed, list) else [listed]
            c_mid = own[min(index, len(own) - 1)] * self.width
        else:
            c_mid = c_in * ratio
        if line["block"] == "fused_mbconv":
            if ratio != 1:
                self.plain(c_mid, kernel, stride)
            return
        if ratio != 1:
            self.plain(c_mid)
        self.depthwise(kernel, stride)
