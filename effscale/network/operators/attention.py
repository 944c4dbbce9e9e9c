"""Tokens, what is known of where they are, and attention among them.

Tokens are the positions of a feature map; with tokens that are of no position the map
is one column of all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from effscale.arrays import ONE, Int, divided, divides, every, first, on_paper, strided
from effscale.data import data
from effscale.errors import LayerError
from effscale.network.operators.convolution import size
from effscale.network.operators.fusion import Joint
from effscale.network.operators.operator import (
    PLAIN,
    PRODUCT,
    Cost,
    Map,
    Operator,
    Tally,
    Traffic,
    check_channels,
)
from effscale.network.shapes import Flow, Shape, Window, all_of, only, same_channels

if TYPE_CHECKING:
    from effscale.network.operators.operator import Maps, Tally, Tape
    from effscale.spec.values import Attending, Lying, Over

#: Channels inside the perceptron of a position bias, and coordinates; one that is
#: `unbounded` ends in biases, where a `continuous` one has a sigmoid.
#: Source: microsoft/Swin-Transformer, models/swin_transformer_v2.py (`cpb_mlp`);
#: timm 1.0.31, timm/layers/pos_embed_rel.py (`RelPosMlp`).
HIDDEN, COORDINATES = 512, 2
_SOFTMAX = Traffic(keeps_output=True)
#: Kinds of attention with a learnt temperature for each head.
_HEATED = {"cosine", "covariance"}


@data
class ClassToken(Operator):
    """Learnt tokens, before those of the positions: a column of all."""

    channels: Int
    tokens: int = 1

    label = "class token"

    def output(self, flow: Flow, path: str) -> Shape:
        shape = only(flow, path)
        same_channels(self.channels, shape, path)
        return Shape(self.channels, self.tokens + shape.positions, ONE)

    def cost(self, out: Shape) -> Cost:
        return Cost(params=self.channels * self.tokens)

    def traffic(self, before: Shape, after: Shape) -> Traffic:
        return PLAIN


@data
class Positions(Operator):
    """The map plus a learnt one of its size, which says where a token is."""

    label = "positions"

    @property
    def sized(self) -> bool:
        """Each position has weights of its own."""
        return True

    def cost(self, out: Shape) -> Cost:
        return Cost(params=out.elements)

    def traffic(self, before: Shape, after: Shape) -> Traffic:
        return PLAIN


@data
class FirstToken(Operator):
    """The first position alone: that of a class token."""

    label = "first token"

    def output(self, flow: Flow, path: str) -> Shape:
        return Shape(only(flow, path).channels, ONE, ONE)


@data
class DropTokens(Operator):
    """The positions behind the first, which may be those of tokens: a column."""

    tokens: int

    label = "without tokens"

    def output(self, flow: Flow, path: str) -> Shape:
        shape = only(flow, path)
        left = shape.positions - self.tokens
        if not (on_paper(left) or every(left >= 1)):
            wrong = left < 1
            (several,) = first(wrong, shape.positions)
            message = f"expected less than {several} positions, got {self.tokens}"
            raise LayerError(f"{path}: tokens: {message}", wrong)
        return Shape(shape.channels, left, ONE)


@data
class Fourier(Operator):
    """Sines and cosines of where each position lies, along both sides.

    Source: El-Nouby et al. 2021, arXiv:2106.09681, section 3.3: 32 waves a side.
    """

    waves: int = 32

    label = "waves"

    @property
    def channels(self) -> int:
        return 2 * self.waves

    def output(self, flow: Flow, path: str) -> Shape:
        return only(flow, path)._replace(channels=self.channels)

    def run(self, tape: Tape, maps: Maps, after: Shape, held: Maps) -> Map:
        """Of the map only the size is read."""
        return tape.op((), after, held)


@data
class IntoFirst(Joint):
    """The second map, whose first position is the first map."""

    label = "into first token"

    def joined(self, maps: tuple[Shape, ...], path: str) -> Shape:
        token, others = maps
        same_channels(others.channels, token, path)
        if not every(token.positions == 1):
            wrong = token.positions != 1
            (several,) = first(wrong, token.positions)
            raise LayerError(f"{path}: expected one position, got {several}", wrong)
        return others


@data
class Fill(Operator):
    """Zeros below and at the right, up to sides that windows fill."""

    unit: Window

    label = "fill"
    idle_if_same = True

    def output(self, flow: Flow, path: str) -> Shape:
        shape = only(flow, path)
        sides = zip(shape[1:], self.unit, strict=True)
        return Shape(shape.channels, *(strided(n, unit) * unit for n, unit in sides))

    def traffic(self, before: Shape, after: Shape) -> Traffic | None:
        """None, where nothing is missing."""
        return None if every(before.positions == after.positions) else PLAIN


@data
class Crop(Joint):
    """The upper left of the first map, as large as the second."""

    label = "crop"

    def joined(self, maps: tuple[Shape, ...], path: str) -> Shape:
        return maps[1]._replace(channels=maps[0].channels)

    def run(self, tape: Tape, maps: Maps, after: Shape, held: Maps) -> Map:
        """A view."""
        del tape, held
        whole = maps[0]
        return Map(whole.number, after, whole.elements)


class Groups(NamedTuple):
    """How many groups of positions there are, and the sides of each."""

    number: Int
    height: Int
    width: Int

    @property
    def tokens(self) -> Int:
        return self.height * self.width


@data
class Attention(Joint):
    """What each position makes of the others' values, by its query and their keys.

    It takes one map, which has queries, keys and values head by head, or three maps.
    `over` says which positions see each other: those of a `window`; those at the same
    place of each cell of a `grid` of so many cells; or those at the same place of each
    `patch`. A `shift` moves windows by half. Of several `areas` each is as many
    positions, row by row (Tian et al. 2025, arXiv:2502.12524, section 3.2).

    `softmax`: of the products (Vaswani et al. 2017); `cosine`: of queries and keys of
    length 1 (Liu et al. 2021, arXiv:2111.09883); `covariance`: of channels with
    channels (El-Nouby et al. 2021, arXiv:2106.09681); `linear`: relu(q)·(relu(k)ᵀ·v),
    divided by its sum (Cai et al. 2022, arXiv:2205.14756); `separable`: relu(v) times
    the sum of keys, each in its share of a softmax of single queries (Mehta and
    Rastegari 2022, arXiv:2206.02680).
    """

    heads: Int
    key_width: Int
    value_width: Int
    kind: Attending = "softmax"
    multi_query: bool = False
    apart: bool = False  #: whether it takes queries, keys and values as three maps
    over: Over | None = None
    size: Window = (1, 1)
    areas: int = 1
    shift: bool = False
    position: Lying = "none"

    def __post_init__(self) -> None:
        check_channels(self, self.heads, self.key_width, self.value_width)

    @property
    def sized(self) -> bool:
        """Whether what it learns depends on the map's size."""
        return self.position != "none"

    @property
    def learns(self) -> bool:
        """Whether it has weights of its own."""
        return self.sized or self.kind in _HEATED

    @property
    def takes(self) -> int:
        return 3 if self.apart else 1

    @property
    def label(self) -> str:
        where = f", {self.over} {size(self.size)}" if self.over else ""
        where += f", {self.areas} areas" if self.areas > 1 else ""
        return f"{self.kind} attention{where}"

    @property
    def keyed(self) -> Int:
        """Heads that have keys and values of their own."""
        return ONE if self.multi_query else self.heads

    def widths(self) -> tuple[Int, ...]:
        """Channels of each map that it takes."""
        queries = self.heads * self.query_width
        keys, values = self.keyed * self.key_width, self.keyed * self.value_width
        return (queries, keys, values) if self.apart else (queries + keys + values,)

    @property
    def query_width(self) -> Int:
        """Channels of a head's queries."""
        return ONE if self.kind == "separable" else self.key_width

    def joined(self, maps: tuple[Shape, ...], path: str) -> Shape:
        for width, shape in zip(self.widths(), maps, strict=True):
            same_channels(width, shape, path)
        self._fits(maps[0], path)
        return maps[0]._replace(channels=self.heads * self.value_width)

    def _fits(self, shape: Shape, path: str) -> None:
        for side, unit in zip(shape[1:], self.size, strict=True):
            if not divides(unit, side):
                wrong = side % unit != 0
                (got,) = first(wrong, side)
                message = f"expected sides that {size(self.size)} divides, got {got}"
                raise LayerError(f"{path}: {message}", wrong)
        if not divides(self.areas, shape.positions):
            wrong = shape.positions % self.areas != 0
            (got,) = first(wrong, shape.positions)
            message = f"expected {self.areas} areas of as many positions, got {got}"
            raise LayerError(f"{path}: {message}", wrong)

    @property
    def apiece(self) -> bool:
        """Whether positions see only those of their group."""
        return self.over is not None or self.areas > 1

    def groups(self, shape: Shape) -> Groups:
        """How a map falls apart into positions that see each other."""
        if self.areas > 1:
            return Groups(self.areas, divided(shape.positions, self.areas), ONE)
        if self.over is None:
            return Groups(ONE, shape.height, shape.width)
        rows, columns = self.size
        down, across = divided(shape.height, rows), divided(shape.width, columns)
        if self.over == "patch":
            return Groups(rows * columns, down, across)
        return Groups(down * across, rows, columns)

    def work(self, before: tuple[Shape, ...]) -> Cost:
        """What products and tables cost, of the maps that it takes."""
        number, *sides = groups = self.groups(before[0])
        tokens = groups.tokens
        seen = before[1].positions if self.apart and not self.over else tokens
        key, value = self.key_width, self.value_width
        match self.kind:
            case "covariance":
                each = key * key * seen + key * value * tokens
                made = key * key + value * tokens
            case "separable":
                each = made = 0 * tokens
            case "linear":  # a channel of ones beside the values makes the sum
                each = key * (value + 1) * (seen + tokens)
                made = (key + tokens) * (value + 1)
            case _:
                each = tokens * seen * (key + value)
                made = tokens * (seen + value)
        products, outputs = number * self.heads * each, number * self.heads * made
        learnt: Int = self.heads if self.kind in _HEATED else 0
        macs: Int = 0
        activations: Int = 0
        match self.position:
            case "relative":
                learnt = learnt + (2 * sides[0] - 1) * (2 * sides[1] - 1) * self.heads
            case "offset":
                learnt = learnt + tokens * self.heads
            case "continuous" | "unbounded":
                lying = (2 * sides[0] - 1) * (2 * sides[1] - 1)
                weights = HIDDEN * (COORDINATES + self.heads)
                learnt = learnt + weights + self.inner_biases
                macs, activations = lying * weights, lying * (HIDDEN + self.heads)
            case _:
                pass
        return Cost(macs + products, learnt, activations + outputs, products, outputs)

    @property
    def perceptron(self) -> bool:
        """Whether one makes what is learnt of two positions."""
        return self.position in {"continuous", "unbounded"}

    @property
    def inner_biases(self) -> Int:
        """Those of its perceptron."""
        return HIDDEN + (self.heads if self.position == "unbounded" else 0)

    def cost_on(self, flow: Flow, out: Shape) -> Cost:
        return self.work(all_of(flow))

    def tallies(self, before: Shape, after: Shape) -> dict[Tally, int]:
        """The biases inside a perceptron."""
        if not self.perceptron:
            return {}
        _, height, width = self.groups(before)
        lying = (2 * int(height) - 1) * (2 * int(width) - 1)
        return {"linear_bias": lying * int(self.inner_biases)}

    def run(self, tape: Tape, maps: Maps, after: Shape, held: Maps) -> Map:
        """Products, and what is done with the scores between them."""
        held = (*held, *maps)
        inner = tuple(self._apart(tape, each, held) for each in maps)
        held = (*held, *inner)
        if self.kind == "linear":
            made = self._linear(tape, inner, after, held)
        elif self.kind == "separable":
            made = self._separable(tape, inner, after, held)
        else:
            made = self._by_scores(tape, inner, after, held)
        return tape.op((made,), after, (*held, made)) if self.apiece else made

    def _by_scores(self, tape: Tape, inner: Maps, after: Shape, held: Maps) -> Map:
        """Likeness, tables and masks, the softmax of them, the values' share."""
        found = self.work(tuple(each.shape for each in inner))
        many = found.product_outputs - after.elements
        learnt = found.params
        normal = self.kind != "softmax"
        queries, keys = inner[0], inner[1 % len(inner)]
        wide = self.heads * self.key_width * queries.shape.positions
        kind = PRODUCT if normal else PLAIN
        queries = tape.op((queries,), _flat(wide), held, kind)
        if normal:
            wide = self.keyed * self.key_width * keys.shape.positions
            keys = tape.op((keys,), _flat(wide), (*held, queries), kind)
        held = (*held, queries, keys)
        scores = tape.op((queries, keys), _flat(many), held, PRODUCT)
        if self.learns:
            scores = tape.op((scores,), _flat(many), held, PLAIN, learnt, learnt)
        if self.shift:
            scores = tape.op((scores,), _flat(many), held, PLAIN)
        shares = tape.op((scores,), _flat(many), held, _SOFTMAX)
        return tape.op((shares, inner[-1]), after, (*held, scores), PRODUCT)

    def _apart(self, tape: Tape, each: Map, held: Maps) -> Map:
        """A map with the positions of each group together, which is a copy."""
        if not self.apiece:
            return each
        if self.shift:
            each = tape.op((each,), each.shape, held, PLAIN)
        return tape.op((each,), each.shape, (*held, each), PLAIN)

    def _linear(self, tape: Tape, inner: Maps, after: Shape, held: Maps) -> Map:
        """relu of queries and keys, two products, a division."""
        of = inner[0].shape
        width = self.heads * self.key_width * of.positions
        ones = self.heads * (self.value_width + 1) * of.positions
        keys = self.heads * self.key_width * (self.value_width + 1)
        relu = Traffic(keeps_output=True)
        q = tape.op(inner[:1], _flat(width), held, relu)
        k = tape.op(inner[:1], _flat(width), (*held, q), relu)
        v = tape.op(inner[:1], _flat(ones), (*held, q, k), PLAIN)
        kv = tape.op((v, k), _flat(keys), (*held, q, k, v), PRODUCT)
        out = tape.op((kv, q), _flat(ones), (*held, q, k, v, kv), PRODUCT)
        return tape.op((out,), after, (*held, q, k, v, kv, out), PRODUCT)

    def _separable(self, tape: Tape, inner: Maps, after: Shape, held: Maps) -> Map:
        """A softmax of queries, keys by their shares, their sum; values by it."""
        of = inner[0].shape
        shares = tape.op(inner, _flat(self.heads * of.positions), held, _SOFTMAX)
        held = (*held, shares)
        keys = tape.op((*inner, shares), after, held, PRODUCT)
        summed = _flat(self.heads * self.key_width * self.groups(of).number)
        context = tape.op((keys,), summed, (*held, keys), PLAIN)
        held = (*held, context)
        values = tape.op(inner, after, held, Traffic(keeps_output=True))
        return tape.op((values, context), after, (*held, values), PRODUCT)


