"""A tree of nodes as lines of a spec: each convolution with its norm and activation.

Each line keeps the nodes that it is made of, in the order that a built network has
them; so weights find their way whatever line its nodes end up in.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from effscale.arrays import odd_log, whole_share
from effscale.importing.nodes import Enlarge, Node, Times, cannot
from effscale.importing.squeezes import (
    GATES,
    before,
    gated,
    gates,
    squeeze_ratio,
    squeezing,
)
from effscale.importing.tree import Fork, nodes_of
from effscale.network.operators.attention import (
    Attention,
    ClassToken,
    DropTokens,
    FirstToken,
    Positions,
)
from effscale.network.operators.channels import PadChannels, Shuffle, Slice
from effscale.network.operators.convolution import ChannelConv, Conv, TransposedConv
from effscale.network.operators.elementwise import Act, Dropout
from effscale.network.operators.norm import (
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LayerScale,
)
from effscale.network.operators.pooling import Blur, ChannelPool, GlobalPool, Pool
from effscale.network.operators.resampling import PixelShuffle, PixelUnshuffle
from effscale.spec import elements, resampling, steps, tokens
from effscale.spec.models import Squeeze
from effscale.spec.norm import Norm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.importing.tree import Chain
    from effscale.network.operators.operator import Operator
    from effscale.spec.line import Line
    from effscale.spec.values import Activation, Padding, SamePadding


@dataclass(frozen=True)
class Item:
    """A line, what it is made of, and the channels around it."""

    line: Line
    nodes: tuple[Node, ...]
    c_in: int
    c_out: int

    def over(self, line: Line) -> Item:
        return replace(self, line=line)


@dataclass(frozen=True)
class Common:
    """What most of a network's lines share, so that a file says it once."""

    activation: Activation
    norm: Norm
    squeeze: Squeeze
    #: Where `same` padding lies.
    padding: SamePadding = "centred"
    #: Whether attention has as many heads everywhere, and not heads as wide.
    by_heads: bool = False


def common(chain: Chain) -> Common:
    """The activation and the norm that are met most, and how it squeezes."""
    acts: Counter[Any] = Counter()
    norms: Counter[Norm] = Counter()
    padding: SamePadding = "centred"
    for node in nodes_of(chain):
        if getattr(node.what, "padding", "") == "tensorflow":
            padding = "tensorflow"
        match node.what:
            case Act(kind=kind) if kind not in GATES:
                acts[kind] += 1
            case BatchNorm() | LayerNorm() | GroupNorm() | InstanceNorm():
                norms.update(norms_of(node.what))
            case _:
                pass
    most = [act for act, _ in acts.most_common(1)] or ["none"]
    norm = [each for each, _ in norms.most_common(1)] or [Norm(kind="none")]
    attends = [n.what for n in nodes_of(chain) if isinstance(n.what, Attention)]
    widths, heads = ({getattr(e, k) for e in attends} for k in ("value_width", "heads"))
    by_heads = len(widths) > 1 == len(heads)
    found = Common(most[0], norm[0], Squeeze(), padding, by_heads)
    squeeze = squeezing(gates(chain), found, alone=len(acts) == 1)
    return replace(found, squeeze=squeeze)


def norms_of(what: Operator) -> list[Norm]:
    """The norms of a file that are this one."""
    match what:
        case BatchNorm():
            return [Norm(eps=what.eps, momentum=what.momentum)]
        case LayerNorm():
            return [Norm(kind="layer", eps=what.eps, shift=what.shift)]
        case InstanceNorm():
            return [Norm(kind="instance", eps=what.eps)]
        case GroupNorm():
            width = int(what.channels) // int(what.groups)
            said: Any = {"kind": "group", "eps": what.eps, "shift": what.shift}
            by_number = Norm(**said, groups=what.groups)
            by_width = Norm(**said, group_width=width)
            return [by_number] if what.groups == 1 else [by_number, by_width]
        case _:
            return []


def _own_norm(what: Operator, style: Common) -> Norm | None:
    """The norm of a line; None where it is the network's."""
    known = norms_of(what)
    return None if style.norm in known else known[0]


# Lines.


