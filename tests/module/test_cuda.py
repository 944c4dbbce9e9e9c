"""Tests of time and memory on CUDA, where there is a device."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

import effscale as es
from effscale.cost.latency_model import Device
from effscale.cost.memory import memory
from effscale.errors import MeasureError
from effscale.module import calibrate as calibration
from effscale.module.calibrate import Bench
from effscale.module.clocks import Stopwatch, on_cuda, waiting
from effscale.module.latency import (
    Setting,
    Subject,
    images,
    latencies,
    machine,
    ready,
    running,
    subject,
)
from effscale.network.network import network
from effscale.report.memory import WORKSPACE
from tests.spec.small import TEXT

pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

SMALLER = es.Multipliers(0.5, 0.5, 0.5)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("cuda_graph", [False, True])
def test_a_network_is_timed_by_part(dtype: str, cuda_graph: bool) -> None:  # noqa: FBT001
    setting = Setting(4, 1, dtype, "cuda", channels_last=True, cuda_graph=cuda_graph)
    given = subject(es.loads(TEXT), parts=True)
    (found,) = latencies([given], setting, seconds=0.01)
    assert found.whole.median > 0
    assert len(found.parts) == 3
    assert machine("cuda")


def test_a_compiled_network_is_timed() -> None:
    setting = Setting(device="cuda", compiled=True)
    given = Subject("x", nn.ReLU(), images((1, 8, 8)), {})
    (found,) = latencies([given], setting, seconds=0.01)
    assert found.whole.median > 0


def test_a_graph_does_what_the_network_does() -> None:
    given = subject(es.loads(TEXT), parts=False)
    setting = Setting(device="cuda", cuda_graph=True)
    with running(setting):
        prepared = ready(given, setting)
        eager = Stopwatch(partial(prepared.plain, *prepared.inputs), "cuda")
        replayed = Stopwatch(prepared.run, "cuda")
        assert 0 < replayed.settle(0.1) < eager.settle(0.1)


def test_the_device_times_operators_where_they_run() -> None:
    setting = Setting(device="cuda")
    with running(setting):
        prepared = ready(subject(es.load("b0"), parts=False), setting)
        convolutions = [x for x in prepared.plain.modules() if isinstance(x, nn.Conv2d)]
        run = partial(prepared.plain, *prepared.inputs)
        run()
        waiting("cuda")()
        whole, each = on_cuda(run, convolutions, 0.05)
    assert [len(calls) for calls in each] == [1] * len(convolutions)
    assert 0 < sum(seconds for (seconds,) in each) < 2 * whole


@pytest.mark.parametrize("cuda_graph", [False, True])
def test_what_operators_take_is_learnt(cuda_graph: bool) -> None:  # noqa: FBT001
    device = Device("cuda", cuda_graph=cuda_graph)
    bench = Bench(device)
    families = ("b0", "resnet18", "mobilenetv2", "regnety-400mf")
    found = [
        bench.by_operator(name, es.scale(es.load(name), given))
        for name in families
        for given in (SMALLER, es.Multipliers(1, 1, 1))
    ]
    model = calibration.fitted(device, found, "a machine", bench.unit)
    assert bool(model.handing) == (not cuda_graph)
    spec = es.load("mnasnet-a1")
    taken = bench.unit * bench.ratio(spec)
    assert float(model.latency(spec)) == pytest.approx(taken, rel=0.5)


@pytest.mark.parametrize("name", ["b0", "resnet50"])
def test_memory_is_what_is_counted_and_a_workspace(name: str) -> None:
    spec = es.load(name)
    counted = memory(network(spec), 1, "float32")
    net = es.build(spec, device="cuda").eval()
    before = torch.cuda.memory_allocated()
    image = torch.randn(1, 3, 224, 224, device="cuda")
    torch.cuda.reset_peak_memory_stats()
    with torch.inference_mode():
        net(image)
    peak = torch.cuda.max_memory_allocated() - before
    assert counted.peak <= peak < counted.peak + 2 * WORKSPACE


class Looks(nn.Module):
    """Looks at what it computes, which no graph can."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + float(x.sum())


def test_what_no_graph_captures_is_one_line() -> None:
    given = Subject("x", Looks(), images((1, 8, 8)), {})
    with pytest.raises(MeasureError, match="cannot be run as a CUDA graph, as float32"):
        latencies([given], Setting(device="cuda", cuda_graph=True), seconds=0.01)
    # What runs after it has a stream and random numbers.
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
    assert torch.randn(8, device="cuda").std() > 0
