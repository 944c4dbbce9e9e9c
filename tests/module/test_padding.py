"""Where `same` padding lies, held to TensorFlow's own words in plain torch."""

from __future__ import annotations

from math import ceil

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.nn import functional

import effscale as es
from effscale.module.operators import module_of
from effscale.network.network import network
from effscale.network.operators.convolution import Conv, margins
from effscale.network.operators.pooling import Pool
from tests.examples import examples
from tests.module.test_reference import randomise

pytestmark = pytest.mark.torch
some = examples(60)

SIDES, STEPS = st.integers(1, 12), st.integers(1, 4)
ODD = st.sampled_from([1, 3, 5, 7])


def padded(x: torch.Tensor, reach: int, stride: int, value: float) -> torch.Tensor:
    """As tf.nn's "Notes on padding" has it, side by side."""
    around: list[int] = []
    for side in reversed(x.shape[2:]):
        last = side % stride or stride
        total = max(reach - last, 0)
        around += [total // 2, total - total // 2]
    return functional.pad(x, around, value=value)


def image(height: int, width: int) -> torch.Tensor:
    torch.manual_seed(height * 100 + width)
    return torch.randn(2, 3, height, width, dtype=torch.float64)


def test_a_window_begins_at_the_first_pixel_of_an_even_side() -> None:
    row = torch.tensor([[[[1.0, 2.0, 3.0, 4.0]]]])
    sums = []
    for padding in ("same", "tensorflow"):
        conv = module_of(Conv(1, 1, (1, 3), (1, 2), padding=padding))
        assert isinstance(conv, torch.nn.Conv2d)
        torch.nn.init.ones_(conv.weight)
        sums.append(conv(row).flatten().tolist())
    assert sums == [[1 + 2, 2 + 3 + 4], [1 + 2 + 3, 3 + 4]]


@some
@given(SIDES, SIDES, ODD, STEPS, st.integers(1, 3))
def test_convolutions_pad_as_tensorflow(
    height: int, width: int, kernel: int, stride: int, dilation: int
) -> None:
    conv = Conv(
        *(3, 4, (kernel, kernel), (stride, stride)),
        padding="tensorflow",
        dilation=dilation,
    )
    module = module_of(conv).double()
    x = image(height, width)
    reach = dilation * (kernel - 1) + 1
    around = padded(x, reach, stride, 0.0)
    weight = module.weight
    assert isinstance(weight, torch.Tensor)
    expected = functional.conv2d(around, weight, None, stride, 0, dilation)
    torch.testing.assert_close(module(x), expected)
    assert module(x).shape[2:] == (ceil(height / stride), ceil(width / stride))


@some
@given(SIDES, SIDES, st.integers(1, 5), STEPS)
def test_pools_leave_out_the_padding(
    height: int, width: int, kernel: int, stride: int
) -> None:
    assume(kernel % 2 or kernel == stride)
    window = (kernel, kernel), (stride, stride)
    x = image(height, width)
    largest = module_of(Pool("max", *window, padding="tensorflow"))
    around = padded(x, kernel, stride, float("-inf"))
    torch.testing.assert_close(
        largest(x), functional.max_pool2d(around, kernel, stride)
    )
    mean = module_of(Pool("avg", *window, padding="tensorflow"))
    sums, counts = (
        functional.avg_pool2d(padded(each, kernel, stride, 0.0), kernel, stride)
        for each in (x, torch.ones_like(x))
    )
    torch.testing.assert_close(mean(x), sums / counts)


@given(st.integers(1, 500), st.integers(1, 31), st.integers(1, 8))
def test_margins_are_the_least_that_windows_need(
    side: int, reach: int, stride: int
) -> None:
    before, after = margins(side, reach, stride)
    windows = ceil(side / stride)
    assert 0 <= after - before <= 1
    needed = (windows - 1) * stride + reach
    assert side + before + after == max(needed, side)


@pytest.mark.parametrize("name", ["d0", "efficientdet-lite0"])
def test_a_detector_pads_as_its_backbone(name: str) -> None:
    spec = es.load(name)
    assert spec.padding == "tensorflow"
    modules = es.build(spec, init=False, device="meta").modules()
    pools = [each for each in modules if isinstance(each, torch.nn.MaxPool2d)]
    assert pools
    assert all("forward" in vars(each) for each in pools)


def test_weights_fit_either_padding_and_outputs_differ() -> None:
    tensorflow = es.load("b0").model_copy(update={"resolution": (32, 32)})
    centred = tensorflow.model_copy(update={"padding": "centred"})
    ours, other = es.build(tensorflow).eval(), es.build(centred).eval()
    randomise(ours)
    other.load_state_dict(ours.state_dict())
    x = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        assert not torch.allclose(ours(x), other(x), atol=1e-3)
        # Of 33 pixels every side that meets a stride is odd: 33, 17, 9, 5, 3.
        odd = torch.randn(1, 3, 33, 33)
        torch.testing.assert_close(ours(odd), other(odd))


def test_padding_changes_no_figure() -> None:
    spec = es.load("b0")
    centred = spec.model_copy(update={"padding": "centred"})
    assert es.count(spec) == es.count(centred)
    assert network(spec) != network(centred)
