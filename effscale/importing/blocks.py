"""Steps as the blocks that papers name: a pattern for each kind of block.

A pattern looks at the first lines of a row and says which block they are, if any, and
how many lines it takes. Lines of one block have their nodes in the block's own order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from effscale.arrays import whole_share
from effscale.importing.lines import Item
from effscale.spec import lines as blocks
from effscale.spec import resampling, steps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from effscale.importing.lines import Common
    from effscale.spec.line import Line

    Found: TypeAlias = tuple[Line, int] | None
    Pattern: TypeAlias = "Callable[[Ahead], Found]"


@dataclass(frozen=True)
class Conv:
    """What a pattern asks of a convolution: None is any."""

    kernel: int
    stride: int
    channels: int | None  #: None: those that come into the residual around it
    groups: int  #: of as many channels as `group_width` says, if it does: `SEVERAL`
    activation: str | None  #: None: the network's
    group_width: int | None = None
    dilation: int = 1

    def groups_of(self, c_in: int) -> int:
        return self.groups if self.group_width is None else c_in // self.group_width


SEVERAL = -1


@dataclass(frozen=True)
class Ahead:
    """Lines that follow, the channels that come into them, and the network's style."""

    row: Sequence[Line]
    c_in: int
    style: Common


def named(items: Sequence[Item], style: Common) -> list[Item]:
    """The items, those that are a block by its name as one item."""
    found: list[Item] = []
    index = 0
    while index < len(items):
        item, taken = _first(items[index:], style)
        found.append(item)
        index += taken
    return found


def _first(items: Sequence[Item], style: Common) -> tuple[Item, int]:
    row = [item.line for item in items[:LONGEST]]
    ahead = Ahead(row, items[0].c_in, style)
    for pattern in PATTERNS:
        if (made := pattern(ahead)) is not None:
            line, taken = made
            nodes = tuple(node for item in items[:taken] for node in item.nodes)
            return Item(line, nodes, items[0].c_in, items[taken - 1].c_out), taken
    return items[0], 1


_ONE, _TWO = (1, 1), (2, 2)
#: Lines that a block has at most.
LONGEST = 5


def _conv(line: Line) -> Conv | None:
    """A convolution of a block: square, padded as `same`, with a norm, no bias."""
    if not isinstance(line, steps.Conv | steps.Depthwise):
        return None
    kernel, stride = line.kernel, line.stride
    plain = line.norm and line.padding == "same"
    if not plain or kernel[0] != kernel[1] or stride[0] != stride[1]:
        return None
    if isinstance(line, steps.Depthwise):
        return Conv(
            kernel[0], stride[0], None, 0, line.activation, dilation=line.dilation
        )
    channels: Any = line.channels
    if line.bias or isinstance(channels, tuple) or line.expand_ratio is not None:
        return None
    width = None if line.group_width is None else int(line.group_width)
    groups = int(line.groups) if width is None else SEVERAL
    act, dilation = line.activation, line.dilation
    return Conv(kernel[0], stride[0], channels, groups, act, width, dilation)


def _ratio(lines: Sequence[Line]) -> tuple[list[Line], float]:
    """Lines but for a squeeze among them, and its ratio."""
    squeezes = [e.se_ratio for e in lines if isinstance(e, steps.SqueezeExcite)]
    rest = [e for e in lines if not isinstance(e, steps.SqueezeExcite)]
    return rest, squeezes[0] if len(squeezes) == 1 else 0.0


def _mbconv(ahead: Ahead) -> Found:
    """Expand, depthwise, squeeze, project; a residual where nothing changes."""
    row, c_in, style = ahead.row, ahead.c_in, ahead.style
    if isinstance(row[0], steps.Residual):
        if row[0].shortcut or row[0].scale != 1:
            return None
        line = _inverted(row[0].layers, c_in, style)
        fits = line is not None and line.stride == 1 and line.channels == c_in
        return (line, 1) if line is not None and fits else None
    for length in (4, 3, 2):
        line = _inverted(row[:length], c_in, style)
        if (
            line is not None
            and len(row) >= length
            and (line.stride > 1 or line.channels != c_in)
        ):
            return line, length
    return None


