"""Tests of `effscale.module.onnx`: runs by ONNX Runtime, and what it cannot run."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from effscale import extras
from effscale.errors import MeasureError, OutputError
from effscale.module import onnx
from effscale.module.latency import Setting, Subject, images, latencies

if TYPE_CHECKING:
    from effscale.errors import EffscaleError

pytestmark = pytest.mark.torch

ONNX = Setting(batch=2, runtime="onnxruntime")


class Sum(nn.Module):
    """Of maps in a list."""

    def forward(self, maps: list[torch.Tensor]) -> torch.Tensor:
        return maps[0] + maps[1]


class Whole(nn.Module):
    """A part that is given two maps, in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.part = Sum()

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return [x, self.part([x, x * 2])]


def test_a_module_and_its_parts_are_timed() -> None:
    pytest.importorskip("onnxruntime")
    net = Whole().train()
    given = Subject("whole", net, images((3, 4, 4)), {"part": "part"})
    (found,) = latencies([given], ONNX, seconds=1e-6, rounds=2)
    assert found.setting.runtime == "onnxruntime"
    assert found.whole.median > 0
    assert found.parts["part"].median > 0
    assert net.training


@pytest.mark.slow
def test_what_it_has_no_kernels_for_is_one_line() -> None:
    pytest.importorskip("onnxruntime")
    setting = Setting(dtype="bfloat16", runtime="onnxruntime")
    given = Subject("x", nn.Conv2d(3, 4, 1), images((3, 4, 4)), {})
    with pytest.raises(MeasureError) as caught:
        latencies([given], setting, seconds=1e-6)
    said = str(caught.value)
    assert said.startswith("cannot be run by onnxruntime as bfloat16 on cpu: ")
    assert "network.onnx" not in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("there", "device", "error", "message"),
    [
        (
            False,
            "cpu",
            OutputError,
            "--runtime onnxruntime: needs onnx; pip install 'effscale[onnx]' brings it",
        ),
        (
            True,
            "cuda:1",
            MeasureError,
            (
                "device: onnxruntime 9.9 runs on cuda:1 by its CUDA provider; pip "
                "install onnxruntime-gpu brings it"
            ),
        ),
    ],
)
def test_what_is_missing_is_said(
    monkeypatch: pytest.MonkeyPatch,
    *,
    there: bool,
    device: str,
    error: type[EffscaleError],
    message: str,
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: name if there else None)
    fake = SimpleNamespace(
        __version__="9.9", get_available_providers=lambda: ["CPUExecutionProvider"]
    )
    monkeypatch.setitem(sys.modules, "onnxruntime", fake)
    setting = Setting(device=device, runtime="onnxruntime")
    with pytest.raises(error) as caught:
        onnx.runner(nn.ReLU(), (torch.ones(1),), setting)
    assert str(caught.value) == message