def lines(
    chain: Chain, c_in: int, style: Common, block_in: int | None = None
) -> list[Item]:
    """The chain as steps. `block_in` are the channels that come into its block."""
    found: list[Item] = []
    # What drops out in training alone has its rate in the head, or stochastic depth.
    chain = tuple(
        e for e in chain if not (isinstance(e, Node) and isinstance(e.what, Dropout))
    )
    index = 0
    while index < len(chain):
        each = chain[index]
        if isinstance(each, Fork):
            came = before(chain, index) if block_in is None else block_in
            item, taken = _mixing(chain, index, c_in, style) or (
                _forked(each, c_in, style, came),
                1,
            )
            index += taken
        else:
            taken = _taken(chain, index, c_in)
            nodes = [e for e in chain[index : index + taken] if isinstance(e, Node)]
            item = _step(nodes, c_in, style)
            index += taken
        found.append(item)
        c_in = item.c_out
    return found


def _mixing(
    chain: Chain, index: int, c_in: int, style: Common
) -> tuple[Item, int] | None:
    """A depthwise convolution of several kernels, with its norm and activation."""
    fork = chain[index]
    if not isinstance(fork, Fork) or (kernels := _mixed(fork, c_in)) is None:
        return None
    taken = _convolved(chain, index)
    after = [e for e in chain[index + 1 : index + taken] if isinstance(e, Node)]
    norms = [e for e in after if norms_of(e.what)]
    acts = [e.what.kind for e in after if isinstance(e.what, Act)]
    if any(_own_norm(each.what, style) for each in norms):
        return None
    nodes = (
        *nodes_of(fork.branches[0]),
        *(e for b in fork.branches[1:] for e in nodes_of(b)),
    )
    line = steps.MixedDepthwise(
        block="mixed_depthwise",
        kernels=kernels,
        stride=nodes[1].what.stride,
        norm=bool(norms),
        activation=_own(acts[0] if acts else "none", style),
    )
    return Item(line, (*nodes, *after), c_in, c_in), taken


def _taken(chain: Chain, index: int, c_in: int) -> int:
    """How many nodes a line takes."""
    found = [_what(chain, index + k) for k in range(3)]
    if (
        isinstance(found[1], Attention)
        and all(_projects(each) for each in found[::2])
        and found[0].bias == found[2].bias
        and found[2].c_out == c_in
        and _convolved(chain, index + 2) == 1
    ):
        return len(found)
    convolves = isinstance(found[0], Conv | TransposedConv)
    return _convolved(chain, index) if convolves else 1


def _projects(what: Any) -> bool:  # noqa: ANN401 - an `Operator`, or none
    """Whether it is a convolution of each position by itself."""
    return isinstance(what, Conv) and (what.kernel, what.groups, what.stride) == (
        (1, 1),
        1,
        (1, 1),
    )


def _convolved(chain: Chain, index: int) -> int:
    """How many nodes a convolution's line takes: its norm, and its activation."""
    taken = 1 + bool(norms_of(_what(chain, index + 1)))
    act = _what(chain, index + taken)
    return taken + isinstance(act, Act)


def _what(chain: Chain, index: int) -> Any:  # noqa: ANN401
    """The operator at a place of the chain; None where there is none."""
    each = chain[index] if index < len(chain) else None
    return each.what if isinstance(each, Node) else None


def _step(nodes: Sequence[Node], c_in: int, style: Common) -> Item:
    """One line of a convolution with what follows it, or of another operator."""
    what, c_out = nodes[0].what, nodes[0].channels
    line: Line | None
    match what:
        case Attention():
            line = _attention(what, c_in, style)
        case Conv() if len(nodes) > 1 and isinstance(nodes[1].what, Attention):
            line = _attention(nodes[1].what, c_in, style, what)
            c_out = nodes[-1].channels
        case Conv():
            line = _conv(nodes, style)
        case TransposedConv():
            line = _transposed(nodes, style)
        case BatchNorm() | LayerNorm() | GroupNorm() | InstanceNorm():
            line = steps.Normalise(block="norm", norm=_own_norm(what, style))
        case Act(kind=kind):
            line = steps.Activate(block="activation", activation=_own(kind, style))
        case Slice():
            raise cannot(nodes[0].call, "a part of a map's channels by itself", _PARTS)
        case _:
            line = _resampled(what) or _alone(what)
    if line is None:
        word = getattr(what, "label", what)
        raise cannot(nodes[0].call, f"{word} before the head", "heads alone have it")
    return Item(line, tuple(nodes), c_in, c_out)


