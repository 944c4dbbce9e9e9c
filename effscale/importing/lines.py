"""A tree of nodes as lines of a spec: each convolution with its norm and activation.

Each line keeps the nodes that it is made of, in the order that a built network has
them; so weights find their way whatever line its nodes end up in.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from effscale.arrays import multiple, share, whole_share
from effscale.importing.operators import Node, cannot
from effscale.importing.tree import Fork
from effscale.network.operators.convolution import Conv
from effscale.network.operators.elementwise import Act, Dropout
from effscale.network.operators.norm import BatchNorm, LayerNorm
from effscale.network.operators.pooling import GlobalPool, Pool
from effscale.spec import steps
from effscale.spec.models import Squeeze
from effscale.spec.norm import Norm

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from effscale.importing.tree import Chain
    from effscale.spec.line import Line
    from effscale.spec.values import Activation, SamePadding


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


def common(chain: Chain) -> Common:
    """The activation and the norm that are met most, and how it squeezes."""
    acts: Counter[Any] = Counter()
    norms: Counter[Norm] = Counter()
    padding: SamePadding = "centred"
    for node in _nodes(chain):
        if getattr(node.what, "padding", "") == "tensorflow":
            padding = "tensorflow"
        match node.what:
            case Act(kind=kind) if kind not in _GATES:
                acts[kind] += 1
            case BatchNorm() | LayerNorm():
                norms[norm_of(node.what)] += 1
            case _:
                pass
    most = [act for act, _ in acts.most_common(1)] or ["none"]
    norm = [each for each, _ in norms.most_common(1)] or [Norm()]
    found = Common(most[0], norm[0], Squeeze(), padding)
    return replace(found, squeeze=_squeezing(gates(chain), found, alone=len(acts) == 1))


_GATES = ("sigmoid", "hard_sigmoid")


def norm_of(what: BatchNorm | LayerNorm) -> Norm:
    if isinstance(what, LayerNorm):
        return Norm(kind="layer", eps=what.eps)
    return Norm(eps=what.eps, momentum=float(f"{what.momentum:.6g}"))


def _nodes(chain: Chain) -> Iterator[Node]:
    for each in chain:
        if isinstance(each, Fork):
            for branch in each.branches:
                yield from _nodes(branch)
        else:
            yield each


# Squeeze and excitation.


@dataclass(frozen=True)
class Gated:
    """A map times what two 1×1 convolutions make of its mean."""

    nodes: tuple[Node, ...]
    activation: Any  #: an `Activation`
    gate: Any  #: a `Gate`
    c_in: int  #: of the block that it is in
    channels: int
    squeezed: int


def gated(fork: Fork, c_in: int) -> Gated | None:
    """The fork as squeeze-and-excitation, if it is one."""
    if fork.merge != "product" or len(fork.branches) != 2 or () not in fork.branches:  # noqa: PLR2004 - a map, and its gate
        return None
    (branch,) = [each for each in fork.branches if each] or [()]
    nodes = tuple(each for each in branch if isinstance(each, Node))
    if len(nodes) != len(branch):
        return None
    match [each.what for each in nodes]:
        case [
            GlobalPool(),
            Conv(kernel=(1, 1), groups=1, bias=True) as reduce,
            Act(kind=act),
            Conv(kernel=(1, 1), groups=1, bias=True) as expand,
            Act(kind=gate),
        ] if act not in _GATES and gate in _GATES:
            squeezed, channels = int(reduce.c_out), int(expand.c_out)
            return Gated(nodes, act, gate, c_in, channels, squeezed)
        case _:
            return None


def gates(chain: Chain, c_in: int | None = None) -> Iterator[Gated]:
    """All squeezes, each with the channels that come into its block.

    These are what comes into the residual around it; or, of a row of convolutions
    without one, what comes into the depthwise one or the expansion before it.
    """
    for index, each in enumerate(chain):
        if not isinstance(each, Fork):
            continue
        came = _before(chain, index) if c_in is None else c_in
        if (found := gated(each, came)) is not None:
            yield found
            continue
        start = _channels_in(each)
        for branch in each.branches:
            yield from gates(branch, start)


def _channels_in(fork: Fork) -> int:
    for branch in fork.branches:
        for each in branch[:1]:
            if isinstance(each, Fork):
                return _channels_in(each)
            if isinstance(each.what, Conv):
                return int(each.what.c_in)
            return each.channels
    return fork.node.channels


def _before(chain: Chain, index: int) -> int:
    """What comes into the two convolutions before a squeeze, or the depthwise one."""
    convs = [
        each.what
        for each in chain[:index]
        if isinstance(each, Node) and isinstance(each.what, Conv)
    ]
    if not convs:
        return 0
    last = convs[-1]
    if (
        len(convs) > 1
        and convs[-2].kernel == (1, 1)
        and convs[-2].c_out > convs[-2].c_in
    ):
        return int(convs[-2].c_in)
    return int(last.c_in)


def _squeezing(found: Iterable[Gated], common: Common, *, alone: bool) -> Squeeze:
    """The rule that the squeezes of a network follow, if they follow one.

    `alone`: whether the network has one activation; else theirs is always said.
    """
    every = [*found]
    if not every:
        return common.squeeze
    acts = Counter(each.activation for each in every)
    gate = Counter(each.gate for each in every)
    act = acts.most_common(1)[0][0]
    own = None if alone and act == common.activation else act
    rules = [
        Squeeze(of=of, divisor=divisor, activation=own, gate=gate.most_common(1)[0][0])
        for of in ("gated", "input")
        for divisor in (1, 8)
    ]

    def says(rule: Squeeze) -> tuple[int, int]:
        ratios = [squeeze_ratio(each, rule) for each in every]
        return -sum(ratio is None for ratio in ratios), -len({*ratios})

    return max(reversed(rules), key=says)


#: Shares that a file would state, those with few digits first.
_SHARES = (
    0.25,
    0.5,
    0.125,
    0.0625,
    0.1,
    0.05,
    0.2,
    0.75,
    1.0,
    1 / 3,
    1 / 6,
    1 / 12,
    1 / 24,
)


def squeeze_ratio(found: Gated, rule: Squeeze) -> float | None:
    """The share that makes its squeezed width by this rule."""
    of = found.c_in if rule.of == "input" else found.channels
    if not of:
        return None
    exact = found.squeezed / of
    for ratio in (*_SHARES, round(exact, 4), round(exact, 6), round(exact + 5e-7, 6)):
        made = (
            whole_share(of, ratio)
            if rule.divisor == 1
            else multiple(share(of, ratio), rule.divisor)
        )
        if made == found.squeezed and 0 < ratio <= 1:
            return ratio
    return None


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
            item = _forked(
                each,
                c_in,
                style,
                _before(chain, index) if block_in is None else block_in,
            )
            index += 1
        else:
            taken = (
                _convolved(chain, index, style) if isinstance(each.what, Conv) else 1
            )
            nodes = [e for e in chain[index : index + taken] if isinstance(e, Node)]
            item = _step(nodes, c_in, style)
            index += taken
        found.append(item)
        c_in = item.c_out
    return found


def _convolved(chain: Chain, index: int, style: Common) -> int:
    """How many nodes a convolution's line takes: its norm, and its activation."""
    taken = 1
    norm = _what(chain, index + 1)
    if isinstance(norm, BatchNorm | LayerNorm) and norm_of(norm) == style.norm:
        taken += 1
    act = _what(chain, index + taken)
    return taken + (isinstance(act, Act) and act.kind not in _GATES)


