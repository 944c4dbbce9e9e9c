"""The program in hostile hands: text of strangers, closed streams, signals, disks."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from effscale.cli import options
from effscale.markup import in_csv, in_json, in_markdown, plain
from tests.forked import end, started

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Run

pytestmark = pytest.mark.slow

NOTE = (
    r"\e]0;title\a\e[31mRED <script>alert(1)</script> <img src=x> | a \n\n"
    r"::error file=x::text \u202Egnp.exe \x9b31m =cmd|'/C calc'!A0 [x](y) `b`"
)
SPEC = f"""
name: stranger
source: "{NOTE}"
resolution: 32
stem: {{kernel: 3, stride: 2, channels: 16}}
stages:
  - {{block: basic, kernel: 3, stride: 2, channels: 16, repeats: 1}}
head: {{classes: 10}}
published: {{params: 5.3M, macs: 0.39B, top1: 77.1, note: "{NOTE}"}}
variants:
  v1:
    resolution: 48
    depth_multiplier: 2.0
    published: {{params: 1M, macs: 1B, source: "{NOTE}"}}
"""
#: What a terminal obeys, and nothing that is printed needs.
OBEYED = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]"
)
COMMANDS = [
    "compare FILE b0 --measure none",
    "profile FILE --measure none",
    "profile FILE --measure none --by layer",
    "scale FILE --phi 1 --measure none",
    "profile FILE@v1 --measure none",
]


@pytest.fixture
def stranger(tmp_path: Path) -> str:
    path = tmp_path / "=1+1|<b>.yaml"
    path.write_text(SPEC, "utf-8")
    return str(path)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("form", ["table", "markdown", "csv", "json"])
def test_text_of_strangers_is_harmless(
    command: str, form: str, stranger: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(stranger).parent)
    words = [w.replace("FILE", Path(stranger).name) for w in command.split()]
    done = run(*words, "--format", form)
    said = done.stdout.replace("\r\n", "\n")
    assert done.exit_code == 0, done.output
    assert not OBEYED.search(said)
    assert not any(line.lstrip().startswith("::") for line in said.splitlines())
    if form == "markdown":
        assert not re.search(r"(?<!\\)<(script|img)", said)
        for table in re.findall(r"(?m)(?:^\|.*\n)+", said):
            bars = [len(re.findall(r"(?<!\\)\|", x)) for x in table.splitlines()]
            assert len(set(bars)) == 1
    if form == "csv":
        cells = [cell for row in csv.reader(io.StringIO(said)) for cell in row]
        assert not any(cell.startswith(("=", "@")) for cell in cells)
    if form == "json":
        assert json.loads(said)


def test_a_page_holds_no_element_of_a_stranger(stranger: str, run: Run) -> None:
    pytest.importorskip("matplotlib")
    page = run("report", stranger, "b0", "--measure", "none").stdout
    assert "<img src=x" not in page
    assert "<script>alert" not in page
    assert not OBEYED.search(page.replace("\t", " "))


def test_errors_are_harmless(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text('"\\e[31m|::": 1\n', "utf-8")
    for words in (
        ["profile", str(path)],
        ["profile", "a\x1b[31m\n::error::b.yaml"],
        ["profile", "b0", "--\x1b[31m"],
        ["profile", "a\udcff.yaml"],
    ):
        done = run(*words)
        assert done.exit_code in {1, 2}
        assert not OBEYED.search(done.output)


def test_what_each_format_makes_of_a_text() -> None:
    assert plain("a\nb\x1b[31m\t\u202e") == "a b\ufffd[31m \ufffd"
    assert plain("::error::a") != "::error::a"
    assert in_markdown("a|b <i> [x](y) `c` \\|") == r"a\|b \<i> \[x](y) \`c\` \\\|"
    assert [in_csv(x) for x in ("=1", "-0.5", "-", "@a", "+x", "a", -1, None)] == (
        ["'=1", "-0.5", "-", "'@a", "'+x", "a", -1, None]
    )
    assert json.loads(in_json('"\x9b\u202e\ud800"')) == "\x9b\u202e\ud800"
    assert in_json('"\x9b"') == '"\\u009b"'


def shell(line: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = f"{sys.executable} -m effscale"
    return subprocess.run(
        ["/bin/sh", "-c", line.replace("effscale", program, 1), "sh", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("effscale specs >&-", 1, "standard output: is closed\n"),
        ("effscale profile b0 --measure none >&-", 1, "standard output: is closed\n"),
        ("effscale --help >&-", 1, "standard output: is closed\n"),
        ("effscale specs 2>&- >/dev/null", 0, ""),
        ("effscale profile nope 2>&-", 1, ""),
        ("effscale profile - <&-", 1, "<stdin>:1:1: expected a spec, found nothing\n"),
        ("effscale specs >/dev/full", 1, "standard output: no space left on device\n"),
    ],
)
def test_streams_that_are_closed_or_full(line: str, code: int, said: str) -> None:
    if "/dev/full" in line and not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    done = shell(line)
    assert (done.returncode, done.stderr) == (code, said)


def test_a_file_does_not_get_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    path = tmp_path / "o.json"
    done = shell('effscale specs --output "$1" >&-', str(path))
    assert done.returncode == 0, done.stderr
    assert json.loads(path.read_text("utf-8"))["command"] == "specs"


def test_lone_surrogates_are_written(tmp_path: Path, run: Run) -> None:
    path = tmp_path / os.fsdecode(b"\xff.yaml")
    path.write_text(SPEC, "utf-8")
    out = tmp_path / "o"
    for suffix in (".json", ".csv", ".md", ".txt"):
        options = ("--measure", "none", "--output", f"{out}{suffix}")
        assert run("compare", str(path), "b0", *options).exit_code == 0
        assert out.with_suffix(suffix).read_text("utf-8")


#: Each writes its one file; what it reads lies beside it.
WRITERS = {
    "scale": ["scale", "--phi", "1", "--measure", "none", "--output", "o.json"],
    "yaml": ["scale", "--phi", "1", "--measure", "none", "--output", "o.yaml"],
    "grid": ["grid", "--step", "0.1", "--output", "o.csv"],
    "specs": ["specs", "--output", "o.md"],
    "schema": ["schema", "--output", "o.json"],
    "plot": ["profile", "b0", "--measure", "none", "--plot", "o.svg"],
    "report": ["report", "b0", "--measure", "none", "--output", "o.html"],
    "script": ["export", "s.yaml", "--output", "o.ts"],
    "exported": ["export", "s.yaml", "--output", "o.pt2"],
    "weights": ["export", "s.yaml", "--file-format", "state-dict", "--output", "o.pth"],
    "train": ["train", "s.yaml", "--epochs", "2", "--output", "o.json", "--force"],
}
#: One of each way to write: a text, a picture, weights, and a file that grows.
WAYS = ("yaml", "plot", "weights", "train")
OTHERS = (
    pytest.param(name, marks=pytest.mark.long) for name in WRITERS if name not in WAYS
)
ENDINGS = [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL]


def output_of(words: list[str]) -> Path:
    names = ("--output", "--plot", "--output")
    return Path(next(words[n + 1] for n, word in enumerate(words) if word in names))


@pytest.mark.parametrize("name", [*WAYS, *OTHERS])
def test_a_program_that_is_ended_leaves_the_old_file_or_the_new(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At any moment; and nothing beside it, save by a kill, which the next clears."""
    monkeypatch.chdir(tmp_path)
    words = (
        [*WRITERS[name], "--quiet"]
        if name not in {"specs", "schema"}
        else [*WRITERS[name]]
    )
    Path("s.yaml").write_text(SPEC, "utf-8")
    file, draw = output_of(words), random.Random(name)  # noqa: S311
    process, begun = started(words), time.monotonic()
    process.join()
    assert process.exitcode == 0
    lasted, inode = time.monotonic() - begun, file.stat().st_ino
    assert inode
    new, old = len(file.read_bytes()), b"old"
    words += [] if "--force" in words else ["--force"]
    for number in ENDINGS:
        file.write_bytes(old)
        before = set(hidden(tmp_path))  # a kill may have left something
        process = started(words)
        time.sleep(lasted * draw.random())
        end(process, number)
        process.join()
        content = file.read_bytes()
        assert content == old or abs(len(content) - new) < 0.2 * new
        if number != signal.SIGKILL:
            assert process.exitcode in {0, 128 + number, -number}
            assert set(hidden(tmp_path)) <= before
    started(words).join()
    assert hidden(tmp_path) == []


