"""Tests of `effscale.module.onnx_nodes`: whose the nodes are that ran."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import torch

import effscale as es
from effscale.cost.count import visited
from effscale.cost.latency_model import Device, Work
from effscale.module.calibrate import Bench, Timed, by_operator, learnt
from effscale.module.onnx_nodes import Node, Profile, in_order
from effscale.network.network import network

if TYPE_CHECKING:
    from pathlib import Path

    from effscale.cost.count import Visit

pytestmark = pytest.mark.torch

ONNX = Device(runtime="onnxruntime")
SPEC = """
name: small
resolution: 32
activation: relu
stem: {kernel: 3, stride: 2, channels: 12}
stages:
  - {block: mbconv, kernel: 3, stride: 2, expand_ratio: 2, channels: 16,
     repeats: 2, se_ratio: 0.25}
head: {channels: 24, classes: 10}
"""


def steps() -> list[Visit]:
    net = network(es.loads(SPEC))
    return [step for part in visited(net, unroll=True) for step in part.visits]


def by_path(nodes: list[Node], batch: int = 1) -> dict[str, float | None]:
    every = steps()
    found = in_order(every, nodes, batch)
    return {step.path: each for step, each in zip(every, found, strict=True)}


def test_a_node_may_be_padded_and_merged_with_what_follows() -> None:
    stem = Node("Conv", (2, 16, 16, 16), (16, 3, 3, 3), 7e-6)
    found = by_path([stem], batch=2)
    assert found["stem.conv"] == 7e-6
    assert found["stem.norm"] == found["stem.act"] == 0
    assert found["stages.0.0.expand.conv"] is None  # it is a node wherever it is run
    assert by_path([stem], batch=1)["stem.conv"] is None


@pytest.mark.parametrize(
    ("operator", "made", "weights"),
    [
        ("Conv", (1, 16, 16, 16), (16, 3, 5, 5)),  # another kernel
        ("Conv", (1, 32, 16, 16), (32, 3, 3, 3)),  # wider than a vector more
        ("Conv", (1, 8, 16, 16), (8, 3, 3, 3)),
        ("Conv", (1, 16, 15, 15), (16, 3, 3, 3)),
        ("Conv", (1, 16, 16, 16), (16, 32, 3, 3)),
        ("MatMul", (1, 256, 12), (3, 12)),
    ],
)
def test_of_another_shape_it_is_another(
    operator: str, made: tuple[int, ...], weights: tuple[int, ...]
) -> None:
    assert by_path([Node(operator, made, weights, 1.0)])["stem.conv"] is None


def test_equal_operators_are_told_in_their_order() -> None:
    nodes = [
        Node("Conv", (1, 16, 8, 8), (16, 24, 1, 1), 1.0),
        Node("Sigmoid", (1, 24, 1, 1), (), 2.0),
        Node("Conv", (1, 16, 8, 8), (16, 32, 1, 1), 3.0),
        Node("Sigmoid", (1, 32, 1, 1), (), 4.0),
        Node("Gemm", (1, 10), (10, 24), 5.0),
    ]
    found = by_path(nodes)
    gates = [each for path, each in found.items() if path.endswith("gate")]
    projected = [each for path, each in found.items() if path.endswith("project.conv")]
    assert (projected, gates) == ([1.0, 3.0], [2.0, 4.0])
    assert found["head.classifier"] == 5


def test_what_is_merged_at_times_takes_as_much_less() -> None:
    work = [("act relu", Work(0, n, 0, 1, n, n)) for n in (100, 200, 300, 400)]
    whole = [("sum", Work(0, 100, 0))]

    def kind(each: list[float | None]) -> float:
        timed = [Timed("a", [*work, *whole], 2000.0, [*each, None])] * 2
        known = learnt(timed)["act relu"]
        return float(known.of(Work(0, 1000, 0, 1, 1000, 1000))[0])

    always = kind([100.0, 200.0, 300.0, 400.0])
    assert kind([100.0, 0.0, 300.0, 0.0]) == pytest.approx(always / 2, rel=0.3)
    assert kind([0.0] * 4) == 0


def test_a_node_too_short_for_the_clock_has_run_all_the_same(tmp_path: Path) -> None:
    args: dict[str, object] = {
        "op_name": "Gemm",
        "output_type_shape": [{"float": [1, 10]}],
    }
    args["input_type_shape"] = [{"float": [1, 24]}, {"float": [10, 24]}]
    node: dict[str, object] = {
        "cat": "Node",
        "name": "x_kernel_time",
        "dur": 0,
        "args": args,
    }
    run: dict[str, object] = {"cat": "Session", "name": "model_run"}
    events = [run, node, run, node]
    noted = tmp_path / "nodes.json"
    listed = [{**each, "ts": moment} for moment, each in enumerate(events)]
    noted.write_text(json.dumps(listed), encoding="utf-8")
    session = SimpleNamespace(end_profiling=lambda: str(noted))
    (found,) = Profile(lambda: None, session, lambda: None).rounds()
    assert found == [Node("Gemm", (1, 10), (10, 24), 0.5e-6)]


def test_each_convolution_of_a_network_is_a_node(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("onnxruntime")
    traced, exported = list[bool](), torch.export.export

    def export(*given: Any, strict: bool, **options: Any) -> object:  # noqa: ANN401
        traced.append(strict)
        return exported(*given, strict=strict, **options)

    monkeypatch.setattr(torch.export, "export", export)
    assert by_operator(ONNX)
    assert not by_operator(Device("cuda:0", runtime="onnxruntime"))
    bench = Bench(ONNX)
    found = bench.by_operator("small", es.loads(SPEC))
    times = dict[str, list[float | None]]()
    for (kind, _), each in zip(found.work, found.each, strict=True):
        times.setdefault(kind, []).append(each)
    for kind in ("conv", "pointwise", "depthwise", "linear"):
        assert all(times[kind]), kind
    assert {*times["batchnorm"]} == {0.0}
    assert times["sum"] == [None]
    assert bench.unit > 0
    assert not any(traced)  # a second time, by a compiler, as what cannot be otherwise
    assert traced
    assert sum(each or 0 for each in found.each) > 0
