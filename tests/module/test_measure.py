"""Tests of `effscale.module.measure`: figures, what is skipped, what is left alone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar, TypeAlias, get_args

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - its usual name
from torch.utils.flop_counter import FlopCounterMode

import effscale as es
from effscale.cost.conventions import conventions
from effscale.cost.count import layer_costs
from effscale.errors import MeasureError
from effscale.module.measure import Engine, measure
from effscale.network.network import network

pytestmark = pytest.mark.torch

ENGINES = get_args(Engine)
engines = pytest.mark.parametrize("engine", ENGINES)
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")
Function: TypeAlias = Callable[[torch.Tensor], torch.Tensor]


class Apply(nn.Module):
    """A convolution of 4 channels, and what comes after it."""

    def __init__(self, after: nn.Module) -> None:
        super().__init__()
        self.conv, self.after = nn.Conv2d(3, 4, 1, bias=False), after

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) to whatever comes after."""
        out: torch.Tensor = self.after(self.conv(x))
        return out


class Products(nn.Module):
    """Scores of each channel for each other, and their mixture."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, C, W·H)."""
        scores = torch.einsum("nchw,ndhw->ncd", x, x)
        return scores.softmax(2) @ x.flatten(2)


@engines
@pytest.mark.parametrize(
    ("after", "macs", "params", "activations"),
    [
        # On a 4×6×8 map. Convolutions: weights times positions.
        (nn.Conv2d(4, 8, 3, padding=1), 288 * 48, 288 + 8, 8 * 48),
        (nn.Conv2d(4, 8, 3, 2, 1, groups=2), 144 * 12, 144 + 8, 8 * 12),
        (nn.Conv2d(4, 8, (1, 3), dilation=(1, 3)), 96 * 12, 96 + 8, 8 * 12),
        (nn.ConvTranspose2d(4, 2, 2, 2, bias=False), 32 * 48, 32, 2 * 192),
        (nn.Linear(8, 5), 40 * 24, 40 + 5, 5 * 24),
        (nn.Linear(8, 5, bias=False), 40 * 24, 40, 5 * 24),
        (Products(), 4 * 4 * 48 + 4 * 4 * 48, 0, 4 * 4 + 4 * 48),
        # Whatever else there is costs nothing.
        (nn.BatchNorm2d(4), 0, 8, 0),
        (nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Sigmoid(), nn.Flatten()), 0, 0, 0),
        (nn.LayerNorm(8), 0, 16, 0),
        (nn.Upsample(scale_factor=2, mode="bilinear"), 0, 0, 0),
        (nn.Upsample(scale_factor=2, mode="nearest"), 0, 0, 0),
    ],
    ids=str,
)
def test_multiply_accumulates_params_and_outputs_are_counted(
    after: nn.Module, macs: int, params: int, activations: int, engine: Engine
) -> None:
    measured = measure(Apply(after), (6, 8), engine=engine)
    assert measured.macs == 12 * 48 + macs
    assert measured.params == 12 + params
    assert measured.activations == 4 * 48 + activations
    assert measured.engine == engine


@engines
def test_frozen_parameters_are_parameters_that_are_not_trained(engine: Engine) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 5, 1))
    net[0].requires_grad_(requires_grad=False)
    measured = measure(net, 2, engine=engine)
    assert (measured.params, measured.trainable) == (16 + 20 + 5, 20 + 5)


@engines
def test_a_lazy_module_takes_its_shapes_from_what_goes_in(engine: Engine) -> None:
    conv, linear = nn.LazyConv2d(4, 3), nn.LazyLinear(5)
    lazy = nn.Sequential(conv, nn.LazyBatchNorm2d(), nn.Flatten(), linear)
    measured = measure(lazy.train(), (6, 8), engine=engine)
    assert measured.macs == 4 * 24 * 27 + 4 * 24 * 5
    assert measured.params == 4 * (27 + 1) + 8 + 5 * (4 * 24 + 1)
    assert lazy.training
    assert lazy[1].num_batches_tracked == 0


@engines
def test_parameters_may_be_whole_numbers(engine: Engine) -> None:
    coded = nn.Identity()
    coded.codes = nn.Parameter(torch.arange(5), requires_grad=False)
    net = nn.Sequential(nn.Conv2d(3, 4, 1), coded)
    measured = measure(net, 2, engine=engine)
    assert (measured.params, measured.trainable) == (16 + 5, 16)


@engines
def test_one_number_is_a_square_and_channels_are_free(engine: Engine) -> None:
    net = nn.Conv2d(5, 2, 1)
    square = measure(net, 6, engine=engine, image_channels=5)
    assert square == measure(net, (6, 6), engine=engine, image_channels=5)
    assert square.macs == 10 * 36