def hidden(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir() if each.name.startswith(".")]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    mount = shutil.which("mount")
    if os.geteuid() or mount is None or sys.platform != "linux":
        pytest.skip("needs root to mount a disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run([mount, *options], check=False, capture_output=True).returncode:
        pytest.skip("needs to be allowed to mount a disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("name", WRITERS)
def test_a_disk_that_fills_is_one_line(name: str, small_disk: Path) -> None:
    words = list(WRITERS[name])
    file = small_disk / output_of(words)
    words[words.index(str(output_of(words)))] = str(file)
    spec = small_disk.parent / "s.yaml"
    spec.write_text(SPEC, "utf-8")
    words = [str(spec) if word == "s.yaml" else word for word in words]
    file.write_bytes(b"old")
    (small_disk / "full").write_bytes(bytes(56 * 1024))
    said = small_disk.parent / "said"
    words += [] if "--force" in words else ["--force"]
    process = started(words, str(said))
    process.join()
    reason = "cannot be written: no space left on device"
    if process.exitcode:
        assert re.fullmatch(
            f"{file}(.checkpoint)?: {reason}\n", said.read_text("utf-8")
        )
        assert file.read_bytes() == b"old"
        assert process.exitcode == 1
    assert hidden(small_disk) == []


@pytest.mark.parametrize("option", ["--output", "--plot"])
def test_a_device_and_a_pipe_stay_what_they_are(
    option: str, tmp_path: Path, run: Run
) -> None:
    pipe = tmp_path / "pipe.svg"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE)
    done = run("profile", "b0", "--measure", "none", option, str(pipe))
    assert done.exit_code == 0, done.output
    assert reader.communicate()[0]
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]
    null = run("specs", "--output", os.devnull, "--force")
    assert null.exit_code == 0
    assert Path(os.devnull).is_char_device()