def _resampled(what: Operator) -> Line | None:
    """The line of an operator that makes other positions of a map's."""
    match what:
        case Pool():
            return resampling.Pool(
                block="max_pool" if what.kind == "max" else "avg_pool",
                kernel=what.kernel,
                stride=what.stride,
                padding=_said_padding(what.padding),
                include_padding=what.include_padding,
            )
        case GlobalPool(kind=kind, to=to):
            return resampling.GlobalPool(block="global_pool", kind=kind, to=to)
        case ChannelPool(kind=kind):
            return resampling.ChannelPool(block="channel_pool", kind=kind)
        case Blur(side=side, stride=stride):
            return resampling.BlurPool(block="blur_pool", kernel=side, stride=stride)
        case Enlarge(factor=factor, mode=mode):
            return resampling.Upsample(block="upsample", factor=factor, mode=mode)
        case PixelShuffle(factor=factor):
            return resampling.PixelShuffle(block="pixel_shuffle", factor=factor)
        case PixelUnshuffle(factor=factor):
            return resampling.PixelUnshuffle(block="pixel_unshuffle", factor=factor)
        case _:
            return None


def _alone(what: Operator) -> Line | None:
    """The line of an operator of tokens, or one element by element."""
    match what:
        case ClassToken(tokens=many):
            return tokens.ClassToken(block="class_token", tokens=many)
        case Positions():
            return tokens.Positions(block="positions")
        case DropTokens(tokens=several):
            return tokens.DropTokens(block="drop_tokens", tokens=several)
        case FirstToken():
            return tokens.FirstToken(block="first_token")
        case Shuffle(groups=groups):
            return steps.Shuffle(block="channel_shuffle", groups=groups)
        case LayerScale(single=single, shift=shift):
            return elements.LayerScale(block="layer_scale", single=single, shift=shift)
        case Times(number=number):
            return elements.Multiply(block="multiply", by=number)
        case PadChannels(channels=channels):
            return elements.PadChannels(block="pad_channels", channels=channels)
        case _:
            return None


def _attention(
    what: Attention, c_in: int, style: Common, qkv: Conv | None = None
) -> Line:
    """A line of attention, by the width of its heads or by their number."""
    heads, key, value = int(what.heads), int(what.key_width), int(what.value_width)
    own: dict[str, Any] = {"key_width": key} if key != value else {}
    if style.by_heads or (qkv is not None and heads * value != c_in):
        own["heads"] = heads
        if qkv is not None and heads * value != c_in:
            own |= {"key_width": key, "value_width": value}
    else:
        own["head_width"] = value
    if what.over is not None:
        own |= {"over": what.over, "size": what.size}
    return steps.Attention(
        block="attention",
        kind=what.kind,
        shift=what.shift,
        position=what.position,
        project=qkv is not None,
        bias=qkv is None or qkv.bias,
        **own,
    )


def _said_padding(padding: Padding) -> Any:  # noqa: ANN401 - a `PaddingName`
    """What a line says; where `same` padding lies is said of the whole network."""
    return "same" if padding == "tensorflow" else padding


def _own(kind: Any, style: Common) -> Any:  # noqa: ANN401 - an `Activation`
    return None if kind == style.activation else kind


def _followed(nodes: Sequence[Node], style: Common) -> dict[str, Any]:
    """What a convolution's line says of its window, bias, norm and activation."""
    conv, *after = [each.what for each in nodes]
    norms = [_own_norm(each, style) for each in after if norms_of(each)]
    acts = [each.kind for each in after if isinstance(each, Act)]
    norm: Any = bool(norms) if norms in ([], [None]) else norms[0]
    biased = conv.bias
    if style.norm.kind == "none":  # a convolution with the network's norm has a bias
        norm, biased = biased, False
    return {
        "kernel": conv.kernel,
        "stride": conv.stride,
        "bias": biased,
        "norm": norm,
        "activation": _own(acts[0] if acts else "none", style),
    }


def _transposed(nodes: Sequence[Node], style: Common) -> Line:
    conv = nodes[0].what
    groups, width = int(conv.groups), int(conv.c_in) // int(conv.groups)
    several = groups > width
    return steps.TransposedConv(
        block="transposed_conv",
        channels=conv.c_out,
        groups=1 if several else groups,
        group_width=width if several else None,
        **_followed(nodes, style),
    )


