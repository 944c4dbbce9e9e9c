"""Tests of `effscale.train.checkpoint`."""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING

import pytest
import torch

from effscale.errors import OutputError, TrainError
from effscale.train import checkpoint
from effscale.version import CHECKPOINT
from tests.test_atomic_write import left_by_a_killed_program

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.torch

MADE_FOR = {"spec": "name: a", "data": "12", "epochs": 3}


def test_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    file = tmp_path / "a.checkpoint"
    assert checkpoint.load(file, MADE_FOR) is None
    checkpoint.save(file, MADE_FOR, {"step": 3, "net": {"w": torch.arange(3)}})
    state = checkpoint.load(file, MADE_FOR)
    assert state is not None
    assert state["step"] == 3
    assert state["net"]["w"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("spec", "name: b", "this spec, got one of another"),
        ("data", "13", "this data, got one of another"),
        ("epochs", 5, "epochs 5, got one of epochs 3"),
    ],
)
def test_one_of_another_training_is_refused(
    tmp_path: Path, name: str, value: object, words: str
) -> None:
    file = tmp_path / "a.checkpoint"
    checkpoint.save(file, MADE_FOR, {"step": 3})
    with pytest.raises(TrainError) as caught:
        checkpoint.load(file, {**MADE_FOR, name: value})
    hint = "name another file, or remove this one"
    assert str(caught.value) == f"{file}: expected a checkpoint of {words}; {hint}"


@pytest.mark.parametrize(
    "content", [b"", b"name: small\n", b"PK\x03\x04", b"\x80\x02."]
)
def test_another_file_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(content)
    with pytest.raises(TrainError) as caught:
        checkpoint.load(file, MADE_FOR)
    expected = "expected a checkpoint of effscale train, got another file"
    assert str(caught.value) == f"{file}: {expected}"
    assert file.read_bytes() == content


@pytest.mark.parametrize("made_for", [None, [], "b0"])
def test_a_damaged_one_is_refused(tmp_path: Path, made_for: object) -> None:
    file = tmp_path / "a.checkpoint"
    torch.save({"format": CHECKPOINT, "made_for": made_for}, file)
    with pytest.raises(TrainError, match="got a damaged one"):
        checkpoint.load(file, MADE_FOR)


def test_a_flipped_bit_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.checkpoint"
    checkpoint.save(file, MADE_FOR, {"step": 1, "w": torch.full((100,), 1.5)})
    content = bytearray(file.read_bytes())
    content[content.index(b"\0\0\xc0\x3f" * 9) + 3] ^= 64
    file.write_bytes(content)
    expected = "expected a checkpoint of effscale train, got a damaged one"
    with pytest.raises(TrainError) as caught:
        checkpoint.load(file, MADE_FOR)
    assert str(caught.value) == f"{file}: {expected}"


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    file, touched = tmp_path / "a.checkpoint", tmp_path / "touched"

    class Runs:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(touched),)

    torch.save({"format": CHECKPOINT, "made_for": Runs()}, file)
    with pytest.raises(TrainError):
        checkpoint.load(file, MADE_FOR)
    assert not touched.exists()


def test_a_full_disk_leaves_the_one_before(tmp_path: Path) -> None:
    file = tmp_path / "a.checkpoint"
    checkpoint.save(file, MADE_FOR, {"step": 1})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OutputError) as caught:
            checkpoint.save(file, MADE_FOR, {"step": 2, "w": torch.zeros(10**6)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(caught.value) == f"{file}: cannot be written: file too large"
    state = checkpoint.load(file, MADE_FOR)
    assert state is not None
    assert state["step"] == 1
    assert list(tmp_path.iterdir()) == [file]


def test_what_a_killed_program_has_left_is_cleared_away(tmp_path: Path) -> None:
    file = tmp_path / "a.checkpoint"
    left = left_by_a_killed_program(file)
    left.write_bytes(b"half")
    checkpoint.load(file, MADE_FOR)
    assert not left.exists()
