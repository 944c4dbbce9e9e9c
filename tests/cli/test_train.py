"""`effscale train`, as its users see it."""

from __future__ import annotations

import json
import re
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

import effscale as es
from effscale.report.train import data_lines
from tests.explained import unexplained
from tests.forked import end, started
from tests.train.text import TEXT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

    from tests.conftest import Run

pytestmark = pytest.mark.torch

BRIEF = ("--epochs", "2", "--threads", "1")
#: Keys of the result that hold times.
TIMED = ("images_per_second", "seconds", "evaluation_seconds")


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """As many as before, once a training has asked for fewer."""
    import torch

    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def spec(tmp_path: Path) -> str:
    """A file with a network that takes a moment to train."""
    path = tmp_path / "small.yaml"
    path.write_text(TEXT, encoding="utf-8")
    return str(path)


def result_of(path: Path) -> dict[str, Any]:
    """What it wrote, without times and its own place."""
    text = path.read_text("utf-8")
    assert unexplained(text) == set()
    result: dict[str, Any] = json.loads(text)
    for key in (*TIMED, "checkpoint"):
        del result[key]
    return result


def test_prints_what_the_network_has_become(
    run: Run, snapshot: SnapshotAssertion, spec: str
) -> None:
    result = run("train", spec, *BRIEF)
    assert result.exit_code == 0
    timeless = re.sub(
        r"[\d,.]+ (images/s|s in all|s of them|%)", r"… \1", result.stdout
    )
    assert timeless == snapshot
    lines = result.stderr.splitlines()
    assert [line[:9] for line in lines] == ["epoch 1/2", "epoch 2/2", "warning: "]


