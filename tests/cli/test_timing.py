"""`--latency` of `profile` and `compare`, as their users see it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from effscale.cli import latency as timing
from effscale.cli.latency import Timed
from effscale.module import latency
from effscale.module.latency import Latency, Timing
from tests.cli.interrupting import interrupted, wait_for_torch
from tests.spec.small import TEXT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Run

pytestmark = pytest.mark.torch

QUICK = ("--latency", "--seconds", "0.01", "-q")


@pytest.fixture
def small(tmp_path: Path) -> str:
    path = tmp_path / "small.yaml"
    path.write_text(TEXT, "utf-8")
    return str(path)


def test_profile_says_how_long_it_takes_part_by_part(run: Run, small: str) -> None:
    result = run("profile", small, "--measure", "none", *QUICK, "--threads", "1")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "Latency, batch 1, 1 thread, float32, cpu" in result.stdout
    table = result.stdout.partition("Latency by part")[2].splitlines()
    assert [line.split("  ")[0] for line in table[3:6]] == ["stem", "stage 1", "head"]


def test_every_combination_is_a_row(run: Run, small: str) -> None:
    combinations = ("--batch", "1,2", "--threads", "1,2", "--dtype", "float32,bfloat16")
    result = run("compare", small, *QUICK, *combinations, "--format", "json")
    assert (result.exit_code, result.stderr) == (0, "")
    data = json.loads(result.stdout)
    (row,) = data["rows"]
    found = [(each["dtype"], each["threads"], each["batch"]) for each in row["latency"]]
    assert found == [
        (dtype, threads, batch)
        for dtype in ("float32", "bfloat16")
        for threads in (1, 2)
        for batch in (1, 2)
    ]
    for each in row["latency"]:
        assert each["runs"] >= 10
        assert each["quartiles"][0] <= each["seconds"] <= each["quartiles"][1]
        assert each["images_per_second"] == each["batch"] / each["seconds"]
        macs = each["batch"] * row["macs"]
        assert each["macs_per_second"] == macs / each["seconds"]
    assert data["machine"]


def test_compares_side_by_side_even_versions(
    run: Run, small: str, tmp_path: Path
) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(TEXT.replace("channels: 16", "channels: 24"), "utf-8")
    path = tmp_path / "answer.csv"
    result = run("compare", small, str(other), *QUICK, "--output", str(path))
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    header, *rows = path.read_text("utf-8").splitlines()
    assert header.endswith(
        "latency_images_per_second,latency_macs_per_second,latency_time_ratio"
    )
    assert len(rows) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--threads", "2"], "--threads is for --latency, which was not asked for"),
        (["--compile"], "--compile is for --latency, which was not asked for"),
        (
            ["--runtime", "torch"],
            "--runtime is for --latency, which was not asked for",
        ),
        (["--batch", "8"], "--batch is for --latency, which was not asked for"),
        (["--seconds", "1"], "--seconds is for --latency, which was not asked for"),
        (
            ["--latency", "--parts"],
            "--latency is for networks side by side, not for --parts",
        ),
        (
            ["--latency", "--batch", "0"],
            "expected whole numbers from 1 to 65536, got '0'",
        ),
        (
            ["--latency", "--batch", "x"],
            "expected whole numbers such as 8 or 1,8,64, got 'x'",
        ),
        (
            ["--latency", "--batch", "9" * 5000],
            f"expected whole numbers from 1 to 65536, got '{'9' * 5000}'",
        ),
        (
            ["--latency", "--dtype", "int8"],
            "expected float32, bfloat16, float16, or several with commas, got 'int8'",
        ),
        (
            ["--latency", "--batch", ",".join(map(str, range(1, 66)))],
            "--batch, --threads and --dtype: expected at most 64 combinations, got 65",
        ),
    ],
    ids=str,
)
def test_bad_input_is_one_clear_line(
    run: Run, arguments: list[str], message: str
) -> None:
    result = run("compare", "b0", "b1", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1].endswith(message)


def test_a_paper_s_table_is_not_timed(run: Run) -> None:
    result = run("compare", "--table", "efficientnet-2", "--latency")
    assert result.exit_code == 2
    assert "--latency is not for --table" in result.stderr


def test_times_that_differ_are_said_to(
    run: Run, small: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    time_ = Timing((1.0, 2.0, 3.0), (1.0, 2.0, 3.0))
    monkeypatch.setattr(
        latency,
        "latencies",
        lambda given, setting, **_: [Latency("x", setting, time_) for _ in given],
    )
    result = run("compare", small, "--latency")
    assert result.stderr == (
        "times differ by up to 50 % of their median: this machine does other work as "
        "well\n"
    )
    assert run("compare", small, "--latency", "-q").stderr == ""


def test_threads_are_those_of_torch_if_none_are_given() -> None:
    import torch

    asked = Timed([1], None, ["float32"], {"device": "cpu"}, seconds=1)
    (setting,) = asked.settings()
    assert setting.threads == torch.get_num_threads()
    assert timing.SECONDS > 0


@pytest.mark.parametrize(
    "command",
    [
        ("profile", "b0", "--latency"),
        ("compare", "b0", "--latency", "--device", "mps"),
        ("fit", "b0", "--latency", "<= 1s"),
        ("grid", "--latency", "<= 1s"),
        ("calibrate",),
    ],
    ids=" ".join,
)
def test_a_cuda_graph_is_of_cuda(run: Run, command: tuple[str, ...]) -> None:
    result = run(*command, "--cuda-graph")
    assert result.exit_code == 2
    assert result.stderr.endswith("--cuda-graph is for --device cuda\n")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (("--compile",), "--compile"),
        (("--channels-last",), "--channels-last"),
        (("--device", "cuda", "--cuda-graph"), "--cuda-graph"),
        (("--device", "mps"), "--device mps"),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "command",
    [("compare", "b0", "--latency"), ("fit", "--latency", "<= 1s"), ("calibrate",)],
    ids=" ".join,
)
def test_what_torch_alone_has_is_refused_of_another_runtime(
    run: Run, command: tuple[str, ...], given: tuple[str, ...], named: str
) -> None:
    result = run(*command, *given, "--runtime", "onnxruntime")
    assert result.exit_code == 2
    message = f"{named} is of torch, not for --runtime onnxruntime\n"
    assert result.stderr.endswith(message)


@pytest.mark.slow
def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "answer.json"
    arguments = [
        "compare",
        "b0",
        "--latency",
        "--seconds",
        "600",
        "--output",
        str(path),
    ]
    running = subprocess.Popen(
        [sys.executable, "-m", "effscale", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for_torch(running.pid)
    out, said = interrupted(running)
    assert (running.returncode, out, said.strip()) == (130, "", "interrupted")
    assert list(tmp_path.iterdir()) == []


NETS = """
import torch
from torch import nn