@engines
def test_an_image_that_the_module_does_not_take_is_refused(engine: Engine) -> None:
    net = nn.Conv2d(5, 2, 1)
    with pytest.raises(MeasureError, match="running 1×3×6×6 raised "):
        measure(net, 6, engine=engine)


def test_an_engine_that_is_none_is_refused() -> None:
    with pytest.raises(MeasureError, match="engine: expected one of fvcore, torch"):
        measure(nn.Conv2d(3, 2, 1), 6, engine="timm")  # type: ignore[arg-type]


@engines
def test_the_image_has_the_type_of_the_weights(engine: Engine) -> None:
    assert measure(nn.Conv2d(3, 1, 1).double(), 2, engine=engine).macs == 12


@engines
def test_each_layer_measures_what_we_count(b0: es.Spec, engine: Engine) -> None:
    spec = b0.model_copy(update={"resolution": (63, 49)})
    measured = measure(es.build(spec), (63, 49), engine=engine)
    leaves = layer_costs(network(spec))
    counted = {each.visit.path: each.cost.macs for each in leaves if each.cost.macs}
    assert {path: measured.modules[path] for path in counted} == counted
    assert len(counted) == 16 * 5 - 1 + 3
    assert measured.modules[""] == measured.macs == sum(counted.values())


@engines
def test_a_layer_used_twice_costs_twice_and_has_its_params_once(engine: Engine) -> None:
    shared = nn.Conv2d(3, 3, 1)
    measured = measure(nn.Sequential(shared, shared), 4, engine=engine)
    assert measured.macs == measured.modules[""] == 2 * 9 * 16
    assert measured.params == 12


def test_operators_are_in_the_counters_own_unit(b0: es.Spec) -> None:
    net = es.build(b0, init=False)
    macs, numbers = es.count(b0).macs, conventions(network(b0))
    torchs = measure(net, 224, engine="torch").operators
    assert set(torchs) == {"convolution", "addmm"}
    assert sum(torchs.values()) == numbers["torch"] == 2 * macs == 771_629_504
    fvcores = measure(net, 224).operators
    assert set(fvcores) == {"conv", "linear", "batch_norm", "adaptive_avg_pool2d"}
    # What FlopCountAnalysis(net, image).total() of fvcore 0.1.5 prints for B0.
    assert sum(fvcores.values()) == numbers["fvcore"] == 401_659_392


def test_calls_without_a_cost_are_listed(b0: es.Spec) -> None:
    net = es.build(b0, init=False)
    # A norm each but for project, and one in each squeeze; 16 gates; 9 skips.
    free = {"silu": 33 + 16, "sigmoid": 16, "mul": 16, "add": 9}
    free["pad"] = 5  # of the strides, as TensorFlow pads
    by_fvcore = measure(net, 32).free
    assert by_fvcore == {f"aten::{name}": calls for name, calls in free.items()}
    by_torch = measure(net, 32, engine="torch").free
    free["constant_pad_nd"] = free.pop("pad")
    assert {name: by_torch[name] for name in free} == free
    assert by_torch["native_batch_norm"] == 49


def test_on_meta_torch_measures_the_same(b0: es.Spec) -> None:
    stored = measure(es.build(b0, init=False), 64, engine="torch")
    assert measure(es.build(b0, device="meta"), 64, engine="torch") == stored


def test_by_torch_nothing_is_stored() -> None:
    side = 2**24  # an image of 3 PiB, more than can be addressed
    assert measure(nn.Conv2d(3, 1, 1), side, engine="torch").macs == 3 * side**2


def test_fvcore_cannot_measure_on_meta(b0: es.Spec) -> None:
    message = "^fvcore runs the network and cannot on meta; try torch$"
    with pytest.raises(MeasureError, match=message):
        measure(es.build(b0, device="meta"), 224)


class Applied(nn.Module):
    """A function of a (1, 3, 8, 8) image after a convolution that keeps its shape."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.conv, self.function = nn.Conv2d(3, 3, 1), function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Whatever the function gives."""
        return self.function(self.conv(x))


class First(nn.Module):
    """The first of what a recurrent layer gives."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(1, 3, 8, 8), a sequence of three, to three vectors."""
        out: torch.Tensor = self.layer(x.flatten(2))[0]
        return out


def same_padding(x: torch.Tensor) -> torch.Tensor:
    return F.conv2d(x, x.new_zeros(1, 3, 3, 3), padding="same")


def distances(x: torch.Tensor) -> torch.Tensor:
    return torch.cdist(x, x)


