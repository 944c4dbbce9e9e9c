"""Tests of `effscale.study.task` and `guard`: one attempt, and how it can end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from effscale.study import guard, task
from tests.study.small import running

if TYPE_CHECKING:
    from collections.abc import Callable

WELL = """echo '{"accuracy": 0.5, "loss": 1e999, "epochs": 3}' >{out}"""


def job(folder: Path, *words: str, timeout: float | None = None) -> dict[str, Any]:
    (folder / "study.json").write_text('{"id": "this"}', "utf-8")
    return {
        "candidate": "a1",
        "seed": 3,
        "attempt": 1,
        "study": str(folder),
        "id": "this",
        "home": "runs/a1/seed-3",
        "spec": "name: tiny\n",
        "words": list(words),
        "folder": str(folder),
        "timeout": timeout,
        "guard": Path(guard.__file__).read_text("utf-8"),
    }


def shell(folder: Path, script: str, timeout: float | None = None) -> dict[str, Any]:
    return job(folder, "sh", "-c", script, timeout=timeout)


def test_an_answer_is_an_outcome(tmp_path: Path) -> None:
    outcome = task.run(shell(tmp_path, f"{WELL}; echo said"))
    assert outcome is not None
    assert outcome.pop("seconds") >= 0
    assert outcome.pop("host")
    assert time.time() - outcome.pop("ended") < 60
    assert 2**18 < outcome.pop("peak_memory") < 2**28
    assert outcome == {
        "candidate": "a1",
        "seed": 3,
        "attempt": 1,
        "status": "ok",
        "accuracy": 0.5,
        "result": {"accuracy": 0.5, "loss": "1e999", "epochs": 3},
    }
    home = tmp_path / "runs/a1/seed-3"
    assert (home / "spec.yaml").read_text("utf-8") == "name: tiny\n"
    assert (home / "attempt-1.log").read_text("utf-8") == "said\n"


def test_a_command_is_told_how_far_to_train(tmp_path: Path) -> None:
    for epochs in (2, 4):
        script = f"echo up to {{epochs}}; {WELL}"
        outcome = task.run({**shell(tmp_path, script), "epochs": epochs})
        assert outcome is not None
        assert outcome["epochs"] == epochs  # not what ended well before
        log = tmp_path / f"runs/a1/seed-3/epochs-{epochs}-attempt-1.log"
        assert log.read_text("utf-8") == f"up to {epochs}\n"


def test_once_it_is_late_nothing_is_started(tmp_path: Path) -> None:
    asked = {**shell(tmp_path, WELL), "epochs": 2, "start_before": time.time() - 1}
    assert task.run(asked) == {
        "candidate": "a1",
        "seed": 3,
        "epochs": 2,
        "attempt": 1,
        "status": "late",
    }
    assert not (tmp_path / "runs").exists()
    in_time = task.run({**asked, "start_before": time.time() + 60})
    assert in_time is not None
    assert in_time["status"] == "ok"


def test_what_ended_well_is_not_trained_again(tmp_path: Path) -> None:
    script = f"echo x >>{tmp_path}/starts; {WELL}"
    first, second = (task.run(shell(tmp_path, script)) for _ in range(2))
    assert first == second
    assert (tmp_path / "starts").read_text("utf-8") == "x\n"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 3", "exit 3"),
        ("echo a; echo ' boom ' >&2; echo; exit 1", "exit 1: boom"),
        ("printf 'a\\r\\033[31mred\\a\\033[0m\\n'; exit 1", "exit 1: red"),
        ("true", "exit 0, but nothing is written to {out}"),
        ("echo '{\"accuracy\"' >{out}", "{out}: expected JSON, got '{\"accuracy\"\\n'"),
        ("printf '\\377' >{out}", "{out}: expected JSON, got '�'"),
        ("echo 7 >{out}", "{out}: expected a number as accuracy, got None"),
        ("echo '{}' >{out}", "{out}: expected a number as accuracy, got None"),
        (
            "echo '{\"accuracy\": NaN}' >{out}",
            "{out}: expected a number as accuracy, got 'NaN'",
        ),
        (
            "echo '{\"accuracy\": true}' >{out}",
            "{out}: expected a number as accuracy, got True",
        ),
        (
            "echo '{\"accuracy\": 1e999}' >{out}",
            "{out}: expected a number as accuracy, got '1e999'",
        ),
        (
            f"{sys.executable} -c 'print(\"[\" * 99999)' >{{out}}",
            "{out}: expected JSON, got '[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[['",
        ),
        ("kill -9 $$", "killed by signal 9, as by a machine out of memory"),
        ("kill -11 $$", "killed by signal 11"),
    ],
)
def test_a_failure_has_its_reason(tmp_path: Path, script: str, reason: str) -> None:
    outcome = task.run(shell(tmp_path, script))
    assert outcome is not None
    assert (outcome["status"], outcome["reason"]) == ("failed", reason)


@pytest.mark.parametrize(
    ("accuracy", "reason"), [("93.1", "got 93.1"), ("-0.1", "got -0.1"), ("1", "")]
)
def test_a_share_is_from_0_to_1(tmp_path: Path, accuracy: str, reason: str) -> None:
    asked = shell(tmp_path, f"echo '{{\"accuracy\": {accuracy}}}' >{{out}}")
    outcome = task.run({**asked, "share": True})
    assert outcome is not None
    hint = "an --objective of your own takes any number"
    expected = f"{{out}}: expected an accuracy from 0 to 1, {reason}; {hint}"
    assert outcome.get("reason", "") == (expected if reason else "")


@pytest.mark.parametrize("name", ["out.json", "spec.yaml", "attempt-1.log"])
def test_a_pipe_is_not_waited_for(tmp_path: Path, name: str) -> None:
    """Neither one that the command makes, nor one of the attempt before."""
    script = f"rm -f {{dir}}/{name}; mkfifo {{dir}}/{name}"
    began = time.monotonic()
    for _ in range(2):
        outcome = task.run(shell(tmp_path, script, timeout=5))
        assert outcome is not None
        assert outcome["status"] == "failed"
        last = outcome["reason"]
    assert time.monotonic() - began < 5
    if name == "out.json":
        expected = "{out}: expected a file, got a pipe or a device"
        assert last == expected


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's subreapers")
@pytest.mark.parametrize("end", ["exit 0", "exit 1", "sleep 60"])
def test_a_daemon_ends_with_its_training(tmp_path: Path, end: str) -> None:
    daemon = f"(setsid sh -c 'sleep 60; : {tmp_path}' >/dev/null 2>&1 </dev/null &)"
    twice = f'setsid sh -c "{daemon}" & sleep 0.3'
    task.run(shell(tmp_path, f"{twice}; {WELL}; {end}", timeout=1))
    assert list(running(str(tmp_path))) == []


@pytest.mark.parametrize(
    "kept", ["[", "[" * 99_999, "7", '{"status": "ok"}', '{"candidate": "b"}', ""]
)
def test_a_damaged_outcome_is_trained_again(tmp_path: Path, kept: str) -> None:
    asked = shell(tmp_path, WELL)
    home = tmp_path / asked["home"]
    home.mkdir(parents=True)
    (home / "outcome.json").write_text(kept, "utf-8")
    outcome = task.run(asked)
    assert outcome is not None
    assert outcome["status"] == "ok"


def test_a_full_disk_is_told_from_a_failure(tmp_path: Path) -> None:
    script = "echo 'OSError: [Errno 28] No space left on device: x'; exit 1"
    outcome = task.run(shell(tmp_path, script))
    assert outcome is not None
    assert outcome["of_the_disk"]


def test_a_command_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    outcome = task.run(job(tmp_path, "no-such-program"))
    assert outcome is not None
    said = "no-such-program: cannot be run: no such file or directory"
    assert outcome["reason"] == said


def test_an_old_answer_is_not_taken_for_a_new_one(tmp_path: Path) -> None:
    home = tmp_path / "runs/a1/seed-3"
    home.mkdir(parents=True)
    (home / "out.json").write_text('{"accuracy": 1}', "utf-8")
    outcome = task.run(shell(tmp_path, "true"))
    assert outcome is not None
    assert outcome["reason"] == "exit 0, but nothing is written to {out}"


def test_its_time_over_a_training_ends_with_all_it_started(tmp_path: Path) -> None:
    started = time.monotonic()
    outcome = task.run(shell(tmp_path, "sleep 60 & sleep 60; : {out}", timeout=0.2))
    assert outcome is not None
    assert outcome["reason"] == "over its time limit of 0.2 s"
    assert time.monotonic() - started < 10
    assert not list(running(str(tmp_path)))


def test_what_a_training_leaves_running_is_ended(tmp_path: Path) -> None:
    script = f"sh -c 'sleep 60; : {tmp_path}' & {WELL}"
    outcome = task.run(shell(tmp_path, script))
    assert outcome is not None
    assert outcome["status"] == "ok"
    assert gone(tmp_path)


def test_unwanted_a_training_ends(tmp_path: Path) -> None:
    assert task.run(shell(tmp_path, "sleep 60; : {out}"), lambda: False) is None
    assert gone(tmp_path)


def gone(folder: Path, seconds: float = 5) -> bool:
    """Whether nothing runs that names the folder, once it had the time to end."""
    end = time.monotonic() + seconds
    while (left := list(running(str(folder)))) and time.monotonic() < end:
        time.sleep(0.02)
    return not left


def waits(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_killed_whoever_asked_takes_the_training_along(tmp_path: Path) -> None:
    code = "import json, sys; from effscale.study import task; "
    code += "task.run(json.load(sys.stdin))"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as asked:
        assert asked.stdin is not None
        asked.stdin.write(json.dumps(shell(tmp_path, "sleep 60; : {out}")).encode())
        asked.stdin.close()
        waits(lambda: bool(list(running(str(tmp_path)))))
        asked.kill()
    assert gone(tmp_path)


def test_gone_before_the_training_has_begun_it_is_ended_all_the_same(
    tmp_path: Path,
) -> None:
    asked = json.dumps(shell(tmp_path, "sleep 60; : {out}"))
    heard, said = os.pipe()
    os.close(heard)  # whom the guard would tell of the process
    with subprocess.Popen(
        [sys.executable, "-c", task.START],
        stdin=subprocess.PIPE,
        stdout=said,
        stderr=subprocess.STDOUT,
        text=True,
    ) as started:
        os.close(said)
        assert started.stdin is not None
        started.stdin.write(asked + "\n")
        started.stdin.flush()
        waits(lambda: bool(list(running(str(tmp_path)))))
        started.stdin.close()
    assert gone(tmp_path)


def test_killed_a_guard_takes_the_training_along(tmp_path: Path) -> None:
    def kill() -> bool:
        for pid in list(running(str(tmp_path))):
            parent = Path(f"/proc/{pid}/stat").read_text("utf-8").split()[3]
            os.kill(int(parent), signal.SIGKILL)
        return True

    outcome = task.run(shell(tmp_path, "sleep 60; : {out}"), kill)
    assert outcome is not None
    assert outcome["reason"] == "its guard was ended"
    assert gone(tmp_path)


def test_where_the_study_is_not_a_training_has_a_folder_aside(tmp_path: Path) -> None:
    asked = {**shell(tmp_path, f"echo said; {WELL}"), "id": "another"}
    outcome = task.run(asked)
    assert outcome is not None
    assert (outcome["accuracy"], outcome["output"]) == (0.5, "said\n")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["study.json"]


def test_a_training_sees_its_share_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")
    asked = shell(tmp_path, f"env; {WELL}")
    assert task.run({**asked, "threads": 2, "variables": {"GPU": "7"}}) is not None
    log = (tmp_path / "runs/a1/seed-3/attempt-1.log").read_text("utf-8").splitlines()
    assert {"OMP_NUM_THREADS=2", "GPU=7", "PYTHONUNBUFFERED=1"} <= set(log)
    assert not any("MALLOC" in line for line in log)


def test_a_name_of_the_template_is_filled_in_and_others_stay() -> None:
    words = guard.fill(["{spec}", "--x={seed}", "{a} {}"], {"spec": "s", "seed": 3})
    assert words == ["s", "--x=3", "{a} {}"]