def _inverted(row: Sequence[Line], c_in: int, style: Common) -> blocks.MBConv | None:
    if isinstance(row[-1], steps.SqueezeExcite) or isinstance(
        row[0], steps.SqueezeExcite
    ):
        return None
    places = [k for k, e in enumerate(row) if isinstance(e, steps.SqueezeExcite)]
    if places and places != [len(row) - 2]:
        return None
    rest, se_ratio = _ratio(row)
    convs = [_conv(each) for each in rest]
    if None in convs or style.squeeze.at != "middle":
        return None
    match convs:
        case [Conv(groups=0) as depthwise, Conv(1, 1, c_out, 1, "none")]:
            c_mid, act = c_in, depthwise.activation
        case [
            Conv(1, 1, int() as c_mid, 1, act),
            Conv(groups=0, activation=other) as depthwise,
            Conv(1, 1, c_out, 1, "none"),
        ] if act == other:
            pass
        case _:
            return None
    if act == "none":
        return None
    ratio: dict[str, Any] = (
        {"expand_ratio": c_mid // c_in} if c_mid % c_in == 0 else {"c_mid": c_mid}
    )
    if len(convs) > 2 and c_mid == c_in:  # noqa: PLR2004 - an expansion by 1 that is there
        ratio = {"c_mid": c_mid}
    return blocks.MBConv(
        block="mbconv",
        kernel=depthwise.kernel,
        stride=depthwise.stride,
        channels=c_in if c_out is None else c_out,
        repeats=1,
        se_ratio=se_ratio,
        dilation=depthwise.dilation,
        activation=act,
        **ratio,
    )


def _fused(ahead: Ahead) -> Found:
    """k×k to more channels, squeeze, 1×1 back; or one k×k beside the identity."""
    row, c_in = ahead.row, ahead.c_in
    first_line: Any = row[0]
    alone = isinstance(first_line, steps.Residual)
    within = first_line.layers if alone else row
    if alone and (first_line.shortcut or first_line.scale != 1):
        return None
    if alone and len(within) == 1:
        one = _conv(within[0])
        if (
            one is None
            or one.groups != 1
            or one.activation == "none"
            or one.kernel == 1
        ):
            return None
        return _fused_line(one, c_in, {"expand_ratio": 1}, 0.0), 1
    for length in (len(within),) if alone else (3, 2):
        rest, se_ratio = _ratio(within[:length])
        if len(within) < length or len(rest) != 2:  # noqa: PLR2004
            continue
        middle = length < 3 or isinstance(within[1], steps.SqueezeExcite)  # noqa: PLR2004
        match [_conv(each) for each in rest]:
            case [
                Conv(groups=1, channels=int() as c_mid) as first,
                Conv(1, 1, c_out, 1, "none"),
            ] if middle and first.kernel > 1 and first.activation != "none":
                out = c_in if c_out is None else c_out
                keeps = first.stride == 1 and out == c_in
                if alone != keeps or c_mid % c_in or c_mid == c_in:
                    return None
                ratio = {"expand_ratio": c_mid // c_in}
                line = _fused_line(first, out, ratio, se_ratio)
                return line, 1 if alone else length
            case _:
                pass
    return None


def _fused_line(conv: Conv, c_out: int, ratio: dict[str, Any], se_ratio: float) -> Line:
    return blocks.MBConv(
        block="fused_mbconv",
        kernel=conv.kernel,
        stride=conv.stride,
        channels=c_out,
        repeats=1,
        se_ratio=se_ratio,
        dilation=conv.dilation,
        activation=conv.activation,
        **ratio,
    )


def _separable(ahead: Ahead) -> Found:
    row = ahead.row
    match [_conv(each) for each in row[:2]]:
        case [Conv(groups=0) as depthwise, Conv(1, 1, int() as c_out, 1, act)] if (
            act == depthwise.activation != "none" and depthwise.dilation == 1
        ):
            line = blocks.Separable(
                block="separable",
                kernel=depthwise.kernel,
                stride=depthwise.stride,
                channels=c_out,
                repeats=1,
                activation=act,
            )
            return line, 2
        case _:
            return None


def _shortcut(row: Sequence[Line]) -> tuple[Any, ...] | None:
    """A residual: its layers, its projection's kernel and stride, the act after it."""
    match row[:2]:
        case [
            steps.Residual(layers=layers, shortcut=(), scale=1),
            steps.Activate(activation=act),
        ]:
            return layers, 1, None, act
        case [
            steps.Residual(layers=layers, shortcut=(one,), scale=1),
            steps.Activate(activation=act),
        ] if (conv := _conv(one)) and conv.groups == 1 and conv.activation == "none":
            return layers, conv.kernel, conv.stride, act
        case _:
            return None


def _fits(stride: int, c_in: int, c_out: int, projected: int | None) -> bool:
    """Whether the shortcut is projected exactly where the block would."""
    needed = stride > 1 or c_in != c_out
    return projected == stride if needed else projected is None


def _basic(ahead: Ahead) -> Found:
    row, c_in = ahead.row, ahead.c_in
    if (found := _shortcut(row)) is None:
        return None
    layers, kernel, projected, act = found
    rest, se_ratio = _ratio(layers)
    if se_ratio and not isinstance(layers[-1], steps.SqueezeExcite):
        return None
    match [_conv(each) for each in rest]:
        case [
            Conv(groups=1, channels=int() as c_mid) as first,
            Conv(groups=1) as last,
        ] if (
            first.activation == act
            and (last.stride, last.activation) == (1, "none")
            and (first.kernel, first.dilation) == (last.kernel, last.dilation)
            and kernel == 1
        ):
            c_out = c_in if last.channels is None else last.channels
            if c_mid != c_out or not _fits(first.stride, c_in, c_out, projected):
                return None
            line = blocks.Basic(
                block="basic",
                kernel=first.kernel,
                stride=first.stride,
                channels=c_out,
                repeats=1,
                se_ratio=se_ratio,
                dilation=first.dilation,
                activation=act,
            )
            return line, 2
        case _:
            return None


def _bottleneck(ahead: Ahead) -> Found:
    row, c_in, style = ahead.row, ahead.c_in, ahead.style
    if (found := _shortcut(row)) is None:
        return None
    layers, kernel, projected, act = found
    rest, se_ratio = _ratio(layers)
    at = {"middle": 2, "output": 3}[style.squeeze.at]
    if se_ratio and not isinstance(layers[at], steps.SqueezeExcite):
        return None
    match [_conv(each) for each in rest]:
        case [
            Conv(1, 1, int() as c_first, 1) as first,
            Conv(channels=int() as c_mid) as middle,
            Conv(1, 1, _, 1, "none") as last,
        ] if first.activation == middle.activation == act:
            c_out = c_in if last.channels is None else last.channels
            groups, reduce = middle.groups_of(c_first), round(c_first / c_mid, 4)
            fits = groups and c_mid % groups == 0 and reduce <= 1
            if not fits or groups * whole_share(c_mid, reduce, groups) != c_first:
                return None
            if not _fits(middle.stride, c_in, c_out, projected):
                return None
        case [
            Conv(1, 1, int() as c_mid, 1) as first,
            Conv(groups=0) as middle,
            Conv(1, 1, _, 1, "none") as last,
        ] if first.activation == middle.activation == act:
            c_out, groups, reduce = (
                c_in if last.channels is None else last.channels,
                c_mid,
                1.0,
            )
            if not _fits(middle.stride, c_in, c_out, projected):
                return None
        case _:
            return None
    line = blocks.Bottleneck(
        block="bottleneck",
        kernel=middle.kernel,
        stride=middle.stride,
        c_mid=None if c_mid == c_out else c_mid,
        channels=c_out,
        group_width=None if groups == 1 else c_mid // groups,
        reduce_ratio=reduce,
        shortcut_kernel=kernel,
        repeats=1,
        se_ratio=se_ratio,
        dilation=middle.dilation,
        activation=act,
    )
    return line, 2


def _dense(ahead: Ahead) -> Found:
    row = ahead.row
    match row[0]:
        case steps.Branches(
            block="concat",
            branches=((), (steps.Normalise(), steps.Activate() as act, one, last)),
        ) if act.activation is None and isinstance(last, steps.Conv):
            first, channels, kernel = _conv(one), last.channels, last.kernel
            if first is None or not isinstance(channels, int) or not first.channels:
                return None
            bare = steps.Conv(
                kernel=kernel, channels=channels, norm=False, activation="none"
            )
            fits = (first.kernel, first.stride, first.groups) == (1, 1, 1)
            if (
                last != bare
                or not fits
                or first.activation
                or first.channels % channels
            ):
                return None
            line = blocks.Dense(
                block="dense",
                kernel=kernel[0],
                growth=channels,
                bottleneck_ratio=first.channels // channels,
                repeats=1,
            )
            return line, 1
        case _:
            return None


def _transition(ahead: Ahead) -> Found:
    row, c_in = ahead.row, ahead.c_in
    if len(row) < 4 or not isinstance(row[2], steps.Conv):  # noqa: PLR2004
        return None
    channels = row[2].channels
    if not isinstance(channels, int):
        return None
    expected = [
        steps.Normalise(block="norm"),
        steps.Activate(block="activation"),
        steps.Conv(kernel=_ONE, channels=channels, norm=False, activation="none"),
        resampling.Pool(block="avg_pool", kernel=_TWO, stride=_TWO, padding="valid"),
    ]
    ratio = round(channels / c_in, 4)
    if [*row[:4]] != expected or ratio > 1 or whole_share(c_in, ratio) != channels:
        return None
    return blocks.Transition(block="transition", compression=ratio), 4


#: In this order: what is more than another comes first.
PATTERNS: tuple[Pattern, ...] = (
    _mbconv,
    _fused,
    _separable,
    _basic,
    _bottleneck,
    _dense,
    _transition,
)
