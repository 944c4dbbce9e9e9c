"""Squeeze and excitation in a tree of nodes, and the rule that its widths follow."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from effscale.arrays import multiple, share, whole_share
from effscale.importing.nodes import Node, cannot
from effscale.importing.tree import Fork
from effscale.network.operators.convolution import Conv, Linear
from effscale.network.operators.elementwise import Act, Flatten
from effscale.network.operators.pooling import GlobalPool
from effscale.spec import resampling, steps
from effscale.spec.models import Squeeze

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from effscale.importing.lines import Common, Item
    from effscale.importing.tree import Chain
    from effscale.spec.line import Line, Lines

#: Activations that make a number between 0 and 1.
GATES = "sigmoid", "hard_sigmoid"
#: Lines whose branches put out maps one after the other.
IN_A_ROW = "concat", "split"


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
    match [each.what for each in nodes if not isinstance(each.what, Flatten)]:
        case [
            GlobalPool(kind="avg", to=(1, 1)),
            Linear() | Conv(kernel=(1, 1), groups=1, bias=True) as reduce,
            Act(kind=act),
            Linear() | Conv(kernel=(1, 1), groups=1, bias=True) as expand,
            Act(kind=gate),
        ] if act not in GATES and gate in GATES:
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
        came = before(chain, index) if c_in is None else c_in
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


def before(chain: Chain, index: int) -> int:
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


def squeezing(found: Iterable[Gated], common: Common, *, alone: bool) -> Squeeze:
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


def as_steps(item: Item, style: Common) -> Item:
    """The item, whose squeezes are steps: their ratio is of what a step's is.

    That is what comes into the residual around it, or else what it gates; within a
    block that has a name it is of the block's input.
    """
    widths = [
        (each.channels, int(after.what.c_out))
        for each, after in pairwise(item.nodes)
        if isinstance(each.what, GlobalPool) and isinstance(after.what, Conv | Linear)
    ]
    if not widths or style.squeeze.of == "gated":
        return item
    each = iter(widths)

    def said(line: Line, c_in: int, around: int | None) -> tuple[Line, int]:
        if isinstance(line, steps.Conv):
            return line, int(line.of(c_in, around))
        if isinstance(line, steps.SqueezeExcite):
            channels, squeezed = next(each)
            own = Gated((), "", "", around or channels, channels, squeezed)
            ratio = squeeze_ratio(own, style.squeeze)
            if ratio is None:
                what = f"a squeeze to {squeezed} of {channels} channels"
                raise cannot(item.nodes[0].call, what, "a share of them is known")
            return line.model_copy(update={"se_ratio": ratio}), c_in
        if not line.chains or isinstance(line, steps.Attention):
            return line, int(line.c_out(c_in))
        inner = c_in if isinstance(line, steps.Residual) else around
        ends: list[int] = []
        parts = iter(line.parts(c_in) if isinstance(line, steps.Split) else ())

        def within(chain: Lines) -> Lines:
            found, here = [], int(next(parts, c_in))
            unstated = here if isinstance(line, steps.Split) else inner
            for before, one in zip((None, *chain), chain, strict=False):
                if isinstance(before, resampling.GlobalPool) and isinstance(
                    one, steps.Conv
                ):
                    next(each)  # a gate that is no squeeze
                made, here = said(one, here, unstated)
                found.append(made)
            ends.append(here)
            return tuple(found)

        line = line.over_chains(within)
        return line, sum(ends) if line.block in IN_A_ROW else ends[0]

    return item.over(said(item.line, item.c_in, None)[0])