def _what(chain: Chain, index: int) -> Any:  # noqa: ANN401
    """The operator at a place of the chain; None where there is none."""
    each = chain[index] if index < len(chain) else None
    return each.what if isinstance(each, Node) else None


def _step(nodes: Sequence[Node], c_in: int, style: Common) -> Item:
    """One line of a convolution with what follows it, or of another operator."""
    what, c_out = nodes[0].what, nodes[0].channels
    line: Line
    match what:
        case Conv():
            line = _conv(nodes, style)
        case BatchNorm() | LayerNorm():
            if norm_of(what) != style.norm:
                raise cannot(nodes[0].call, f"{what}", f"the others are {style.norm}")
            line = steps.Normalise(block="norm")
        case Act(kind=kind) if kind not in _GATES:
            line = steps.Activate(block="activation", activation=_own(kind, style))
        case Pool():
            line = steps.Pool(
                block="max_pool" if what.kind == "max" else "avg_pool",
                kernel=what.kernel,
                stride=what.stride,
                padding=_said_padding(what.padding),
            )
        case GlobalPool():
            line = steps.GlobalPool(block="global_pool")
        case _:
            word = getattr(what, "label", what)
            raise cannot(
                nodes[0].call, f"{word} before the head", "heads alone have it"
            )
    return Item(line, tuple(nodes), c_in, c_out)