def test_the_result_has_all_that_it_depends_on(
    run: Run, spec: str, tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    result = run("train", spec, *BRIEF, "--seed", "3", "--output", str(out), "-q")
    assert (result.exit_code, result.stdout) == (0, "")
    found = json.loads(out.read_text("utf-8"))
    assert result.stderr == f"warning: {found['warnings'][0]}\n"
    assert found["spec"] == "small"
    assert list(found)[:5] == ["effscale", "schema", "command", "spec", "accuracy"]
    last = found["history"][-1]
    assert 0 < found["accuracy"] == last["accuracy"] <= 1
    assert found["loss"] == last["validation_loss"]
    assert (found["epochs"], found["steps"], found["seed"]) == (2, 44, 3)
    assert (found["batch"], found["lr"]) == (64, 0.1)
    assert (found["resolution"], found["classes"]) == ([8, 8], 10)
    # √(p(1−p)/n)
    p = found["accuracy"]
    assert found["accuracy_error"] == pytest.approx((p * (1 - p) / 355) ** 0.5)
    assert found["data"]["train"] + found["data"]["validation"] == 1797
    assert set(found["versions"]) == {"effscale", "python", "torch"}
    assert (found["device"], found["threads"]) == ("cpu", 1)
    assert found["images_per_second"] > 0
    assert found["checkpoint"] == str(tmp_path / "out.json.checkpoint")


def test_counts_the_network_that_it_trained(
    run: Run, spec: str, tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    options = ("--resolution", "12x16", "--classes", "11", "--output", str(out))
    assert run("train", spec, "--epochs", "1", *options).exit_code == 0
    found = result_of(out)
    text = TEXT.replace("resolution: 8", "resolution: [12, 16]")
    cost = es.count(es.loads(text.replace("classes: 2", "classes: 11")))
    assert (found["macs"], found["params"]) == (cost.macs, cost.params)
    assert found["activations"] == cost.activations


def test_resumed_it_ends_as_it_would_have(run: Run, spec: str, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole.json", tmp_path / "parts.json"
    asked = ("train", spec, "--epochs", "3", "--threads", "1", "--output")
    assert run(*asked, str(whole)).exit_code == 0
    first = run(*asked, str(parts), "--time-limit", "0.001s")
    file = tmp_path / "parts.json.checkpoint"
    message = (
        "time limit: reached after 0 of 3 epochs and 1 of 22 steps; "
        f"kept in {file}, from which the same command goes on\n"
    )
    assert (first.exit_code, first.stderr) == (1, message)
    assert not parts.exists()
    second = run(*asked, str(parts))
    assert second.exit_code == 0
    place = "goes on after 0 of 3 epochs and 1 of 22 steps"
    assert second.stderr.splitlines()[0] == f"{file}: {place}"
    assert result_of(whole) == result_of(parts)


def test_stopped_on_a_rung_it_says_what_it_came_to_and_goes_on(
    run: Run, spec: str, tmp_path: Path
) -> None:
    complete, parts = tmp_path / "complete.json", tmp_path / "parts.json"
    asked = ("train", spec, "--epochs", "3", "--threads", "1", "--output")
    assert run(*asked, str(complete)).exit_code == 0
    first = run(*asked, str(parts), "--until", "1")
    assert first.exit_code == 0
    assert [each["epoch"] for each in result_of(parts)["history"]] == [1]
    again = run(*asked, str(parts), "--force")
    assert again.exit_code == 0
    place = "goes on after 1 of 3 epochs"
    assert again.stderr.splitlines()[0] == f"{parts}.checkpoint: {place}"
    assert result_of(parts) == result_of(complete)


def birds(root: Path) -> Path:
    """Five owls, five crows, and what else lies about."""
    from PIL import Image

    for name, shade in (("owl", 60), ("crow", 200)):
        (root / name).mkdir(parents=True)
        for index in range(5):
            Image.new("RGBA", (80, 80), (shade,) * 4).save(root / name / f"{index}.png")
    (root / "owl" / "notes.txt").touch()
    return root


def test_says_first_what_is_learnt_from(run: Run, spec: str, tmp_path: Path) -> None:
    root = birds(tmp_path / "birds")
    options = ("--data", str(root), "--output", str(tmp_path / "out.json"))
    result = run("train", spec, *BRIEF, *options, "--check-data")
    assert result.exit_code == 0
    said = [
        "2 classes (training + validation images): crow 4 + 1, owl 4 + 1",
        "left out: 1 .txt",
        "10 with transparency, laid on white",
    ]
    lines = result.stderr.splitlines()
    assert lines[:3] == [f"birds: {each}" for each in said]
    found = json.loads((tmp_path / "out.json").read_text("utf-8"))["data"]
    assert found["by_class"]["owl"] == {"train": 4, "validation": 1}
    assert found["notes"] == said[1:]


def test_a_line_is_one_whatever_a_class_is_called() -> None:
    counts = {"a\n::error::b\x1b[31m": {"train": 4, "validation": 1}}
    assert data_lines("birds", counts, ["left out: 1 .\x07"]) == [
        "birds: 1 classes (training + validation images): a ::error::b\ufffd[31m 4 + 1",
        "birds: left out: 1 .\ufffd",
    ]


def test_a_broken_image_is_named_before_the_first_step(
    run: Run, spec: str, tmp_path: Path
) -> None:
    root = birds(tmp_path / "birds")
    path = root / "owl" / "0.png"
    path.write_bytes(path.read_bytes()[:60])
    result = run("train", spec, *BRIEF, "--data", str(root), "--check-data", "-q")
    message = f"{path}: not a readable image\n"
    assert (result.exit_code, result.stderr) == (1, message)


def test_a_result_that_is_there_is_not_replaced(
    run: Run, spec: str, tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    out.write_text("mine", encoding="utf-8")
    result = run("train", spec, "--output", str(out))
    assert result.exit_code == 2
    assert f"'--output': {str(out)!r} exists; --force replaces it" in result.stderr
    assert out.read_text("utf-8") == "mine"


def test_a_checkpoint_is_no_place_for_the_result(
    run: Run, spec: str, tmp_path: Path
) -> None:
    out = str(tmp_path / "a.json")
    result = run("train", spec, "--output", out, "--checkpoint", out)
    message = f"'--checkpoint': expected another file than --output, got {out!r}"
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--data", "nowhere"), 1, "nowhere: expected a folder of images, got nothing"),
        (
            ("--classes", "5"),
            1,
            "classes: expected at least the 10 of digits, got 5",
        ),
        (
            ("--resolution", "3"),
            1,
            "resolution: expected at least 4 (the network's total stride), got 3",
        ),
        (
            ("--device", "cuda:99"),
            1,
            "on this machine, got 'cuda:99'",
        ),
        (
            ("--augment", "much"),
            2,
            (
                "Invalid value for '--augment': expected none, plain, rand, or "
                "rand:1 to rand:29, got 'much'"
            ),
        ),
        (
            ("--device", "gpu"),
            2,
            (
                "Invalid value for '--device': expected auto, cpu, cuda or cuda:N, got "
                "'gpu'"
            ),
        ),
        (
            ("--time-limit", "soon"),
            2,
            (
                "Invalid value for '--time-limit': expected a duration such as 90s, "
                "10m or 2h, got 'soon'"
            ),
        ),
    ],
)
def test_refuses(
    run: Run, spec: str, options: tuple[str, ...], code: int, message: str
) -> None:
    result = run("train", spec, *options)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.splitlines()[-1].endswith(message)


def test_a_network_without_a_classifier_is_refused(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "features.yaml"
    head = "{channels: 32, classifier: false}"
    path.write_text(
        TEXT.replace("{channels: 32, classes: 2, dropout: 0.2}", head), "utf-8"
    )
    result = run("train", str(path))
    message = f"{path}:11:7: classes: small has no linear classifier\n"
    assert (result.exit_code, result.stderr) == (1, message)


class Started:
    """A training in a process of its own, begun and not yet ended."""

    def __init__(self, spec: str, out: Path, epochs: int) -> None:
        self.file = out.with_name(f"{out.name}.checkpoint")
        self.before = self.kept()
        self.said = out.with_name("said")
        words = ["train", spec, "--output", str(out), "--epochs", str(epochs)]
        self.process = started([*words, "--threads", "1"], str(self.said))

    def kept(self) -> int:
        """When the checkpoint was written, 0 if it was not."""
        return self.file.stat().st_mtime_ns if self.file.exists() else 0

    def wait(self) -> None:
        """Until it has kept an epoch of its own."""
        end = time.monotonic() + 60
        while self.kept() == self.before:
            assert time.monotonic() < end
            time.sleep(0.01)

    def stop(self, number: int) -> tuple[int | None, str]:
        """Exit code, and the last line on stderr."""
        end(self.process, number)
        self.process.join(60)
        lines = self.said.read_text("utf-8").splitlines()
        self.said.unlink()
        return self.process.exitcode, (lines or [""])[-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_asked_to_stop_it_keeps_what_is_done(
    spec: str, tmp_path: Path, number: int, code: int
) -> None:
    out, file = tmp_path / "out.json", tmp_path / "out.json.checkpoint"
    training = Started(spec, out, 100_000)
    training.wait()
    returned, line = training.stop(number)
    said = "interrupted" if number == signal.SIGINT else rf"kept in {file}, from which"
    assert returned == code
    assert re.search(said, line)
    left = {each.name for each in tmp_path.iterdir()}
    assert left == {"out.json.checkpoint", "small.yaml"}


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on(run: Run, spec: str, tmp_path: Path) -> None:
    """And ends as one that was not: the files that are written are never half there."""
    whole, out = tmp_path / "whole.json", tmp_path / "out.json"
    asked = ("train", spec, "--epochs", "16", "--threads", "1", "--output")
    for moment in (0.0, 0.03, 0.1):
        training = Started(spec, out, 16)
        training.wait()
        time.sleep(moment)
        assert training.stop(signal.SIGKILL)[0] == -signal.SIGKILL
    assert not out.exists()
    resumed = run(*asked, str(out))
    assert "goes on after" in resumed.stderr.splitlines()[0]
    assert run(*asked, str(whole)).exit_code == 0
    assert result_of(out) == result_of(whole)