def _conv(nodes: Sequence[Node], style: Common) -> Line:
    conv = nodes[0].what
    shared: dict[str, Any] = {
        **_followed(nodes, style),
        "padding": _said_padding(conv.padding),
        "dilation": conv.dilation,
    }
    if conv.groups == conv.c_in == conv.c_out > 1:
        return steps.Depthwise(block="depthwise", **shared)
    groups, width = int(conv.groups), int(conv.c_in) // int(conv.groups)
    if groups <= width:
        return steps.Conv(channels=conv.c_out, groups=groups, **shared)
    times, rest = divmod(int(conv.c_out), int(conv.c_in))
    # so many for each that comes in, whatever that becomes
    own: dict[str, Any] = (
        {"channels": conv.c_out} if rest or times == 1 else {"expand_ratio": times}
    )
    return steps.Conv(group_width=width, **own, **shared)


def _forked(fork: Fork, c_in: int, style: Common, block_in: int) -> Item:
    if (found := gated(fork, block_in)) is not None:
        ratio = squeeze_ratio(found, style.squeeze)
        fits = found.gate == style.squeeze.gate and found.activation == (
            style.squeeze.activation or style.activation
        )
        if ratio is not None and fits:
            line: Line = steps.SqueezeExcite(block="squeeze_excite", se_ratio=ratio)
            return Item(line, found.nodes, c_in, c_in)
    if fork.merge == "product":
        return _product(fork, c_in, style)
    if (parted := _parted(fork, c_in)) is not None:
        return _split(fork, parted, c_in, style)
    if fork.merge == "resized":
        return _brought_back(fork, c_in, style)
    if fork.merge == "cascade":
        raise cannot(fork.node.call, "parts of a map that read each other", _PARTS)
    for each in (each for branch in fork.branches for each in branch):
        if (
            isinstance(each, Node)
            and isinstance(each.what, Enlarge)
            and each.what.factor is None
        ):
            to = "×".join(map(str, each.what.to))
            raise cannot(
                each.call, f"a map brought to {to} positions in a branch", _SIZES
            )
    scales = [_times(each) for each in fork.branches]
    scaled = fork.merge == "sum" and any(scale != 1 for scale in scales)
    parts = [
        each[:-1] if _times(each) != 1 and scaled else each for each in fork.branches
    ]
    branches = [lines(each, c_in, style, c_in) for each in parts]
    c_out = fork.node.channels
    if fork.merge == "sum" and len(branches) == 2:  # noqa: PLR2004 - layers and a shortcut
        scale, other = scales if len(branches[0]) >= len(branches[1]) else scales[::-1]
        if other == 1:
            return _residual(branches, c_in, c_out, scale)
    if scaled:
        branches = [lines(each, c_in, style, c_in) for each in fork.branches]
    nodes = tuple(node for branch in branches for item in branch for node in item.nodes)
    within = tuple(map(_said, branches))
    return Item(steps.Branches(block=fork.merge, branches=within), nodes, c_in, c_out)


def _brought_back(fork: Fork, c_in: int, style: Common) -> Item:
    """Layers whose map is brought to the size of what came in."""
    (chain,) = fork.branches
    inner = lines(chain, c_in, style, c_in)
    line = steps.Resized(block="resized", layers=_said(inner), mode=fork.node.what.mode)
    nodes = tuple(node for item in inner for node in item.nodes)
    return Item(line, nodes, c_in, fork.node.channels)


_SIZES = "by a whole factor, or to the size that came in, is known"
_PARTS = "parts that each have their branch, and all of it, are known"


def _product(fork: Fork, c_in: int, style: Common) -> Item:
    """Branches multiplied; those of one position come after those of all."""
    c_out = fork.node.channels
    match [[each.what for each in nodes_of(branch)] for branch in fork.branches]:
        case [[], [GlobalPool(kind="avg"), ChannelConv() as conv, Act(kind="sigmoid")]]:
            seen = None if odd_log(c_in) == conv.size else int(conv.size)
            line: Line = elements.ChannelAttention(block="channel_attention", size=seen)
            return Item(line, tuple(nodes_of(fork.branches[1])), c_in, c_out)
        case _:
            pass
    found = [lines(each, c_in, style, c_in) for each in fork.branches]
    found.sort(key=lambda items: any(_pools(item.line) for item in items))
    found.sort(key=lambda items: bool(items) and items[-1].c_out == 1 < c_out)
    nodes = tuple(node for branch in found for item in branch for node in item.nodes)
    within = tuple(_said([_as_gate(item, c_out) for item in each]) for each in found)
    return Item(steps.Branches(block="product", branches=within), nodes, c_in, c_out)


