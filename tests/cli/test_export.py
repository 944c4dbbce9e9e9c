"""`effscale export`, as its users see it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch

from effscale import extras
from effscale.module import export as module
from tests.spec.small import TEXT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Run

pytestmark = pytest.mark.torch


@pytest.fixture
def small(tmp_path: Path) -> str:
    path = tmp_path / "small.yaml"
    path.write_text(TEXT, "utf-8")
    return str(path)


def test_writes_says_and_checks(run: Run, tmp_path: Path, small: str) -> None:
    path = tmp_path / "small.pth"
    result = run("export", small, "--output", str(path))
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == (
        "network  small, 3×32×32 px, 17,560 params, untrained, drawn by seed 0"
    )
    assert lines[1].startswith(f"written  {path}, ")
    assert lines[2:4] == ["input    image N×3×32×32", "output   output N×1000"]
    assert lines[4].endswith("reads it and gives the same output, to the last bit")
    assert lines[5] == (
        f"load     effscale.build(SPEC).load_state_dict(torch.load('{path}'))"
    )
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "small.pth",
        "small.yaml",
    ]


def test_a_training_goes_on_with_its_normalisation(
    run: Run, tmp_path: Path, small: str
) -> None:
    made, path = tmp_path / "made.json", tmp_path / "small.pth"
    asked = ("--resolution", "16", "--epochs", "1", "--batch", "512", "-q")
    done = run("train", small, *asked, "--normalize", "imagenet", "--output", str(made))
    assert done.exit_code == 0
    kept = tmp_path / "made.json.checkpoint"
    options = ("--classes", "10", "--weights", str(kept), "--output", str(path))
    result = run("export", small, *options)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[2] == (
        "input    image N×3×32×32, (pixels from 0 to 1 − (0.485, 0.456, 0.406)) / "
        "(0.229, 0.224, 0.225)"
    )
    average = torch.load(kept, weights_only=True)["average"]
    for name, each in torch.load(path, weights_only=True).items():
        assert torch.equal(each, average[name])
    told = json.loads(
        run("export", small, *options, "--force", "--format", "json").stdout
    )
    assert told["normalisation"]["std"] == [0.229, 0.224, 0.225]


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.onnx", "onnx"),
        ("a.ts", "torchscript"),
        ("a.pt", "state-dict"),
    ],
)
def test_the_suffix_chooses_the_format(
    run: Run, tmp_path: Path, small: str, name: str, form: str
) -> None:
    path = tmp_path / name
    result = run("export", small, "--output", str(path), "--format", "json")
    assert (result.exit_code, result.stderr) == (0, "")
    data = json.loads(result.stdout)
    assert data["format"] == form
    assert data["bytes"] == path.stat().st_size
    assert data["inputs"] == {"image": [None, 3, 32, 32]}
    assert data["checked"]["difference"] < 1e-5


def test_a_scaled_network_by_phi_or_by_its_file(
    run: Run, tmp_path: Path, small: str
) -> None:
    scaled = tmp_path / "scaled.yaml"
    run("scale", small, "--phi", "3", "--measure", "none", "--output", str(scaled))
    for index, arguments in enumerate(([small, "--phi", "3"], [str(scaled)])):
        path = tmp_path / f"{index}.bin"
        as_weights = ("--file-format", "state-dict", "--output", str(path))
        options = (*as_weights, "--format", "json")
        data = json.loads(run("export", *arguments, *options).stdout)
        assert data["spec"] == ("scaled" if index else "small-phi3")
        assert data["resolution"] == [48, 48]


def test_batch_classes_and_resolution(run: Run, tmp_path: Path, small: str) -> None:
    network = ("--batch", "2", "--classes", "7", "--resolution", "64x32")
    options = ("--output", str(tmp_path / "a.pt2"), "--format", "csv")
    result = run("export", small, *network, *options)
    assert "image 2×3×64×32,output 2×7" in result.stdout


def test_an_existing_file_needs_force(run: Run, tmp_path: Path, small: str) -> None:
    path = tmp_path / "small.pth"
    path.write_text("mine", "utf-8")
    refused = run("export", small, "--output", str(path))
    assert refused.exit_code == 2
    assert refused.stderr.endswith(f"'{path}' exists; --force replaces it\n")
    assert path.read_text("utf-8") == "mine"
    assert run("export", small, "--output", str(path), "--force").exit_code == 0
    assert path.stat().st_size > 1000


def test_what_is_not_the_same_is_not_there(
    run: Run, tmp_path: Path, small: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_difference", lambda *_: float("nan"))
    path = tmp_path / "small.pt2"
    result = run("export", small, "--output", str(path))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("expected the outputs of the network from torch ")
    assert [each.name for each in tmp_path.iterdir()] == ["small.yaml"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("b0", 2, "Missing option '--output'."),
        (
            "nope --output x.pt2",
            1,
            "'nope': expected a file or a built-in spec; see effscale specs",
        ),
        ("b0 --output x.bin", 2, "or a suffix that says so, got 'x.bin'"),
        (
            "b0 --output x.pt2 --batch 0",
            2,
            "expected dynamic, or a whole number from 1 to 65536, got '0'",
        ),
        (
            "b0 --output x.pt2 --batch many",
            2,
            "expected dynamic, or a whole number from 1 to 65536, got 'many'",
        ),
        (
            "b0 --output x.pt2 --weights none.pth",
            2,
            "File 'none.pth' does not exist.",
        ),
        ("b0 --output x.pt2 --phi nan", 2, "expected a number, got 'nan'"),
        ("b0 --output no/x.pt2", 2, "expected a folder, found none at 'no'"),
        ("b0 --output x.pt2 --decode", 2, "decode: expected a detector, got b0"),
        ("b0 --output x.pt2 --nms", 2, "decode: expected a detector, got b0"),
        (
            "unet --output x.pt2 --nms",
            2,
            "nms: expected boxes as the one output, got mask",
        ),
        ("d0 --output x.pt2 --boxes 5", 2, "--boxes is of --nms"),
        ("d0 --output x.pt2 --decode --boxes 5", 2, "--boxes is of --nms"),
        ("d0 --output x.pt2 --nms 0", 2, "0.0 is not in the range 0<x<=1."),
        ("d0 --output x.pt2 --nms 1.5", 2, "1.5 is not in the range 0<x<=1."),
        ("d0 --output x.pt2 --nms nan", 2, "expected a number, got 'nan'"),
        (
            "d0 --output x.pt2 --nms --boxes 1001",
            2,
            "1001 is not in the range 1<=x<=1000.",
        ),
        (
            "d0 --output x.safetensors --nms",
            2,
            "--nms: a state dict has weights alone; --file-format another",
        ),
        (
            "d0 --output x.pth --decode",
            2,
            "--decode: a state dict has weights alone; --file-format another",
        ),
    ],
)
def test_bad_input_is_one_clear_line(
    run: Run, arguments: str, code: int, message: str
) -> None:
    result = run("export", *arguments.split())
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.splitlines()[-1].endswith(message)


def test_onnx_says_what_to_install(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        extras, "find_spec", lambda name: None if name == "onnxruntime" else name
    )
    result = run("export", "b0", "--output", "x.onnx")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "x.onnx: needs onnxruntime; pip install 'effscale[onnx]' brings it\n"
    )


def test_a_result_of_a_training_is_exported_whole(
    run: Run, tmp_path: Path, small: str
) -> None:
    made, path = tmp_path / "made.json", tmp_path / "made.safetensors"
    asked = ("--resolution", "24", "--epochs", "1", "--batch", "512", "-q")
    assert run("train", small, *asked, "--output", str(made)).exit_code == 0
    result = run("export", str(made), "--output", str(path), "--format", "json")
    assert (result.exit_code, result.stderr) == (0, "")
    found = json.loads(result.stdout)
    assert (found["network"] if "network" in found else found["spec"]) == "small"
    assert (found["resolution"], found["classes"]) == ([24, 24], 10)
    assert found["class_names"] == [str(digit) for digit in range(10)]
    assert found["normalisation"] == {"mean": [0.5], "std": [0.5]}
    # and once more from what was written: it says the same
    again = tmp_path / "again.safetensors"
    options = ("--resolution", "24", "--classes", "10", "--weights", str(path))
    more = run("export", small, *options, "--output", str(again), "--format", "json")
    told = json.loads(more.stdout)
    assert told["class_names"] == found["class_names"]
    assert told["normalisation"] == found["normalisation"]
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("content", ["[1]", "{}", "{", '{"command": "train"}'])
def test_what_is_no_result_of_a_training_is_said(
    run: Run, tmp_path: Path, content: str
) -> None:
    path = tmp_path / "made.json"
    path.write_text(content, "utf-8")
    result = run("export", str(path), "--output", str(tmp_path / "x.pth"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"{path}: ")
    assert result.stderr.count("\n") == 1


def test_an_opset_is_of_onnx(run: Run, tmp_path: Path, small: str) -> None:
    result = run("export", small, "--output", str(tmp_path / "x.pth"), "--opset", "18")
    assert result.exit_code == 2
    assert "--opset is of ONNX, got state-dict" in result.stderr


FINDS = """
name: finds
resolution: 32
stem: {kernel: 3, stride: 2, channels: 4}
stages: [{block: conv, kernel: 3, stride: 2, channels: 4}]
outputs: {find: {kind: yolo, reads: stage 1, classes: 2, bins: 4}}
"""


def test_what_decoded_outputs_are_is_said(run: Run, tmp_path: Path) -> None:
    spec, path = tmp_path / "finds.yaml", tmp_path / "finds.pt2"
    spec.write_text(FINDS, "utf-8")
    options = ("export", str(spec), "--output", str(path), "--force")
    result = run(*options, "--decode")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[3:5] == [
        "output   boxes N×64×4: y1 x1 y2 x2 in pixels",
        "output   scores N×64×2: of each class, from 0 to 1",
    ]
    told = json.loads(run(*options, "--nms", "--boxes", "3", "--format", "json").stdout)
    assert told["outputs"] == {
        "boxes": [None, 3, 4],
        "scores": [None, 3],
        "classes": [None, 3],
    }
    assert told["output_means"] == {
        "boxes": "y1 x1 y2 x2 in pixels, best first",
        "scores": "from 0 to 1; 0 where there are no more",
        "classes": "counted from 0",
    }
