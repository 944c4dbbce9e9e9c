"""Tests of `effscale.module.weights`: files read, and files that are none."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
import torch

from effscale.errors import WeightsError
from effscale.module.weights import read
from effscale.version import CHECKPOINT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.torch

STATE = {
    "a.weight": torch.arange(6.0).reshape(2, 3),
    "a.bias": torch.tensor([1.5, -2.0]),
    "b.weight": torch.tensor(7.0),
}


def safetensors(path: Path, header: Any, body: bytes, length: int = -1) -> Path:  # noqa: ANN401
    """A file of these parts, whatever they say."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    size = len(text) if length < 0 else length
    path.write_bytes(size.to_bytes(8, "little") + text + body)
    return path


def entry(**changed: object) -> dict[str, object]:
    return {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changed}}


def assert_equal(found: Any, expected: dict[str, torch.Tensor]) -> None:  # noqa: ANN401
    assert list(found) == list(expected)
    for name, each in expected.items():
        assert torch.equal(found[name], each)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("within", [None, "state_dict", "state_dict_ema", "model"])
@pytest.mark.parametrize("prefix", ["", "module.", "module._orig_mod."])
def test_state_dicts_are_found_and_unwrapped(
    tmp_path: Path, within: str | None, prefix: str, *, zipped: bool
) -> None:
    path = tmp_path / "w.pth"
    state: Any = {f"{prefix}{name}": each for name, each in STATE.items()}
    state = state if within is None else {"epoch": 3, within: state}
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    found = read(path)
    assert_equal(found.tensors, STATE)
    said = "a state dict" if within is None else f"a checkpoint, its {within}"
    assert (found.origin, found.normalisation) == (said, None)


def test_a_checkpoint_of_ours_gives_its_average(tmp_path: Path) -> None:
    path = tmp_path / "w.checkpoint"
    content = {"format": CHECKPOINT, "normalisation": [[0.5], [0.25]], "net": {}}
    torch.save({**content, "average": STATE}, path)
    found = read(path)
    assert_equal(found.tensors, STATE)
    assert found.normalisation == ([0.5], [0.25])
    assert found.origin == "a checkpoint of effscale train, its averaged weights"


def test_a_flipped_bit_of_a_checkpoint_of_ours_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.checkpoint"
    content = {"format": CHECKPOINT, "normalisation": [[0.5], [0.25]], "net": {}}
    torch.save({**content, "average": {"w": torch.full((100,), 1.5)}}, path)
    written = bytearray(path.read_bytes())
    written[written.index(b"\0\0\xc0\x3f" * 9) + 3] ^= 64
    path.write_bytes(written)
    with pytest.raises(WeightsError, match="expected a checkpoint, got a damaged one"):
        read(path)


def test_safetensors_of_any_type(tmp_path: Path) -> None:
    halves = torch.tensor([1.5, -2.0], dtype=torch.bfloat16)
    body = (
        STATE["a.weight"].numpy().tobytes() + halves.view(torch.uint8).numpy().tobytes()
    )
    header = {
        "__metadata__": {"format": "pt"},
        "a.weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
        "a.bias": {"dtype": "BF16", "shape": [2], "data_offsets": [24, 28]},
        "none": {"dtype": "I64", "shape": [0, 3], "data_offsets": [28, 28]},
    }
    found = read(safetensors(tmp_path / "w.safetensors", header, body))
    assert found.origin == "safetensors"
    expected = {"a.weight": STATE["a.weight"], "a.bias": halves}
    assert_equal(
        found.tensors, {**expected, "none": torch.empty(0, 3, dtype=torch.long)}
    )


@pytest.mark.parametrize(
    ("header", "length", "message"),
    [
        ({}, 2**40, "expected a header within its 18 bytes, got one of 1,0"),
        (b"{x", -1, "expected a header of JSON, got Expecting property name"),
        ({}, -1, "expected tensors by name, got none"),
        (entry(dtype="F8"), -1, "expected a type, a shape and offsets of 'a', got {'d"),
        (entry(shape=[-2]), -1, "expected a type, a shape and offsets of 'a', got"),
        (entry(shape=None), -1, "expected a type, a shape and offsets of 'a', got"),
        (entry(shape=[3]), -1, "expected 12 bytes of 'a', got another part"),
        (entry(data_offsets=[4, 12]), -1, "expected 8 bytes of 'a', got another part"),
        (entry(data_offsets=[-4, 4]), -1, "expected 8 bytes of 'a', got another part"),
        (entry(shape=[2**62, 4]), -1, "bytes of 'a', got another part"),
    ],
)  # fmt: skip
def test_safetensors_that_lie_are_refused(
    tmp_path: Path, header: object, length: int, message: str
) -> None:
    path = safetensors(tmp_path / "w.safetensors", header, bytes(8), length)
    with pytest.raises(WeightsError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_what_is_cut_short_is_refused(
    tmp_path: Path, share: float, *, zipped: bool
) -> None:
    path = tmp_path / "w.pth"
    state = {"a": torch.arange(1000.0)}
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(WeightsError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: expected ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "kind"),
    [({}, "an empty dict"), ([1], "list without any"), ({"a": 1}, "dict without any")],
)
def test_what_holds_no_tensors_is_refused(
    tmp_path: Path, content: object, kind: str
) -> None:
    path = tmp_path / "w.pth"
    torch.save(content, path)
    with pytest.raises(WeightsError) as caught:
        read(path)
    assert str(caught.value) == f"{path}: expected tensors by name, got {kind}"


@pytest.mark.parametrize(
    ("held", "message"),
    [
        (torch.empty(2, 2, device="meta"), "numbers of w, got one on meta"),
        (torch.eye(2).to_sparse(), "numbers of w, got a sparse one"),
    ],
)
def test_what_has_not_all_its_numbers_is_refused(
    held: torch.Tensor, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.pth"
    torch.save({"w": held}, path)
    with pytest.raises(WeightsError, match=message):
        read(path)


def test_a_module_is_not_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(WeightsError) as caught:
        read(path)
    assert str(caught.value) == (
        f"{path}: expected tensors by name, got a pickle that asks for "
        "'torch.nn.modules.linear.Linear'; nothing of it was run: save the module's "
        "state_dict() alone"
    )


def test_a_zip_of_packed_records_is_refused(tmp_path: Path) -> None:
    path, packed = tmp_path / "w.pth", tmp_path / "p.pth"
    torch.save({"a": torch.zeros(10**6)}, path)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(packed, "w", 8) as new:
        for each in old.namelist():
            new.writestr(each, old.read(each))
    with pytest.raises(WeightsError, match=r"stored as they are.* compressed$"):
        read(packed)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be read: No such file"):
        read(tmp_path / "none.pth")