MULTIPLIES = [
    ("fvcore", distances, "aten::cdist"),
    ("fvcore", lambda x: torch.linalg.multi_dot([*x[0]]), "aten::linalg_multi_dot"),
    (
        "fvcore",
        lambda x: torch.linalg.matrix_power(x, 3),
        "aten::linalg_matrix_power",
    ),
    ("fvcore", First(nn.GRU(64, 5)), "aten::gru"),
    ("fvcore", First(nn.LSTM(64, 5)), "aten::lstm"),
    ("fvcore", First(nn.RNN(64, 5)), "aten::rnn_tanh"),
    ("torch", torch.fft.rfft, "_fft_r2c"),
    ("torch", distances, "_cdist_forward"),
    (
        "torch",
        lambda x: distances(x).sum() + torch.fft.rfft(x),
        "_cdist_forward, _fft_r2c",
    ),
]


@pytest.mark.parametrize(("engine", "function", "name"), MULTIPLIES)
def test_a_skipped_product_is_an_error(
    engine: Engine, function: Function, name: str
) -> None:
    message = f"^{engine} cannot count {name}: the MACs would be wrong$"
    with pytest.raises(MeasureError, match=message):
        measure(Applied(function), 8, engine=engine)


@pytest.mark.parametrize(
    ("engine", "function", "name", "calls"),
    [
        ("fvcore", lambda x: x.exp() + x.exp(), "aten::exp", 2),
        ("fvcore", lambda x: x.softmax(1), "aten::softmax", 1),
        ("fvcore", lambda x: F.max_pool2d(x, 2), "aten::max_pool2d", 1),
        ("torch", lambda x: x.exp() + x.exp(), "exp", 2),
        ("torch", lambda x: x.softmax(1), "_softmax", 1),
        ("torch", lambda x: F.interpolate(x, (4, 4)), "upsample_nearest2d", 1),
        (
            "torch",
            lambda x: F.interpolate(x, (4, 4), mode="bilinear"),
            "upsample_bilinear2d",
            1,
        ),
    ],
)
def test_what_multiplies_no_matrices_is_free(
    engine: Engine, function: Function, name: str, calls: int
) -> None:
    measured = measure(Applied(function), 8, engine=engine)
    assert measured.macs == 9 * 64
    assert measured.free[name] == calls


def test_torch_counts_what_fvcore_skips() -> None:
    layer = First(nn.GRU(64, 5))  # three steps of three gates
    measured = measure(Applied(layer), 8, engine="torch")
    assert measured.macs == 9 * 64 + 3 * 3 * (64 * 5 + 5 * 5)


@pytest.mark.parametrize("engine", ["fvcore", "torch"])
def test_fvcore_is_taught_what_it_leaves_out(engine: Engine) -> None:
    """Padding by word, attention, and the fast path of torch's own attention."""
    own = 9 * 64
    assert measure(Applied(same_padding), 8, engine=engine).macs == own + 27 * 64
    # Three heads of 8 queries and keys, 8 wide: scores, and a mixture.
    attention = Applied(lambda x: F.scaled_dot_product_attention(x, x, x))
    assert measure(attention, 8, engine=engine).macs == own + 2 * 3 * 8**3
    # Three tokens 64 wide: four projections, scores and mixture, 8 hidden units.
    layer = First(nn.TransformerEncoderLayer(64, 2, 8, batch_first=True))
    macs = 3 * 4 * 64**2 + 2 * 3 * 3 * 64 + 2 * 3 * 64 * 8
    assert measure(Applied(layer), 8, engine=engine).macs == own + macs


def test_what_was_taught_is_said() -> None:
    measured = measure(Applied(same_padding), 8)
    assert measured.taught == {"conv (padding=same)": 27 * 64}
    assert measured.calls == {"conv": 1, "conv (padding=same)": 1}
    assert measured.skipped == {}