def study(folder: Path, command: str, *more: str) -> list[str]:
    where = ["--study", str(folder), "--on", "local:jobs=2", *more]
    return ["grid", "--top", "3", "--evaluate", command, *where]


ANSWERS = """sh -c 'echo "{\\"accuracy\\": 0.5}" >{out}' {spec}"""


def test_a_disk_that_fills_stops_a_study_which_goes_on_later(
    small_disk: Path, run: Run
) -> None:
    folder, said = small_disk / "study", small_disk.parent / "said"
    fills = f"head -c 60000 /dev/zero >{small_disk}/full; "
    command = ANSWERS.replace("'", f"'[ -e {folder}/go ] || {fills}", 1)
    process = started(study(folder, command), str(said))
    process.join()
    assert process.exitcode == 1
    text = said.read_text("utf-8")
    assert "no space left on device" in text.splitlines()[-1], text
    lines = (folder / "outcomes.jsonl").read_text("utf-8").splitlines()
    assert not any("failed" in line for line in lines)
    (small_disk / "full").unlink()
    (folder / "go").touch()
    done = run(*study(folder, command), "--format", "json")
    assert done.exit_code == 0, done.output
    assert sum(row["seeds"] for row in json.loads(done.stdout)["candidates"]) == 3


def test_of_three_starts_at_once_two_say_who_runs_it(tmp_path: Path) -> None:
    command = ANSWERS.replace("'", "'sleep 1; ", 1)
    said = [tmp_path / f"said{n}" for n in range(3)]
    words = study(tmp_path / "study", command)
    processes = [started(words, str(each)) for each in said]
    for each in processes:
        each.join()
    assert sorted(str(each.exitcode) for each in processes) == ["0", "1", "1"]
    (first,) = [each for each in processes if each.exitcode == 0]
    texts = [
        x.read_text("utf-8") for x, p in zip(said, processes, strict=True) if p.exitcode
    ]
    for text in texts:
        assert f"process {first.pid} on " in text
        assert text.endswith("is running this study\n")


def test_what_is_said_on_stderr_goes_one_way() -> None:
    """Through `note`, which makes text of strangers harmless; the program's end aside.

    What it says itself of how it ended has no other words in it, or has been cleaned.
    """
    room = Path(options.__file__).parent
    found = [
        path.name
        for path in room.glob("*.py")
        if ", err=True" in path.read_text("utf-8")
    ]
    assert sorted(found) == ["__init__.py", "options.py"]


def test_a_note_cannot_command_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    options.note("net\x1b[2Jwork\n::error::x")
    assert capsys.readouterr().err == "net\ufffd[2Jwork\n\ufffd::error::x\n"


def test_each_file_that_is_written_is_said(run: Run, tmp_path: Path) -> None:
    out, plot = tmp_path / "out.json", tmp_path / "plot.png"
    files = ("--output", str(out), "--plot", str(plot), "--force")
    asked = ("scale", "b0", "--phi", "0,1", "--measure", "none", *files)
    assert run(*asked).stderr == f"wrote {out}\nwrote {plot}\n"
    assert run(*asked, "-q").stderr == ""
    piped = run("scale", "b0", "--measure", "none", "--output", "/dev/null")
    assert piped.stderr == ""