def _said_padding(padding: str) -> Any:  # noqa: ANN401 - a `PaddingName`
    """The word of a line; where `same` padding lies is said of the whole network."""
    return "valid" if padding == "valid" else "same"


def _own(kind: Any, style: Common) -> Any:  # noqa: ANN401 - an `Activation`
    return None if kind == style.activation else kind


def _conv(nodes: Sequence[Node], style: Common) -> Line:
    conv, *after = [each.what for each in nodes]
    norm = any(isinstance(each, BatchNorm | LayerNorm) for each in after)
    acts = [each.kind for each in after if isinstance(each, Act)]
    activation = _own(acts[0] if acts else "none", style)
    shared = {
        "kernel": conv.kernel,
        "stride": conv.stride,
        "padding": _said_padding(conv.padding),
        "dilation": conv.dilation,
        "norm": norm,
        "activation": activation,
    }
    if conv.groups == conv.c_in == conv.c_out > 1 and not conv.bias:
        return steps.Depthwise(block="depthwise", **shared)
    return steps.Conv(channels=conv.c_out, groups=conv.groups, bias=conv.bias, **shared)


def _forked(fork: Fork, c_in: int, style: Common, block_in: int) -> Item:
    if (found := gated(fork, block_in)) is not None:
        ratio = squeeze_ratio(found, style.squeeze)
        fits = found.gate == style.squeeze.gate and found.activation == (
            style.squeeze.activation or style.activation
        )
        if ratio is None or not fits:
            what = f"a squeeze to {found.squeezed} of {found.channels} channels"
            raise cannot(fork.node.call, what, f"the others follow {style.squeeze}")
        line: Line = steps.SqueezeExcite(block="squeeze_excite", se_ratio=ratio)
        return Item(line, found.nodes, c_in, c_in)
    if fork.merge == "product":
        raise cannot(
            fork.node.call, "a product of maps", "squeeze-and-excitation is known"
        )
    branches = [lines(each, c_in, style, c_in) for each in fork.branches]
    c_out = fork.node.channels
    if fork.merge == "sum" and len(branches) == 2:  # noqa: PLR2004 - layers and a shortcut
        return _residual(branches, c_in, c_out)
    nodes = tuple(node for branch in branches for item in branch for node in item.nodes)
    within = tuple(map(_said, branches))
    return Item(steps.Branches(block=fork.merge, branches=within), nodes, c_in, c_out)


def _residual(branches: list[list[Item]], c_in: int, c_out: int) -> Item:
    """The branch with more lines beside the other, its shortcut."""
    shortcut, layers = sorted(branches, key=len)
    if not shortcut:
        layers = _following(layers, c_in)
    nodes = tuple(node for item in (*layers, *shortcut) for node in item.nodes)
    line = steps.Residual(
        block="residual",
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
