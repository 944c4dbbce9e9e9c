"""Tests of `effscale.module.any_module`: both counters agree, or say where not."""

from __future__ import annotations

import random
import sys
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F  # noqa: N812 - its usual name

import effscale as es
from effscale.arithmetic import arithmetic
from effscale.errors import MeasureError
from effscale.module import formulas
from effscale.module.any_module import Foreign, count, load, swallowed
from effscale.module.flops import FlopRegistry
from effscale.module.inputs import Asked, Input, said_of, shown
from effscale.module.inputs import given as given_to
from effscale.module.measure import Engine, run
from tests.examples import examples
from tests.module.shapes import CASES, IMAGE, Case, Functional

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.torch

BOTH: tuple[Engine, ...] = ("fvcore", "torch")


@pytest.mark.parametrize("case", CASES, ids=lambda case: type(case.make()).__name__)
def test_both_counters_agree_or_say_where_they_part(case: Case) -> None:
    found = count(Foreign("net", case.make()), case.inputs, BOTH)
    assert found.answer is not None
    assert found.answer.macs == case.macs
    assert (found.faults(), found.alone()) == ([], list(case.alone))
    if not case.alone:
        fvcore, by_torch = found.measured
        assert fvcore.skipped == by_torch.skipped == {}
        assert fvcore.by_kind() == by_torch.by_kind()
        assert fvcore.activations == by_torch.activations


class Random(nn.Module):
    """Writes to a buffer, counts in another, draws, and changes its own mode."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("seen", torch.zeros(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) to (N, 4, H, W)."""
        assert isinstance(self.calls, torch.Tensor)
        self.calls += 1
        self.seen = x.mean((0, 2, 3)) + 1
        y: torch.Tensor = self.conv(x + torch.rand_like(x))
        return y


def test_a_module_is_left_as_it_was() -> None:
    net = Random().train()
    seen, before = net.seen, {k: v.clone() for k, v in net.state_dict().items()}
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    found = count(Foreign("net", net), (IMAGE,), BOTH)
    assert found.faults() == []
    assert torch.equal(torch.random.get_rng_state(), state)
    assert net.seen is seen
    assert net.training
    after = net.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert torch.backends.mha.get_fastpath_enabled()


class Empty(nn.Module):
    """Nothing that multiplies, and a number that only a real run has."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) to as many of its images as their sum says."""
        return x[: int(x.sum().item()) + 1]


def test_what_has_no_answer_on_meta_is_run() -> None:
    with pytest.raises(RuntimeError):
        run(Empty(), [IMAGE], "torch")
    found = count(Foreign("net", Empty()), (IMAGE,), BOTH)
    assert (found.best.macs, found.faults()) == (0, [])


def test_what_nothing_runs_is_an_error() -> None:
    message = "^net: with 1x4x8x8:int64: running it raised RuntimeError: "
    with pytest.raises(MeasureError, match=message):
        count(Foreign("net", Functional()), (Input((1, 4, 8, 8), torch.int64),), BOTH)


@pytest.mark.parametrize(
    ("layer", "sides"),
    [
        (nn.Linear(4, 4), (2, 4)),
        (nn.Linear(4, 4, bias=False), (2, 4)),
        (nn.Conv1d(4, 4, 1), (2, 4, 5)),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex64])
def test_what_cannot_run_has_no_answer_though_meta_gives_one(
    layer: nn.Module, sides: tuple[int, ...], dtype: torch.dtype
) -> None:
    with pytest.raises(MeasureError, match=r"running it raised RuntimeError: "):
        count(Foreign("net", layer), (Input(sides, dtype),), BOTH)


