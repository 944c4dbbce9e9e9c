"""Tests of `effscale.train.devices`: one training on several devices."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import distributed, nn

from effscale.errors import TrainError
from effscale.train.devices import ALONE, Share, SharedNorm, check, together
from tests.train.small import training
from tests.train.text import TEXT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Run

pytestmark = pytest.mark.torch


@pytest.fixture
def group(tmp_path: Path) -> Iterator[None]:
    """A group of this process alone."""
    method = f"file://{tmp_path}/store"
    distributed.init_process_group("gloo", init_method=method, world_size=1, rank=0)
    yield
    distributed.destroy_process_group()


def test_the_shares_of_a_batch_are_all_of_it() -> None:
    batch = list(range(12))
    assert ALONE.part(batch) == batch
    parts = [Share(rank, 3).part(batch) for rank in range(3)]
    assert parts == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


@pytest.mark.usefixtures("group")
def test_a_shared_norm_is_batch_norm() -> None:
    torch.manual_seed(0)
    plain, own = nn.BatchNorm2d(3, momentum=0.3), SharedNorm(3, momentum=0.3)
    own.load_state_dict(plain.state_dict())
    images = 5 + torch.randn(4, 3, 5, 5)
    found = []
    for norm in (plain, own):
        given = images.clone().requires_grad_()
        out = norm(given)
        out.pow(3).sum().backward()
        grads = [given.grad, *(each.grad for each in norm.parameters())]
        found.append([out, *grads, *norm.buffers()])
    for expected, mine in zip(*found, strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(own.eval()(images), plain.eval()(images))


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(TrainError) as caught:
        training(share=Share(0, 3))
    assert str(caught.value) == "batch: expected a multiple of the 3 devices, got 8"


def failing(_share: Share) -> None:
    raise TrainError("images: expected some, got none")


@pytest.mark.parametrize(
    ("devices", "said"),
    [
        ("64", "devices: expected at most 8 processes on this CPU, got 64"),
        ("3", "batch: expected a multiple of the 3 devices, got 64"),
    ],
)
def test_no_process_is_started_for_what_cannot_be_shared(
    run: Run, monkeypatch: pytest.MonkeyPatch, devices: str, said: str
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr("effscale.train.devices.start_processes", None)
    asked = ("train", "digits", "--device", "cpu", "--batch", "64", "-q")
    result = run(*asked, "--devices", devices)
    assert (result.exit_code, result.stderr) == (1, f"{said}\n")


@pytest.mark.slow
def test_a_process_that_ends_before_it_is_joined_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("effscale.train.devices._followed", _gone)
    with (
        pytest.raises(TrainError, match="was ended from outside"),
        together(2, torch.device("cpu"), 8, failing),
    ):
        pass


def _gone(*_: object) -> None:
    os._exit(9)


def test_more_devices_than_there_are_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    check(torch.device("cuda"), 2)
    for device, count, said in (
        ("cuda", 4, "devices: expected 4 GPUs, got 2 of them"),
        ("cuda:1", 2, "devices: expected 2 GPUs, got cuda:1"),
    ):
        with pytest.raises(TrainError) as caught:
            check(torch.device(device), count)
        assert str(caught.value) == said


def trained(run: Run, spec: Path, out: Path, *arguments: str) -> dict[str, Any]:
    asked = (
        "--epochs",
        "1",
        "--batch",
        "206",
        "--threads",
        "1",
        "--output",
        str(out),
        "-q",
    )
    result = run("train", str(spec), *asked, *arguments)
    assert result.exit_code == 0
    assert "so short a training run says little" in result.stderr
    found: dict[str, Any] = json.loads(out.read_text("utf-8"))
    return found


@pytest.mark.slow
def test_two_devices_come_to_what_one_does(run: Run, tmp_path: Path) -> None:
    """But for rounding, and what is drawn for dropout, which is therefore left out."""
    spec = tmp_path / "small.yaml"
    assert "dropout: 0.2" in TEXT
    assert "stochastic_depth: 0.2" in TEXT
    spec.write_text(TEXT.replace(": 0.2", ": 0"), "utf-8")
    threads = torch.get_num_threads()
    one = trained(run, spec, tmp_path / "one.json")
    two = trained(run, spec, tmp_path / "two.json", "--devices", "2")
    torch.set_num_threads(threads)
    assert (one["devices"], two["devices"]) == (1, 2)
    for mine, alone in zip(two["history"], one["history"], strict=True):
        assert mine == pytest.approx(alone, rel=1e-4)


@pytest.mark.slow
def test_what_another_process_fails_by_is_said() -> None:
    with (
        pytest.raises(TrainError, match=r"^images: expected some, got none$"),
        together(2, torch.device("cpu"), 8, failing) as share,
    ):
        share.summed(torch.zeros(2))