class Ends(nn.Module):
    """What a forward pass can come to."""

    def __init__(self, error: type[BaseException] | None) -> None:
        super().__init__()
        self.error = error

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`x`, if anything."""
        if self.error:
            raise self.error("on the way")
        return x


def used(error: type[BaseException] | None = None) -> nn.Sequential:
    """A net in the middle of its training: modes, hooks, gradients and statistics."""
    torch.manual_seed(0)
    conv, ends = nn.Conv2d(3, 4, 3), Ends(None)
    frozen = nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4))
    start = nn.Sequential(conv, nn.BatchNorm2d(4), nn.Dropout(0.5))
    net = nn.Sequential(start, frozen, ends, nn.Flatten(), nn.Linear(16, 2))
    net(torch.randn(5, 3, 6, 6)).sum().backward()
    frozen.eval().requires_grad_(requires_grad=False)
    conv.register_forward_hook(lambda *_: None)
    frozen.register_forward_pre_hook(lambda *_: None)
    ends.error = error
    return net


def structure(net: nn.Module) -> list[object]:
    """Modes and hooks of every module."""
    return [
        (each.training, *(tuple(getattr(each, kind).items()) for kind in HOOKS))
        for each in net.modules()
    ]


def tensors(net: nn.Module) -> list[tuple[int, int, str, bool, int | None]]:
    """Where every tensor lies, how often it was written to, and its gradient."""
    return [
        (
            each.data_ptr(),
            each._version,  # noqa: SLF001 - there is no public way
            each.device.type,
            each.requires_grad,
            None if each.grad is None else each.grad.data_ptr(),
        )
        for each in (*net.parameters(), *net.buffers())
    ]


def values(net: nn.Module) -> list[torch.Tensor]:
    found = [*net.parameters(), *net.buffers()]
    found += [each.grad for each in net.parameters() if each.grad is not None]
    return [each.detach().clone() for each in found]


@engines
@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_a_module_is_left_as_it_was(
    engine: Engine, error: type[BaseException] | None
) -> None:
    net = used(error)
    before, where, kept = structure(net), tensors(net), values(net)
    if error is None:
        assert measure(net, 6, engine=engine).macs == 108 * 16 + 144 * 4 + 32
    else:
        with pytest.raises(error, match=r"^on the way$"):
            measure(net, 6, engine=engine)
    assert structure(net) == before
    assert tensors(net) == where
    for now, then in zip(values(net), kept, strict=True):
        assert torch.equal(now, then)


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_a_module_on_meta_is_left_as_it_was(error: type[BaseException] | None) -> None:
    net = used(error).to("meta")
    before = structure(net)
    if error is None:
        measure(net, 6, engine="torch")
    else:
        with pytest.raises(error, match=r"^on the way$"):
            measure(net, 6, engine="torch")
    assert structure(net) == before
    assert all(each.is_meta for each in (*net.parameters(), *net.buffers()))


@engines
@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_torch_is_left_as_it_was(
    engine: Engine, error: type[BaseException] | None
) -> None:
    net, random = used(error), torch.get_rng_state()
    with suppress(ValueError, KeyboardInterrupt):
        measure(net, 6, engine=engine)
    assert torch.is_grad_enabled()
    assert not torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]
    assert torch.equal(torch.get_rng_state(), random)
    with FlopCounterMode(display=False) as mode:
        torch.ones(2, 2) @ torch.ones(2, 2)
    assert mode.get_total_flops() == 16
    assert measure(nn.Conv2d(3, 1, 1), 2, engine=engine).macs == 12


@engines
def test_hooks_can_still_be_removed(engine: Engine) -> None:
    conv, calls = nn.Conv2d(3, 1, 1), []
    net = nn.Sequential(conv)
    handle = conv.register_forward_hook(lambda *_: calls.append(1))
    measure(net, 2, engine=engine)
    calls.clear()
    net(torch.zeros(1, 3, 2, 2))
    assert calls == [1]
    handle.remove()
    net(torch.zeros(1, 3, 2, 2))
    assert calls == [1]


class Watches(nn.Module):
    """Notes how it is run; a twin notes it in the same place."""

    notes: ClassVar[list[tuple[bool, bool, tuple[int, ...]]]] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`x` as it comes."""
        Watches.notes.append((self.training, torch.is_grad_enabled(), x.shape))
        return x


@engines
def test_one_image_goes_through_once_in_eval_mode_without_gradients(
    engine: Engine,
) -> None:
    Watches.notes.clear()
    measure(nn.Sequential(nn.Conv2d(3, 4, 1), Watches()), (2, 5), engine=engine)
    assert Watches.notes == [(False, False, (1, 4, 2, 5))]


class Talks(nn.Module):
    """All that counters and tracers remark on."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.never_called = nn.Conv2d(3, 1, 1), nn.Conv2d(3, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """A branch that depends on a shape, and an operator that nobody counts."""
        x = self.conv(x)
        return torch.erfinv(x) if x.shape[2] > 1 else x


@engines
def test_counters_say_nothing(
    engine: Engine,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level("DEBUG")
    assert measure(Talks(), 2, engine=engine).macs == 12
    assert caplog.messages == []
    assert capfd.readouterr() == ("", "")


class Attending(nn.Module):
    """A linear layer, a product with a weight, and two of feature maps."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 6)
        self.weight = nn.Parameter(torch.ones(6, 6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to a vector for each of C·H rows."""
        rows = torch.matmul(self.linear(x.flatten(1, 2)), self.weight.t() * 2)
        scores = torch.matmul(rows, rows.transpose(1, 2))
        return torch.einsum("nij,njk->nik", scores.softmax(dim=-1), rows)


@pytest.mark.parametrize("engine", ["fvcore", "torch"])
def test_products_of_feature_maps_are_told_from_those_with_weights(
    engine: Engine,
) -> None:
    found = measure(Attending(), 8, engine=engine)
    rows = 3 * 8
    assert found.macs == rows * 6 * (8 + 6) + 2 * rows * rows * 6
    assert found.products == 2 * rows * rows * 6
    assert found.product_outputs == rows * rows + rows * 6
    assert found.activations == 3 * rows * 6 + rows * rows