def _flat(elements: Int) -> Shape:
    return Shape(elements, ONE, ONE)


@data
class QueryValueBias(Operator):
    """A learnt number added to each channel of queries and of values, head by head.

    Keys have none: softmax takes no notice of what all scores of a query share.
    """

    heads: Int
    query_width: Int
    key_width: Int
    value_width: Int

    label = "bias of queries and values"

    @property
    def numbers(self) -> Int:
        """How many are learnt."""
        return self.heads * (self.query_width + self.value_width)

    def output(self, flow: Flow, path: str) -> Shape:
        shape = only(flow, path)
        width = self.query_width + self.key_width + self.value_width
        same_channels(self.heads * width, shape, path)
        return shape

    def cost(self, out: Shape) -> Cost:
        return Cost(params=self.numbers)

    def tallies(self, before: Shape, after: Shape) -> dict[Tally, int]:
        return {"scales": int(self.numbers)}

    def traffic(self, before: Shape, after: Shape) -> Traffic:
        return PLAIN


@data
class ValuesOf(Operator):
    """The values among queries, keys and values, head by head."""

    heads: Int
    key_width: Int
    value_width: Int

    label = "values"

    @property
    def channels(self) -> Int:
        return self.heads * self.value_width

    def output(self, flow: Flow, path: str) -> Shape:
        shape = only(flow, path)
        width = self.heads * (2 * self.key_width + self.value_width)
        same_channels(width, shape, path)
        return shape._replace(channels=self.channels)

    def traffic(self, before: Shape, after: Shape) -> Traffic:
        return PLAIN
