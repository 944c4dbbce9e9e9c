"""Tests of `effscale.train.recipe`; CUDA is played where there is none."""

from __future__ import annotations

import pytest
import torch

from effscale.errors import TrainError
from effscale.train.recipe import device_of, precision_of

pytestmark = pytest.mark.torch


def cuda(monkeypatch: pytest.MonkeyPatch, devices: int, *, bfloat16: bool) -> None:
    def supported(*, including_emulation: bool) -> bool:
        return bfloat16 or including_emulation

    monkeypatch.setattr(torch.cuda, "is_available", lambda: devices > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: devices)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)


@pytest.mark.parametrize(
    ("name", "devices", "expected"),
    [
        ("auto", 0, "cpu"),
        ("auto", 2, "cuda"),
        ("cpu", 2, "cpu"),
        ("cuda:1", 2, "cuda:1"),
    ],
)
def test_a_device_by_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, devices: int, expected: str
) -> None:
    cuda(monkeypatch, devices, bfloat16=True)
    assert device_of(name) == torch.device(expected)


@pytest.mark.parametrize(
    ("name", "devices", "known"),
    [("cuda", 0, "cpu"), ("cuda:2", 2, "cpu or cuda:0 or cuda:1")],
)
def test_one_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, devices: int, known: str
) -> None:
    cuda(monkeypatch, devices, bfloat16=True)
    with pytest.raises(TrainError) as caught:
        device_of(name)
    message = f"device: expected {known} on this machine, got {name!r}"
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "device", "bfloat16", "expected"),
    [
        ("auto", "cpu", True, "float32"),
        ("auto", "cuda", True, "bfloat16"),
        ("auto", "cuda", False, "float32"),
        ("bfloat16", "cpu", False, "bfloat16"),
        ("float32", "cuda", True, "float32"),
    ],
)
def test_auto_is_bfloat16_where_cuda_computes_in_it(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    device: str,
    *,
    bfloat16: bool,
    expected: str,
) -> None:
    cuda(monkeypatch, 1, bfloat16=bfloat16)
    assert precision_of(name, torch.device(device)) == expected
