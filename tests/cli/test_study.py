"""`effscale grid --evaluate` and `effscale study`, as their users see them."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

import effscale as es
from effscale.study import engines
from effscale.study.objective import PAPER
from tests.study.small import STAND_IN, running

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result
    from syrupy.assertion import SnapshotAssertion

    from tests.conftest import Run

pytestmark = pytest.mark.slow

COMMAND = f"sh {STAND_IN} {{spec}} {{out}} {{seed}}"
#: Fails for whatever is not twice as deep.
POOR = 'sh -c \'case {spec} in *a2-*) echo "{\\"accuracy\\": 1}" >{out};; '
POOR += "*) echo no memory; exit 1;; esac'"


def evaluate(run: Run, folder: Path, *arguments: str, command: str = COMMAND) -> Result:
    """Four candidates of B0, in `folder`/study."""
    study = ("--evaluate", command, "--study", str(folder / "study"))
    return run("grid", "--top", "4", *study, *arguments)


def answer(result: Result) -> dict[str, Any]:
    assert (result.exit_code, result.stderr) == (0, "")
    data: dict[str, Any] = json.loads(result.stdout)
    return data


def plain(text: str, folder: Path) -> str:
    """The text without what differs from run to run."""
    text = text.replace(str(folder), "FOLDER").replace(str(STAND_IN), "STAND_IN")
    text = re.sub(r" \d\.\d s", " … s", text)
    return re.sub(r" +$", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize(
    "arguments",
    [[], ["--seeds", "3"], ["--format", "markdown", "--objective", "accuracy / macs"]],
    ids=" ".join,
)
def test_prints(
    run: Run, tmp_path: Path, snapshot: SnapshotAssertion, arguments: list[str]
) -> None:
    result = evaluate(run, tmp_path, *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    assert plain(result.stdout, tmp_path) == snapshot
    asked = [each for each in arguments if each not in {"--seeds", "3"}]
    again = run("study", str(tmp_path / "study"), *asked)
    assert (again.stdout, again.stderr) == (result.stdout, "")


def test_chance_alone_is_said_to_be_chance(run: Run, tmp_path: Path) -> None:
    told = '{"accuracy": 0.12, "chance": 0.1, "data": {"validation": 100}}'
    written = told.replace('"', '\\"')
    command = f"sh -c 'echo \"{written}\" >{{out}}' {{spec}}"
    result = evaluate(run, tmp_path, command=command)
    warning = (
        "warning: all accuracies are those of chance, so the order above is chance"
    )
    assert result.exit_code == 0
    assert warning in result.stdout


def test_failures_are_said_and_shown_and_stop_nothing_else(
    run: Run, tmp_path: Path, snapshot: SnapshotAssertion
) -> None:
    result = evaluate(run, tmp_path, "--on", "local:jobs=1", command=POOR)
    assert result.exit_code == 1
    assert plain(result.output, tmp_path) == snapshot
    log = tmp_path / "study/runs/a1-b1-g1.4/seed-0/attempt-2.log"
    assert log.read_text("utf-8") == "no memory\n"
    quiet = run("study", str(tmp_path / "study"), "-q")
    assert (quiet.exit_code, quiet.stdout) == (1, result.stdout)


def test_json_is_the_contract(run: Run, tmp_path: Path) -> None:
    data = answer(evaluate(run, tmp_path, "--seeds", "2", "--format", "json"))
    assert list(data)[:4] == ["effscale", "schema", "command", "spec"]
    assert (data["command"], data["spec"], data["objective"]) == ("grid", "b0", PAPER)
    assert data["training_runs"] == {"all": 8, "done": 8, "failed": 0, "left": 0}
    rows = data["candidates"]
    assert [row["rank"] for row in rows] == [1, 2, 3, 4]
    rewards = [row["score"] for row in rows]
    assert rewards == sorted(rewards, reverse=True)
    for row in rows:
        assert set(row) >= {
            *("alpha", "beta", "gamma", "resolution", "params", "macs", "activations"),
            *("macs_ratio", "deviation", "own_coefficients", "accuracy"),
            *("score", "score_error", "tied", "pareto", "seconds", "failed"),
        }
        assert row["accuracy"] == sum(row["accuracies"]) / 2
        paper = row["accuracy"] * (row["macs"] / 400e6) ** -0.07
        assert row["score"] == pytest.approx(paper)


def test_csv_has_a_line_for_each_candidate(run: Run, tmp_path: Path) -> None:
    result = evaluate(run, tmp_path, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4"]
    deep = next(row for row in rows if row["alpha"] == "2.0")
    twice = es.scale(es.load("b0"), es.Multipliers(depth=2))
    assert deep["macs"] == str(es.count(twice).macs)


def test_the_same_command_again_trains_nothing_and_says_the_same(
    run: Run, tmp_path: Path
) -> None:
    first = evaluate(run, tmp_path)
    kept = (tmp_path / "study/outcomes.jsonl").read_bytes()
    assert evaluate(run, tmp_path).stdout == first.stdout
    assert (tmp_path / "study/outcomes.jsonl").read_bytes() == kept
    more = answer(evaluate(run, tmp_path, "--seeds", "2", "--format", "json"))
    assert more["training_runs"]["done"] == 8
    assert (tmp_path / "study/outcomes.jsonl").read_bytes().startswith(kept)


CLIMB = f"sh {STAND_IN} {{spec}} {{out}} {{epochs}}{{seed}}"


def test_on_rungs_the_best_third_goes_on(run: Run, tmp_path: Path) -> None:
    rungs = ("--top", "9", "--rungs", "2,4", "--format", "json")
    data = answer(evaluate(run, tmp_path, *rungs, command=CLIMB))
    assert (data["rungs"], data["halving"]) == ([2, 4], 3)
    assert set(data["importance"]) == {"alpha", "beta", "gamma"}
    assert data["training_runs"] == {"all": 12, "done": 12, "failed": 0, "left": 0}
    assert [row["epochs"] for row in data["candidates"]] == [4] * 3 + [2] * 6
    lines = (tmp_path / "study/outcomes.jsonl").read_text("utf-8").splitlines()
    first = {
        each["candidate"]: each["accuracy"]
        for each in map(json.loads, lines)
        if each["epochs"] == 2
    }
    macs = {row["name"]: row["macs"] for row in data["candidates"]}
    rewards = {name: first[name] * macs[name] ** -0.07 for name in first}
    best = sorted(rewards, key=lambda name: -rewards[name])[:3]
    assert {row["name"] for row in data["candidates"][:3]} == {*best}
    again = run("study", str(tmp_path / "study"), "--format", "json")
    assert json.loads(again.stdout) == {**data, "command": "study"}
    path = tmp_path / "study.svg"
    assert run("study", str(tmp_path / "study"), "--plot", str(path)).exit_code == 0
    text = " ".join(ET.fromstring(path.read_bytes()).itertext())  # noqa: S314
    for label in ("share of variance explained, each alone", "epoch"):
        assert label in text


def test_a_study_that_has_ended_is_refined_around_its_best(
    run: Run, tmp_path: Path
) -> None:
    first = answer(evaluate(run, tmp_path, "--format", "json"))
    result = evaluate(run, tmp_path, "--refine", "--format", "json")
    refined = json.loads(result.stdout)
    rows = {row["name"]: row for row in refined["candidates"]}
    added = [rows[name] for name in rows if name not in str(first["candidates"])]
    assert added
    assert result.stderr == f"{len(added)} candidates are added around the best\n"
    best = first["candidates"][0]
    for row in added:
        for key in ("alpha", "beta", "gamma"):
            assert abs(row[key] - best[key]) < 0.05001
    assert refined["training_runs"]["left"] == 0
    assert first["training_runs"]["all"] + len(added) == refined["training_runs"]["all"]
    other = evaluate(run, tmp_path, "--top", "9")
    assert other.exit_code == 1
    assert "--grow adds them, or name another --study" in other.stderr


def test_a_refinement_that_was_cut_short_goes_on_with_what_it_has_added(
    run: Run, tmp_path: Path
) -> None:
    evaluate(run, tmp_path, "--seeds", "2")
    evaluate(run, tmp_path, "--refine", "-q")
    header = json.loads((tmp_path / "study/study.json").read_text("utf-8"))
    # The seeds that are missing come first; what then is best is looked around next.
    result = evaluate(run, tmp_path, "--seeds", "2", "--refine", "--format", "json")
    said = "what is left comes first; --refine adds candidates once that has ended\n"
    assert (result.exit_code, result.stderr) == (0, said)
    data = json.loads(result.stdout)
    assert len(data["candidates"]) == len(header["candidates"])
    assert data["training_runs"]["left"] == 0


def test_where_seeds_are_to_come_none_are_asked_for(run: Run, tmp_path: Path) -> None:
    asked = ("--seeds", "2", "--on", "local:jobs=1", "--time-limit", "0.1s")
    result = evaluate(run, tmp_path, *asked, command=f"{COMMAND} 0.1")
    assert "one seed each so far, which cannot show what is chance" in result.stdout
    assert "--seeds 3 can" not in result.stdout


def test_a_command_that_does_not_use_its_seed_tells_nothing_apart(
    run: Run, tmp_path: Path
) -> None:
    same = COMMAND.replace("{seed}", "0 0 {seed}")
    result = evaluate(run, tmp_path, "--seeds", "3", command=same)
    assert "each candidate has the same score with all its seeds" in result.stdout
    assert "does the command use {seed}?" in result.stdout
    assert "as good (Tukey" not in result.stdout


def test_watched_off_a_terminal_it_is_shown_once(run: Run, tmp_path: Path) -> None:
    result = evaluate(run, tmp_path)
    watched = run("study", str(tmp_path / "study"), "--watch")
    assert (watched.exit_code, watched.stdout) == (0, result.stdout)


def test_once_time_is_over_it_says_what_is_left(run: Run, tmp_path: Path) -> None:
    slow = f"{COMMAND} 0.3"
    asked = ("--on", "local:jobs=1", "--time-limit", "0.5s")
    result = evaluate(run, tmp_path, *asked, command=slow)
    assert result.exit_code == 0
    done = int(result.stderr.removeprefix("time is over: ")[0])
    assert 0 < done < 4
    kept = f"{done} of 4 training runs are done and kept"
    goes_on = "the same command goes on from there"
    assert result.stderr == f"time is over: {kept}; {goes_on}\n"
    assert "the best so far as coefficients for every φ: " in result.stdout
    stands = f"{done} of 4 training runs done, {4 - done} left of about 0."
    assert stands in result.stdout


def test_all_candidates_are_trained_where_no_top_is_given(
    run: Run, tmp_path: Path
) -> None:
    study = ("--evaluate", COMMAND, "--study", str(tmp_path / "study"), "--dry-run")
    lines = run("grid", "--step", "0.2", "--tolerance", "0.1", *study).stdout
    networks = run("grid", "--step", "0.2", "--tolerance", "0.1", "--format", "csv")
    assert len(lines.splitlines()) == len(networks.stdout.splitlines()) - 1


def test_the_winner_scales_to_any_phi(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "found.yaml"
    options = ("--output", str(path), "--format", "json", "-q")
    data = answer(evaluate(run, tmp_path, *options))
    best = data["candidates"][0]
    found = es.load(str(path))
    point = found.coefficients.alpha, found.coefficients.beta, found.coefficients.gamma
    assert point == (best["alpha"], best["beta"], best["gamma"])
    assert found.model_copy(update={"coefficients": es.Coefficients()}) == es.load("b0")
    text = path.read_text("utf-8")
    assert "# b0 with the coefficients found by effscale" in text
    scaled = run("scale", str(path), "--phi", "2", "--measure", "none")
    assert scaled.exit_code == 0
    other = tmp_path / "again.yaml"
    run("study", str(tmp_path / "study"), "--output", str(other))
    assert other.read_text("utf-8") == text
    refused = evaluate(run, tmp_path, "--output", str(path))
    assert (refused.exit_code, path.read_text("utf-8")) == (2, text)


def test_a_study_without_a_reward_has_no_winner(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "found.yaml"
    result = evaluate(
        run, tmp_path, "-q", "--output", str(path), command="false {spec} {out}"
    )
    assert (result.exit_code, path.exists()) == (1, False)
    said = f"{tmp_path / 'study'}: no candidate has a score yet\n"
    assert result.stderr == said


def test_plots_accuracy(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "study.svg"
    assert evaluate(run, tmp_path, "--plot", str(path)).exit_code == 0
    root = ET.fromstring(path.read_bytes())  # noqa: S314 - drawn just now
    text = " ".join(root.itertext())
    for label in ("α (depth)", "β (width)", "γ (resolution)", "MACs", "accuracy"):
        assert label in text
    assert text.count("accuracy of the candidates") == 1
    assert "epoch" not in text  # the command writes no history, and four are few
    again = tmp_path / "study.png"
    assert run("study", str(tmp_path / "study"), "--plot", str(again)).exit_code == 0
    assert again.read_bytes().startswith(b"\x89PNG")


def test_dry_run_says_the_commands_and_does_nothing(run: Run, tmp_path: Path) -> None:
    result = evaluate(run, tmp_path, "--seeds", "2", "--dry-run")
    lines = result.stdout.splitlines()
    folder = tmp_path / "study/runs/a1-b1-g1.4/seed-0"
    assert lines[0] == f"sh {STAND_IN} {folder}/spec.yaml {folder}/out.json 0"
    assert (len(lines), lines[4][-2:]) == (8, " 1")
    assert result.stderr == "8 training runs, none started\n"
    assert not (tmp_path / "study").exists()


def test_a_long_name_is_cut_to_what_a_spec_s_may_be(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "long.yaml"
    long = es.load("b0").model_copy(update={"name": "n" * 80})
    path.write_text(es.dumps(long), "utf-8")
    study = ("--evaluate", COMMAND, "--study", str(tmp_path / "study"))
    assert run("grid", str(path), "--top", "1", *study).exit_code == 0
    (spec,) = tmp_path.glob("study/runs/*/*/spec.yaml")
    assert es.load(str(spec)).name == "n" * 80


def test_each_candidate_is_a_spec_that_says_where_it_comes_from(
    run: Run, tmp_path: Path
) -> None:
    evaluate(run, tmp_path)
    path = tmp_path / "study/runs/a2-b1-g1/seed-0/spec.yaml"
    deep = es.scale(es.load("b0"), es.Multipliers(depth=2))
    assert es.count(es.load(str(path))) == es.count(deep)
    lines = path.read_text("utf-8").splitlines()
    assert lines[1] == "# alpha 2, beta 1, gamma 1, phi 1"
    assert run("check", str(path)).exit_code == 0


def test_verbose_says_each_outcome(run: Run, tmp_path: Path) -> None:
    lines = evaluate(run, tmp_path, "-v").stderr.splitlines()
    found = [
        line for line in lines if re.search(r" seed 0: accuracy 0\.9\d+ in ", line)
    ]
    assert len(found) == 4


def test_other_versions_are_said(run: Run, tmp_path: Path) -> None:
    evaluate(run, tmp_path)
    path = tmp_path / "study/study.json"
    header = json.loads(path.read_text("utf-8"))
    header["versions"]["torch"] = "1.0"
    path.write_text(json.dumps(header), "utf-8")
    result = evaluate(run, tmp_path)
    assert result.exit_code == 0
    assert result.stderr.startswith("the study began with torch 1.0, now 2.")
    assert evaluate(run, tmp_path, "-q").stderr == ""


DIGITS = STAND_IN.parents[2] / "specs" / "digits.yaml"
STUDY = ["--study", "s"]
PYTHON = ["--evaluate", "python {spec} {out}", *STUDY]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ["--evaluate", COMMAND],
            2,
            "--evaluate needs --study FOLDER, where outcomes ",
        ),
        (["--seeds", "2"], 2, "--seeds goes with --evaluate COMMAND"),
        (["--dry-run"], 2, "--dry-run goes with --evaluate COMMAND"),
        (["--data", "digits"], 2, "--data goes with --evaluate COMMAND"),
        (
            ["--evaluate", "python {out}", *STUDY],
            2,
            "'--evaluate': expected a command with {spec} in it, got 'python {out}'",
        ),
        (
            ["--evaluate", "python {spec}", *STUDY],
            2,
            "'--evaluate': expected a command with {out} in it, got 'python {spec}'",
        ),
        (
            ["--evaluate", "train_mine {spec} {out}", *STUDY, "--seeds", "2"],
            2,
            "'--seeds': expected a command with {seed} in it, got 'train_mine {spec} ",
        ),
        (
            [*PYTHON, "--seeds", "2"],
            2,
            "'--seeds': expected a command with {seed} in it, got 'python {spec} ",
        ),
        (
            [*PYTHON, "--objective", "acc"],
            2,
            "'--objective': expected one of accuracy,",
        ),
        (
            [*PYTHON, "--on", "cloud"],
            2,
            "'--on': expected local, ray:ADDRESS, dask:ADD",
        ),
        (
            [*PYTHON, "--timeout", "soon"],
            2,
            "'--timeout': expected a duration such as ",
        ),
        ([*PYTHON, "--phi", "1,2"], 2, "--evaluate trains candidates at one --phi"),
        ([*PYTHON, "--measure", "torch"], 2, "--measure does not go with --evaluate"),
        (
            ["--evaluate", "no-such-program {spec} {out}", *STUDY],
            1,
            (
                "--evaluate: expected a program that can be run, found none called "
                "'no-such-program'"
            ),
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_is_one_clear_line(  # noqa: PLR0913, PLR0917 - two fixtures
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("grid", *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    line = result.stderr.splitlines()[-1].removeprefix("Error: ")
    assert line.removeprefix("Invalid value for ").startswith(message)
    assert len(result.stderr.splitlines()) == (1 if code == 1 else 4)
    assert not list(tmp_path.iterdir())


def test_a_study_of_another_command_is_refused(run: Run, tmp_path: Path) -> None:
    evaluate(run, tmp_path)
    other = "sh {spec} {out}"
    result = evaluate(run, tmp_path, command=other)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"{tmp_path / 'study'}: made for command {COMMAND!r}, got {other!r}; "
        "name another --study\n"
    )


def test_a_folder_that_is_no_study_is_refused(run: Run, tmp_path: Path) -> None:
    result = run("study", str(tmp_path))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"{tmp_path}: expected a study, found no study.json in it\n"


def test_an_engine_that_is_not_installed_leaves_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda _name: None)
    result = evaluate(run, tmp_path, "--on", "dask:tcp://127.0.0.1:1")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "--on dask needs distributed; pip install 'effscale[dask]' brings it\n"
    )
    assert not (tmp_path / "study").exists()


def started(folder: Path, *arguments: str, command: str) -> subprocess.Popen[str]:
    """The program itself, four candidates."""
    study = ["--evaluate", command, "--study", str(folder / "study"), *arguments]
    program = [sys.executable, "-m", "effscale", "grid", "--top", "4", *study]
    pipe = subprocess.PIPE
    return subprocess.Popen(program, stdout=pipe, stderr=pipe, text=True)


def test_ctrl_c_ends_the_trainings_and_keeps_what_is_done(
    run: Run, tmp_path: Path
) -> None:
    first = 'case {spec} in *a1-b1-*) echo "{\\"accuracy\\": 1}" >{out};; '
    command = f"sh -c '{first} *) sleep 60;; esac'"
    with started(tmp_path, "--on", "local:jobs=2", command=command) as program:
        outcomes = tmp_path / "study/outcomes.jsonl"
        end = time.monotonic() + 20
        while not (outcomes.exists() and outcomes.read_bytes()):
            assert time.monotonic() < end
            time.sleep(0.02)
        program.send_signal(signal.SIGINT)
        out, said = program.communicate(timeout=20)
    assert (program.returncode, out) == (130, "")
    assert said.splitlines() == [
        "1 of 4 training runs are done and kept; the same command goes on from there",
        "",
        "interrupted",
    ]
    assert not list(running(str(tmp_path)))
    data = json.loads(run("study", str(tmp_path / "study"), "--format", "json").stdout)
    assert data["training_runs"]["done"] == 1


def test_two_runs_at_once_are_one_too_many(run: Run, tmp_path: Path) -> None:
    command = "sh -c 'sleep 60; : {spec} {out}'"
    with started(tmp_path, command=command) as program:
        end = time.monotonic() + 20
        while not list(running(str(tmp_path / "study/runs"))):
            assert time.monotonic() < end
            time.sleep(0.02)
        result = evaluate(run, tmp_path, command=command)
        shown = run("study", str(tmp_path / "study"))
        program.kill()
    assert (result.exit_code, result.stdout) == (1, "")
    who = f"process {program.pid} on "
    assert result.stderr.startswith(f"{tmp_path / 'study'}: {who}")
    assert result.stderr.endswith(" is running this study\n")
    assert f"0 of 4 training runs done, running (process {program.pid})" in shown.stdout


@pytest.mark.torch
def test_the_built_in_trainer_ranks_alike_again(run: Run, tmp_path: Path) -> None:
    def rewards(folder: str, top: str) -> list[tuple[str, float]]:
        study = ("--evaluate", "train --epochs 1", "--study", str(tmp_path / folder))
        result = run("grid", str(DIGITS), "--top", top, *study, "--format", "json")
        assert (result.exit_code, result.stderr) == (0, "")
        rows = json.loads(result.stdout)["candidates"]
        return [(row["name"], row["score"]) for row in rows]

    once = rewards("once", "2")
    (again,) = rewards("again", "1")
    assert again in once
    assert len({reward for _, reward in once}) == 2
    kept = json.loads(
        (tmp_path / "once/outcomes.jsonl").read_text("utf-8").split("\n")[0]
    )
    assert kept["result"]["macs"] > 0


#: As accurate as its candidate and seed have it: two are far ahead.
AHEAD = "sh -c 'case {spec} in *a2-*|*a1-b1-*) a=9;; *) a=1;; esac; "
AHEAD += 'echo "{\\"accuracy\\": 0.${a}{seed}, \\"latency\\": 0.00{seed}1}" >{out}\''


def test_further_seeds_are_for_those_that_may_be_best(run: Run, tmp_path: Path) -> None:
    seeds = ("--seeds", "3..6", "--objective", "accuracy", "--format", "json")
    data = answer(evaluate(run, tmp_path, *seeds, command=AHEAD))
    trained = {row["alpha"] * row["beta"]: row["seeds"] for row in data["candidates"]}
    assert sorted(trained.values()) == [3, 3, 6, 6]
    assert (data["seeds"], data["seeds_first"]) == (6, 3)
    assert data["training_runs"] == {"all": 18, "done": 18, "failed": 0, "left": 0}
    assert [row["tied"] for row in data["candidates"]] == [False, True, False, False]
    again = answer(run("study", str(tmp_path / "study"), "--format", "json"))
    assert {**again, "command": "grid"} == data
    kept = (tmp_path / "study/outcomes.jsonl").read_bytes()
    assert answer(evaluate(run, tmp_path, *seeds, command=AHEAD)) == data
    assert (tmp_path / "study/outcomes.jsonl").read_bytes() == kept


def test_a_study_that_stopped_goes_on_with_those_that_may_be_best(
    run: Run, tmp_path: Path
) -> None:
    seeds = ("--seeds", "3..6", "--objective", "accuracy", "--format", "json")
    whole = answer(evaluate(run, tmp_path, *seeds, command=AHEAD))
    path = tmp_path / "study/outcomes.jsonl"
    lines = path.read_text("utf-8").splitlines(keepends=True)
    for count in (0, 5, 12, 13, 17):
        path.write_text("".join(lines[:count]), "utf-8")
        part = answer(evaluate(run, tmp_path, *seeds, command=AHEAD))
        assert part["training_runs"] == whole["training_runs"]
        for row, other in zip(part["candidates"], whole["candidates"], strict=True):
            assert row["accuracies"] == other["accuracies"]


def test_a_number_of_the_command_s_own_is_an_objective(
    run: Run, tmp_path: Path
) -> None:
    aim = ("--objective", "accuracy - latency", "--format", "json")
    data = answer(evaluate(run, tmp_path, *aim, command=AHEAD))
    assert data["front"] == {"accuracy": "more", "latency": "less"}
    assert data["candidates"][0]["score"] == pytest.approx(0.9 - 0.0001)
    study = str(tmp_path / "study")
    refused = run("study", study, "--objective", "accuracy / latencies")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert (
        "image_height, image_width, seconds, peak_memory, latency, got 'latencies'"
        in refused.stderr
    )
    assert "did you mean 'latency'?" in refused.stderr


def test_a_number_that_is_not_written_is_said_at_the_first_outcome(
    run: Run, tmp_path: Path
) -> None:
    aim = ("--objective", "accuracy / top5")
    result = evaluate(run, tmp_path, *aim, command=AHEAD)
    said = "no {out} has a number called top5"
    assert result.stderr.count(said) == 1
    assert f"4 of 4 candidates have accuracies, but no score: {said}" in result.stdout


def test_the_picture_says_what_its_axes_bars_and_marks_are(
    run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "study.svg"
    evaluate(run, tmp_path, "--seeds", "2", "--plot", str(path), command=AHEAD)
    texts = {each.text for each in ET.parse(path).iter() if each.text}  # noqa: S314
    assert texts >= {
        *("accuracy", "α (depth)", "β (width)", "γ (resolution)", "MACs"),
        *("mean over seeds ± one standard error", "front of accuracy, MACs"),
        "best score",
    }


def test_csv_has_every_accuracy(run: Run, tmp_path: Path) -> None:
    result = evaluate(run, tmp_path, "--seeds", "3", "--format", "csv", command=AHEAD)
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert {row["accuracies"] for row in rows} == {
        *("0.9;0.91;0.92", "0.1;0.11;0.12"),
    }