class Applied(nn.Module):
    """A function of a (1, 3, 8, 8) image."""

    def __init__(self, function: Callable[[torch.Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> Any:  # noqa: ANN401
        """Whatever the function gives."""
        return self.function(x)


#: Products of a (1, 3, 8, 8) image, and their MACs by hand.
PRODUCTS: dict[str, tuple[Callable[[torch.Tensor], Any], int]] = {
    "a matrix and a vector": (lambda x: x[0, 0] @ x[0, 0, 0], 64),
    "a batch and a vector": (lambda x: x @ x[0, 0, 0], 3 * 64),
    "two vectors": (lambda x: x[0, 0, 0] @ x[0, 0, 1], 8),
    "a matrix repeated over a batch": (lambda x: x[0, 0] @ x, 3 * 8**3),
    "a sum and a batch": (lambda x: torch.baddbmm(x[0], x[0], x[0]), 3 * 8**3),
    "a sum and a batch, in place": (
        lambda x: x[0].clone().baddbmm_(x[0], x[0]),
        3 * 8**3,
    ),
    "a sum over a batch": (lambda x: torch.addbmm(x[0, 0], x[0], x[0]), 3 * 8**3),
    "added in place": (lambda x: x[0, 0].clone().addmm_(x[0, 1], x[0, 2]), 8**3),
    "a vector, in place": (
        lambda x: x[0, 0, 0].clone().addmv_(x[0, 1], x[0, 0, 0]),
        8 * 8,
    ),
    "three operands": (
        lambda x: torch.einsum("bcij,cjk,k->bi", x, x[0], x[0, 0, 0]),
        3 * 8 * 8 * 8 + 8 * 8,
    ),
    "one summed beforehand": (
        lambda x: torch.einsum("bcij,jk->bik", x, x[0, 0]),
        8 * 8 * 8,
    ),
    "rows and a vector": (lambda x: F.linear(x[0, 0], x[0, 0, 0]), 64),
    "nothing summed": (lambda x: torch.einsum("bcij,j->bcij", x, x[0, 0, 0]), 0),
    "dots": (lambda x: torch.einsum("...ij,jk->...ik", x, x[0, 0]), 3 * 8**3),
    "no arrow": (lambda x: torch.einsum("ij,jk", x[0, 0], x[0, 1]), 8**3),
    "outer": (lambda x: torch.outer(x[0, 0, 0], x[0, 0, 1]), 0),
    "a grid that is turned": (
        lambda x: F.grid_sample(x, F.affine_grid(x[:, 0, :2, :3], [1, 3, 8, 8])),
        64 * 2 * 3,
    ),
    "vectors of two batches": (lambda x: torch.linalg.vecdot(x, x[0, 0]), 3 * 64),
    "vectors of another axis": (
        lambda x: torch.linalg.vecdot(x[0], x[0, 0].mT.conj(), dim=-2),
        3 * 64,
    ),
    "rows of eight bits": (
        lambda x: torch._int_mm(x.repeat(1, 1, 3, 1)[0, 0].char(), x[0, 0].char()),  # noqa: SLF001
        24 * 8 * 8,
    ),
    "a sum and an activation": (
        lambda x: torch._addmm_activation(x[0, 0, 0], x[0, 0], x[0, 1]),  # noqa: SLF001
        8**3,
    ),
    "time, batch and channels": (
        lambda x: torch.conv_tbc(x[0].mT.contiguous(), x[0, :, :, :5], x[0, 0, 0, :5]),
        8 * 5 * 3 * 8,
    ),
    "two vectors, by name": (lambda x: torch.linalg.vecdot(x[0, 0, 0], x[0, 0, 1]), 8),
    "a bilinear form": (
        lambda x: F.bilinear(x[0, 0], x[0, 1, :, :3], x[0, :, :, :3].contiguous()),
        8 * 3 * 8 * 3,
    ),
    "no rows": (lambda x: F.linear(x[x[:, 0, 0, 0] > 0], x[0, 0]), 0),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_are_counted_alike_and_exactly(name: str) -> None:
    function, macs = PRODUCTS[name]
    found = count(Foreign("net", Applied(function)), (IMAGE,), BOTH)
    assert (found.faults(), found.alone()) == ([], [])
    assert [each.macs for each in found.measured] == [macs, macs]
    assert all(each.calls.keys() <= each.operators.keys() for each in found.measured)


@pytest.mark.parametrize(
    ("layer", "macs"),
    [
        (partial(nn.Conv2d, 3, 6, 3, groups=3, stride=2), 9 * 6 * 9),
        (partial(nn.Conv2d, 3, 4, 3, padding="same"), 27 * 4 * 64),
        (partial(nn.ConvTranspose2d, 3, 4, 2, stride=2), 3 * 4 * 4 * 64),
    ],
)
def test_a_complex_convolution_counts_as_a_real_one(
    layer: Callable[..., nn.Module], macs: int
) -> None:
    """torch makes three real ones of it."""
    own = layer(dtype=torch.complex64)
    image = (Input((1, 3, 8, 8), torch.complex64),)
    found = count(Foreign("net", own), image, BOTH)
    real = count(Foreign("net", layer()), (IMAGE,), BOTH)
    assert found.answer is not None
    assert (found.answer.engine, found.answer.macs) == ("torch", macs)
    assert found.answer.of_complex
    for each in real.measured:
        assert each.by_kind() == found.answer.by_kind()
        assert each.activations == found.answer.activations
    (alone,) = found.alone()
    said = "fvcore counted nothing: it takes a complex convolution for three real ones"
    assert alone.startswith(said)


@given(data=st.data())
@examples(60)
def test_einsum_is_what_torch_multiplies(data: st.DataObject) -> None:
    letters = "abcde"
    sizes = {each: data.draw(st.integers(1, 3)) for each in letters}
    term = st.lists(st.sampled_from(letters), min_size=1, max_size=3, unique=True)
    terms = data.draw(st.lists(term, min_size=1, max_size=4))
    used = sorted({each for term in terms for each in term})
    output = data.draw(st.lists(st.sampled_from(used), max_size=3, unique=True))
    equation = ",".join(map("".join, terms)) + "->" + "".join(output)
    shapes = [tuple(sizes[each] for each in term) for term in terms]
    with FlopRegistry(nn.Identity()) as seen:
        torch.einsum(equation, *(torch.empty(shape, device="meta") for shape in shapes))
    found = formulas.einsum(equation, shapes)
    assert (2 * found.macs, found.activations) == (
        sum(seen.flops.values()),
        seen.activations,
    )


def test_attention_has_its_scores_among_the_activations() -> None:
    def fused(x: torch.Tensor) -> torch.Tensor:
        return F.scaled_dot_product_attention(x, x, x)

    def unfused(x: torch.Tensor) -> torch.Tensor:
        return (x @ x.mT).softmax(-1) @ x

    for function in (fused, unfused):
        found = count(Foreign("net", Applied(function)), (Input((1, 3, 8, 5)),), BOTH)
        assert found.faults() == []
        for each in found.measured:
            assert each.activations == 3 * 8 * 8 + 3 * 8 * 5


def test_what_nobody_knows_has_no_answer() -> None:
    found = count(Foreign("net", Applied(torch.fft.rfft2)), (IMAGE,), BOTH)
    assert found.answer is None
    assert found.faults() == [
        "fvcore does not know fft_rfft2 ×1: there may be more MACs",
        "torch does not know _fft_r2c ×1: there may be more MACs",
        (
            "--operator aten::_fft_r2c=MACS says what it multiplies, such as "
            "2*prod(x[0])*x[1][-2] of the shapes x that go in; or from Python, "
            "effscale.teach('aten::_fft_r2c', function)"
        ),
    ]


@torch.library.custom_op("effscale_tests::mix", mutates_args=())
def mix(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return x @ y


@mix.register_fake
def _(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return x.new_empty(*x.shape[:-1], y.shape[-1])


def test_an_operator_is_taught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formulas, "_taught", {})
    net = nn.Sequential(nn.Identity(), Applied(lambda x: mix(x, x)))
    before = count(Foreign("net", net), (IMAGE,), BOTH)
    assert before.answer is None
    assert before.faults()[0] == (
        "fvcore does not know effscale_tests::mix ×1 in 1: there may be more MACs"
    )
    es.teach("effscale_tests::mix", arithmetic("prod(x[0])*x[1][-1]"))
    found = count(Foreign("net", net), (IMAGE,), BOTH)
    assert found.faults() == []
    for each in found.measured:
        assert (each.macs, each.activations) == (3 * 8**3, 3 * 64)
        assert each.modules["1"] == 3 * 8**3


def deformed(
    x: torch.Tensor, weight: torch.Tensor, offset: torch.Tensor
) -> torch.Tensor:
    """The shapes of torchvision's operator at a stride of 1, and no values."""
    return x.new_zeros(len(x), len(weight), *offset.shape[2:])


def test_a_deformable_convolution_counts_as_a_plain_one() -> None:
    """Samples taken between positions are free, as resizing is."""
    name = "torchvision::deform_conv2d"
    if not hasattr(torch.ops.torchvision, "deform_conv2d"):
        torch.library.custom_op(name, deformed, mutates_args=()).register_fake(deformed)
    weight, offset = torch.zeros(6, 3, 3, 3), torch.zeros(1, 18, 6, 6)
    net = Applied(lambda x: torch.ops.torchvision.deform_conv2d(x, weight, offset))
    found = count(Foreign("net", net), (IMAGE,), ("fvcore",))
    assert found.answer is not None
    assert found.answer.by_kind()["convolution"] == 27 * 6 * 36


def test_products_that_make_weights_are_set_apart() -> None:
    spectral = nn.utils.parametrizations.spectral_norm
    net = nn.Sequential(spectral(nn.Conv2d(3, 4, 3)), spectral(nn.Conv2d(4, 5, 1)))
    found = count(Foreign("net", net), (IMAGE,), BOTH)
    assert found.faults() == []
    for each in found.measured:
        assert each.macs == each.modules[""] == 27 * 4 * 36 + 20 * 36
        # Of a matrix u·(W·v): as many as W has numbers, and u.
        assert sum(filter(None, each.apart.values())) == 27 * 4 + 4 + 20 + 5
        assert each.activations == 9 * 36


class LowRank(nn.Module):
    """An image times a product of two parameters, by a function."""

    def __init__(
        self, function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    ) -> None:
        super().__init__()
        self.function = function
        self.a, self.b = (nn.Parameter(torch.zeros(s)) for s in ((8, 2), (2, 5)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(1, 3, 8, 8) to what becomes of (3, 8, 8) and (8, 5)."""
        return self.function(x[0], self.a @ self.b)


#: Products of a map and a weight, by another way, and whether the weight is behind.
SPELT: dict[str, tuple[Callable[[torch.Tensor, torch.Tensor], torch.Tensor], bool]] = {
    "matmul": (lambda x, w: x @ w, True),
    "of what is no row": (lambda x, w: x.mT @ w, True),
    "linear": (lambda x, w: F.linear(x, w.T), True),
    "einsum": (lambda x, w: torch.einsum("bni,io->bno", x, w), True),
    "batches": (lambda x, w: torch.bmm(x, w.expand(3, -1, -1)), True),
    "a sum and batches": (
        lambda x, w: torch.baddbmm(x[..., :5], x, w.expand(3, -1, -1)),
        True,
    ),
    "attention": (
        lambda x, w: F.scaled_dot_product_attention(x[..., :5], w, w)[..., :0].sum(),
        True,
    ),
    "einsum the other way": (lambda x, w: torch.einsum("io,bni->bno", w, x), False),
    "matmul the other way": (lambda x, w: w.T @ x.mT, False),
    "nothing summed": (lambda x, w: torch.einsum("bni,i->bni", x, w[:, 0]), False),
}


@pytest.mark.parametrize("name", SPELT)
def test_what_makes_a_weight_is_set_apart_alike(name: str) -> None:
    """Whatever torch makes of the product: it swaps factors, or repeats them."""
    function, behind = SPELT[name]
    found = count(Foreign("net", LowRank(function)), (IMAGE,), BOTH)
    assert (found.faults(), found.alone()) == ([], [])
    for each in found.measured:
        assert sum(filter(None, each.apart.values())) == (80 if behind else 0)


class Takes(nn.Module):
    """Tensors in a dictionary, in a list, or by keyword."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(
        self,
        batch: dict[str, torch.Tensor] | list[torch.Tensor],
        *,
        more: torch.Tensor | None = None,
        **_rest: torch.Tensor,
    ) -> torch.Tensor:
        """The first of them, and what else there is."""
        first = batch["image"] if isinstance(batch, dict) else batch[0]
        out: torch.Tensor = self.conv(first)
        return out if more is None else out @ more


@pytest.mark.parametrize(
    ("asked", "macs", "said"),
    [
        ((("image", [((1, 3, 8, 8), None)], False),), 12 * 64, ["image=1x3x8x8"]),
        (
            (("", [((1, 3, 8, 8), None), ((1, 3, 4, 4), None)], True),),
            12 * 64,
            ["1x3x8x8,1x3x4x4"],
        ),
        (
            (("", [((1, 3, 8, 8), None)], True), ("more", [((8, 2), None)], False)),
            12 * 64 + 4 * 64 * 2,
            ["1x3x8x8,", "more=8x2"],
        ),
    ],
)
def test_inputs_are_as_the_module_takes_them(
    asked: tuple[Asked, ...], macs: int, said: list[str]
) -> None:
    net = Takes()
    inputs, keywords = given_to(net, asked)
    found = count(Foreign("net", net), inputs, BOTH, keywords)
    assert (found.faults(), found.alone()) == ([], [])
    assert [each.macs for each in found.measured] == [macs, macs]
    assert found.measured[0].modules["conv"] == found.measured[1].modules["conv"]
    assert said_of(inputs, keywords) == said


class Branches(nn.Module):
    """Scripted code, whose insides a trace does not show."""

    def __init__(self) -> None:
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.script = torch.jit.script(nn.Conv2d(3, 4, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) to (N, 4, H, W)."""
        out: torch.Tensor = self.script(x)
        return out


def test_a_scripted_child_is_counted() -> None:
    found = count(Foreign("net", Branches()), (IMAGE,), BOTH)
    assert found.faults() == []
    assert found.answer is not None
    assert (found.answer.engine, found.answer.macs) == ("torch", 12 * 64)
    assert (found.answer.params, found.answer.modules["script"]) == (16, 12 * 64)


class Hidden(torch.autograd.Function):
    """A product in code that a trace does not show."""

    @staticmethod
    def forward(_context: object, x: torch.Tensor) -> torch.Tensor:
        """x·x."""
        return x @ x


def test_where_one_is_whole_the_answer_is_its_own() -> None:
    found = count(Foreign("net", Applied(Hidden.apply)), (IMAGE,), BOTH)
    assert found.answer is not None
    assert found.answer.macs == 3 * 8**3
    assert found.alone() == [
        (
            "fvcore does not know prim::PythonOp.Hidden ×1; the answer is torch's, "
            "which knows it all"
        )
    ]
    alone = count(Foreign("net", Applied(Hidden.apply)), (IMAGE,), ["fvcore"])
    assert alone.answer is None
    assert alone.faults()[-1] == "--measure torch looks into what fvcore cannot"


class Square(torch.autograd.Function):
    """Elementwise code that a trace does not show."""

    @staticmethod
    def forward(_context: object, x: torch.Tensor) -> torch.Tensor:
        """x²."""
        return x * x


def test_what_one_knows_has_no_product_where_both_count_the_same() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), Applied(Square.apply))
    found = count(Foreign("net", net), (IMAGE,), BOTH)
    assert found.measured[0].skipped == {"prim::PythonOp.Square": 1}
    assert (found.same, found.faults(), found.alone()) == (True, [], [])


def test_on_meta_and_compiled_a_module_is_counted() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
    on_meta = count(Foreign("net", net.to("meta")), (IMAGE,), BOTH)
    assert on_meta.answer is not None
    assert (on_meta.answer.engine, on_meta.answer.macs) == ("torch", 12 * 64)


def test_inputs_are_shown_as_they_are_asked_for() -> None:
    assert shown(IMAGE) == "1x3x8x8"
    assert shown(Input((1, 77), torch.int64)) == "1x77:int64"


class Listed(nn.Module):
    """Layers in a list, which itself is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) to the same shape."""
        for each in self.layers:
            x = each(x)
        return x


def test_a_list_costs_what_it_holds() -> None:
    found = count(Foreign("net", Listed()), (IMAGE,), BOTH)
    assert len(found.measured) == 2
    for each in found.measured:
        modules = each.modules
        assert modules["layers"] == modules[""] == 2 * modules["layers.1"] == 2 * 9 * 64


def test_a_keyword_that_only_stars_take_is_said() -> None:
    def made(width: int = 1, **kw: object) -> nn.Module:
        return nn.Conv2d(width, len(kw), 1)

    assert swallowed("--arg", "made", made, ["width", "widht"]) == (
        "--arg widht: no parameter of made, whose **kw takes it; did you mean 'width'?",
    )
    assert swallowed("--arg", "dict", dict, ["a"]) == ()


@torch.library.custom_op("effscale_tests::seen", mutates_args=())
def seen(x: torch.Tensor) -> None:
    """Something or other of x, which nothing comes of."""


@seen.register_fake
def _(_x: torch.Tensor) -> None:
    return None


class Looking(nn.Module):
    """Two products: one is put out as what no tracer knows, one is not put out."""

    def __init__(self, out: Callable[[torch.Tensor], Any], look: bool = False) -> None:  # noqa: FBT001, FBT002
        super().__init__()
        self.used, self.unused = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 2, 1)
        self.out, self.look = out, look

    def forward(self, x: torch.Tensor) -> Any:  # noqa: ANN401
        """(N, 3, H, W) to anything."""
        if self.look:
            seen(x)
        self.unused(x)
        return self.out(self.used(x))


def test_what_is_in_no_output_is_counted_and_said() -> None:
    found = count(Foreign("net", Looking(lambda x: x)), (IMAGE,), BOTH)
    assert found.answer is not None
    assert (found.same, found.answer.macs, found.unused) == (True, 18 * 64, 6 * 64)
    assert found.measured[0].modules["unused"] == 6 * 64


@pytest.mark.parametrize("out", [lambda x: {"a": x, "n": 3}, lambda x: iter([x])])
def test_outputs_of_any_kind_are_traced(out: Callable[[torch.Tensor], Any]) -> None:
    found = count(Foreign("net", Looking(out)), (IMAGE,), BOTH)
    assert (found.same, found.alone(), found.unused) == (True, [], 0)
    assert [each.macs for each in found.measured] == [18 * 64, 18 * 64]


def test_an_unknown_operator_that_puts_nothing_out_is_not_free() -> None:
    found = count(Foreign("net", Looking(lambda x: x, look=True)), (IMAGE,), BOTH)
    assert found.answer is None
    assert found.faults()[0] == (
        "torch does not know effscale_tests::seen ×1: there may be more MACs"
    )


class Adjacent(nn.Module):
    """Rows added up by a table that is mostly zeros."""

    def __init__(self, table: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("table", table)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(1, 3, 8, 8) to (8, 8)."""
        assert isinstance(self.table, torch.Tensor)
        return self.table @ x[0, 0]


@pytest.mark.filterwarnings("ignore:Sparse CSR")
def test_what_is_sparse_depends_on_what_is_in_it() -> None:
    for table in (torch.eye(8).to_sparse_csr(), torch.eye(8).to_sparse()):
        found = count(Foreign("net", Adjacent(table)), (IMAGE,), BOTH)
        assert found.answer is None


def test_weights_of_constants_are_set_apart() -> None:
    layer = nn.Linear(8, 8)
    orthogonal = nn.utils.parametrizations.orthogonal(layer, orthogonal_map="cayley")
    found = count(Foreign("net", orthogonal), (IMAGE,), BOTH)
    assert found.same
    assert [each.macs for each in found.measured] == [24 * 64, 24 * 64]
    assert dict(found.best.apart) == {"aten::linalg_solve": None, "matmul": 8**3}


def test_an_exported_module_is_counted() -> None:
    exported = torch.export.export(nn.Conv2d(3, 4, 1), (torch.zeros(1, 3, 8, 8),))
    found = count(Foreign("net", exported.module()), (IMAGE,), BOTH)
    assert (found.faults(), found.best.macs) == ([], 12 * 64)


class Noting(nn.Module):
    """Attends to all that it was ever given, and keeps a product of its weights."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(8, 8))
        self.kept: dict[str, list[torch.Tensor]] = {"rows": []}
        self.square: torch.Tensor | None = None
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(1, 3, 8, 8) to (1, 3, 8, 8·calls)."""
        self.calls += 1
        self.kept["rows"].append(x)
        if self.square is None:
            self.square = self.weight @ self.weight
        self.last = x.shape
        again = random.randint(1, 9)  # noqa: S311 - no secret
        for _ in range(again):
            x = x @ self.square
        return x @ torch.cat(self.kept["rows"], -2).mT


def test_what_a_module_notes_for_its_next_call_is_put_back() -> None:
    net = Noting()
    found = count(Foreign("net", net), (IMAGE,), BOTH)
    assert (found.faults(), found.same) == ([], True)
    assert (net.kept, net.square, net.calls) == ({"rows": []}, None, 0)
    assert not hasattr(net, "last")


@pytest.mark.parametrize("order", ["nuc", 2])
def test_products_within_a_free_operator_are_not_free(order: Any) -> None:  # noqa: ANN401
    net = Applied(lambda x: torch.linalg.norm(x[0, 0], order))
    assert count(Foreign("net", net), (IMAGE,), BOTH).answer is None


def test_code_that_exits_is_an_error() -> None:
    with pytest.raises(MeasureError, match="running it raised SystemExit: 3"):
        count(Foreign("net", Applied(lambda _: sys.exit(3))), (IMAGE,), BOTH)


def test_what_a_function_within_lacks_is_no_input() -> None:
    net = Applied(lambda x: 2 * F.layer_norm(x))  # type: ignore[call-arg]
    with pytest.raises(MeasureError) as caught:
        count(Foreign("net", net), (IMAGE,), BOTH)
    assert "argument: 'normalized_shape'" in str(caught.value)
    assert "SIDES" not in str(caught.value)


def ragged(layout: torch.layout) -> Callable[[torch.Tensor], torch.Tensor]:
    """Rows of an image, eight and five, times a matrix, as nested tensors."""

    def function(x: torch.Tensor) -> torch.Tensor:
        rows = [x[0, 0], x[0, 1, :5]]
        made = F.linear(torch.nested.as_nested_tensor(rows, layout=layout), x[0, 2])
        return made.to_padded_tensor(0.0)

    return function


def attending(x: torch.Tensor) -> Any:  # noqa: ANN401
    """Three heads of eight queries, with a score of its own."""
    from torch.nn.attention.flex_attention import flex_attention

    return flex_attention(x, x, x, lambda score, *_: score + 1)


def branching(x: torch.Tensor) -> Any:  # noqa: ANN401
    """One of two branches, of eight and sixteen rows."""
    rows = x[0, 0]
    one, two = (lambda y: y @ y), (lambda y: torch.cat([y, y]) @ y[:, :8])
    return torch.cond(rows.sum() > 0, two, one, (rows,))


def scanning(x: torch.Tensor) -> Any:  # noqa: ANN401
    """Eight products, one after another."""
    from torch._higher_order_ops.scan import scan

    return scan(lambda at, row: (row @ x[0, 1] + at, row + 1), x[0, 0, 0], x[0, 0])[1]


@pytest.mark.parametrize(
    ("function", "macs"),
    [
        (ragged(torch.jagged), 13 * 64),
        (ragged(torch.strided), 13 * 64),
        (attending, 2 * 3 * 8**3),
        (branching, 8**3),
        (scanning, 8 * 64),
    ],
)
def test_what_is_called_within_an_operator_is_counted(
    function: Callable[[torch.Tensor], Any], macs: int
) -> None:
    found = count(Foreign("net", Applied(function)), (IMAGE,), BOTH)
    assert found.answer is not None
    assert (found.answer.engine, found.answer.macs) == ("torch", macs)
    assert len(found.alone()) == 1


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_a_scripted_complex_convolution_is_refused() -> None:
    own = torch.jit.script(nn.Conv2d(3, 4, 3, dtype=torch.complex64))
    image = (Input((1, 3, 8, 8), torch.complex64),)
    with pytest.raises(MeasureError, match="three real convolutions of a scripted"):
        count(Foreign("net", nn.Sequential(own)), image, BOTH)


def test_what_generators_make_is_counted() -> None:
    def function(x: torch.Tensor) -> Any:  # noqa: ANN401
        return {"maps": [(each @ each for each in x[0])], "rows": map(torch.relu, x)}

    found = count(Foreign("net", Applied(function)), (IMAGE,), BOTH)
    assert (found.faults(), found.alone(), found.unused) == ([], [], 0)
    assert [each.macs for each in found.measured] == [3 * 8**3, 3 * 8**3]


def test_what_is_ready_to_be_quantized_is_none_that_is() -> None:
    assert not load("torch.ao.nn.quantized:FloatFunctional", {}).notes
    with pytest.raises(MeasureError, match="found quantized ones"):
        load("torch.ao.nn.quantized:QFunctional", {})