class Two(nn.Module):
    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.words, self.conv = nn.Embedding(9, width), nn.Conv2d(3, width, 3)

    def forward(self, image, index):
        return self.conv(image).mean((2, 3)) + self.words(index)
"""


def test_times_any_module_by_its_children(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "timed_nets.py").write_text(NETS, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    inputs = ("--input", "1x3x16x16", "--input", "1:int64")
    options = (*QUICK, "--batch", "1,3", "--dtype", "bfloat16", "--format", "json")
    result = run("profile", "timed_nets:Two", *inputs, *options)
    assert (result.exit_code, result.stderr) == (0, "")
    found = json.loads(result.stdout)["latency"]
    assert [each["batch"] for each in found] == [1, 3]
    assert [part["part"] for part in found[0]["parts"]] == ["words", "conv"]
    many = ("--input", "2x3x16x16", "--input", "2:int64")
    expected = "--latency expected an --input of one"
    refused = run("profile", "timed_nets:Two", *many, *QUICK)
    assert (refused.exit_code, refused.stderr) == (
        1,
        f"timed_nets:Two: {expected}, 1x..., got 2x3x16x16; --batch says how many\n",
    )
    unasked = run("profile", "timed_nets:Two", *inputs, "--batch", "2")
    assert unasked.stderr.endswith("--batch of a module is for --latency\n")