def _pools(line: Line) -> bool:
    return isinstance(line, resampling.GlobalPool) and line.to == (1, 1)


def _as_gate(item: Item, c_out: int) -> Item:
    """A convolution that puts out what comes in, or one channel, at any width."""
    line = item.line
    if isinstance(line, steps.Conv) and item.c_out == 1 < c_out:
        return item.over(line.model_copy(update={"fixed": True}))
    if isinstance(line, steps.Conv) and item.c_in == item.c_out:
        return item.over(line.model_copy(update={"channels": None, "expand_ratio": 1}))
    return item


def _mixed(fork: Fork, c_in: int) -> tuple[int, ...] | None:
    """The kernels of parts that are convolved depthwise, each with its own."""
    pairs = [each for each in fork.branches if len(each) == 2]  # noqa: PLR2004 - a part, and its convolution
    convs = [[*nodes_of(each)][-1].what for each in pairs]
    if len(convs) < len(fork.branches) or not all(isinstance(e, Conv) for e in convs):
        return None
    parts = _parted(fork, c_in)
    alike = {(e.stride, e.dilation, e.bias, e.padding in _SAMES) for e in convs}
    square = all(
        e.groups == e.c_in == e.c_out and e.kernel[0] == e.kernel[1] for e in convs
    )
    if not square or parts != steps.in_parts(c_in, len(convs)) or len(alike) > 1:
        return None
    ((_, dilation, bias, same),) = alike
    return (
        tuple(e.kernel[0] for e in convs)
        if (dilation, bias, same) == (1, False, True)
        else None
    )


_SAMES = "same", "tensorflow"


def _parted(fork: Fork, c_in: int) -> list[int] | None:
    """The channels of each branch, where each has a part of those that come in."""
    first = [_what(branch, 0) for branch in fork.branches]
    parts = [each for each in first if isinstance(each, Slice)]
    if fork.merge not in {"concat", "cascade"} or len(parts) < len(first):
        return None
    widths = [int(each.channels) for each in parts]
    starts = [int(each.start) for each in parts]
    in_order = starts == [sum(widths[:k]) for k in range(len(widths))]
    return widths if in_order and sum(widths) == c_in else None


def _share(part: int, whole: int) -> float:
    """The share that comes to so many whole channels, however it is rounded."""
    found = part / whole
    return found if whole_share(whole, found) == part else math.nextafter(found, 1)


def _split(fork: Fork, parts: list[int], c_in: int, style: Common) -> Item:
    """Parts of the channels, each through its branch."""
    branches = [
        lines(branch[1:], channels, style, channels)
        for branch, channels in zip(fork.branches, parts, strict=True)
    ]
    within = tuple(map(_said, branches))
    cascade = fork.merge == "cascade"
    even = steps.Split(block="split", branches=within, cascade=cascade)
    shares = (
        None if even.parts(c_in) == parts else tuple(_share(n, c_in) for n in parts)
    )
    line = even.model_copy(update={"shares": shares})
    nodes = tuple(node for branch in branches for item in branch for node in item.nodes)
    return Item(line, nodes, c_in, fork.node.channels)


def _times(chain: Chain) -> float:
    """The number that the end of a branch is multiplied by."""
    last = _what(chain, len(chain) - 1) if chain else None
    return last.number if isinstance(last, Times) else 1.0


def _residual(branches: list[list[Item]], c_in: int, c_out: int, scale: float) -> Item:
    """The branch with more lines beside the other, its shortcut."""
    layers, shortcut = sorted(branches, key=len, reverse=True)
    if not shortcut:
        layers = _following(layers, c_in)
    nodes = tuple(node for item in (*layers, *shortcut) for node in item.nodes)
    line = steps.Residual(
        block="residual",
        scale=scale,
        layers=_said(layers),
        shortcut=_said(shortcut),
    )
    return Item(line, nodes, c_in, c_out)


def _said(items: Sequence[Item]) -> Any:  # noqa: ANN401 - steps, which are checked there
    return tuple(item.line for item in items)


def _following(layers: list[Item], c_in: int) -> list[Item]:
    """Layers whose last convolution puts out what comes in, however wide that is."""
    for index in reversed(range(len(layers))):
        line = layers[index].line
        if isinstance(line, steps.Conv):
            if line.channels == c_in:
                open_ = line.model_copy(update={"channels": None})
                layers[index] = layers[index].over(open_)
            break
        if isinstance(line, steps.Branches | steps.Residual):
            break
    return layers
