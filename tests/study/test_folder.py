"""Tests of `effscale.study.folder`: a study on disk."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from effscale.errors import StudyError
from effscale.study.course import Course, Seeds
from effscale.study.folder import (
    Training,
    difference,
    hold,
    home,
    load,
    read_header,
)
from effscale.study.objective import PAPER
from tests.study.small import made, rows

if TYPE_CHECKING:
    from pathlib import Path

HOW = {"seeds": 2, "objective": "accuracy"}


def outcome(candidate: str, seed: int = 0, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    known = {"candidate": candidate, "seed": seed, "attempt": 1}
    return {**known, "status": "ok", "accuracy": 0.5, **more}


FAILED = {"status": "failed", "reason": "exit 1"}


def test_a_study_is_what_was_put_into_it(tmp_path: Path) -> None:
    folder, asked = tmp_path / "a" / "study", made()
    first, second, third = asked.names
    assert (first, second) == ("a1-b1.1-g1.15", "a1.1-b1.1-g1.15")
    with hold(folder, asked, HOW) as study:
        study.add(outcome(first))
        study.add({**outcome(second), **FAILED})
        study.add(outcome(second, attempt=2))
        study.add(outcome(third, 1))
        assert load(folder).running
    found = load(folder)
    assert not found.running
    assert found.header == asked
    assert found.trainings == study.trainings
    assert [len(each) for each in found.trainings.values()] == [1, 2, 1]
    assert (found.seeds, found.objective.text) == (2, "accuracy")
    assert len((folder / "outcomes.jsonl").read_text("utf-8").splitlines()) == 4


def test_a_study_goes_on_under_the_header_it_began_with(tmp_path: Path) -> None:
    begun = made()
    with hold(tmp_path, begun, HOW) as study:
        study.add(outcome(begun.names[0]))
    text = (tmp_path / "study.json").read_bytes()
    with hold(tmp_path, made(), HOW) as study:
        assert study.header == begun
        assert len(study.trainings) == 1
    assert (tmp_path / "study.json").read_bytes() == text


@pytest.mark.parametrize("torn", range(1, 60, 7))
def test_a_torn_line_costs_that_outcome_alone(tmp_path: Path, torn: int) -> None:
    asked = made()
    with hold(tmp_path, asked, HOW) as study:
        study.add(outcome(asked.names[0]))
    path = tmp_path / "outcomes.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:torn])
    assert len(load(tmp_path).trainings) == 1
    assert path.read_bytes() == whole + whole[:torn]  # looking changes nothing
    with hold(tmp_path, asked, HOW) as study:
        study.add(outcome(asked.names[1]))
    lines = path.read_bytes().splitlines(keepends=True)
    assert (lines[0], len(lines)) == (whole, 2)


def test_a_whole_outcome_without_the_end_of_its_line_counts(tmp_path: Path) -> None:
    asked = made()
    with hold(tmp_path, asked, HOW) as study:
        study.add(outcome(asked.names[0]))
    path = tmp_path / "outcomes.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole.rstrip(b"\n"))
    assert len(load(tmp_path).trainings) == 1
    with hold(tmp_path, asked, HOW) as study:
        assert len(study.trainings) == 1
        study.add(outcome(asked.names[1]))
    lines = path.read_bytes().splitlines(keepends=True)
    assert (lines[0], len(lines)) == (whole, 2)


def test_a_training_is_counted_once(tmp_path: Path) -> None:
    asked = made()
    with hold(tmp_path, asked, HOW) as study:
        for accuracy in (0.25, 0.75):
            study.add(outcome(asked.names[0], accuracy=accuracy))
    (found,) = load(tmp_path).trainings.values()
    assert [each["accuracy"] for each in found] == [0.25]


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "7",
        "{}",
        json.dumps(outcome("another")),
        json.dumps({**outcome("a1-b1.1-g1.15"), "accuracy": None} | {"status": 7}),
        json.dumps({"candidate": "a1-b1.1-g1.15", "seed": 0, "status": "ok"}),
        json.dumps(outcome("a1-b1.1-g1.15", accuracy=math.nan)),
        json.dumps(outcome("a1-b1.1-g1.15", accuracy="0.5")),
        json.dumps(outcome("a1-b1.1-g1.15", accuracy=True)),
        json.dumps(outcome("a1-b1.1-g1.15", accuracy=10**400)),
        json.dumps(outcome("a1-b1.1-g1.15", seed=-1)),
        json.dumps(outcome("a1-b1.1-g1.15", seed=True)),
        json.dumps(outcome("a1-b1.1-g1.15", seed=10**9)),
        json.dumps(outcome("a1-b1.1-g1.15", attempt="1")),
        json.dumps(outcome("a1-b1.1-g1.15", epochs=-1)),
        json.dumps(outcome("a1-b1.1-g1.15", epochs=2.5)),
        json.dumps(outcome("a1-b1.1-g1.15", ended="now")),
        json.dumps(outcome("a1-b1.1-g1.15", seconds="1")),
        json.dumps(outcome("a1-b1.1-g1.15", status="failed", reason=7)),
        json.dumps({**outcome("a1-b1.1-g1.15"), "candidate": ["a1-b1.1-g1.15"]}),
        json.dumps(outcome("a1-b1.1-g1.15")).replace("{", '{"seed": 1, ', 1),
        '{"a":' * 99_999,
        "\xff",
    ],
)
def test_a_line_that_is_no_outcome_is_named(tmp_path: Path, line: str) -> None:
    with hold(tmp_path, made(), HOW) as study:
        study.add(outcome(study.header.names[0]))
    with (tmp_path / "outcomes.jsonl").open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    with pytest.raises(StudyError) as refused:
        load(tmp_path)
    where = tmp_path / "outcomes.jsonl"
    assert str(refused.value) == f"{where}:2: expected an outcome of this study"


def test_two_runs_at_once_are_one_too_many(tmp_path: Path) -> None:
    with hold(tmp_path, made(), HOW), pytest.raises(StudyError) as refused:
        hold(tmp_path, made(), HOW).__enter__()
    assert str(refused.value).startswith(f"{tmp_path}: process ")
    assert str(refused.value).endswith(" is running this study")


def test_any_text_of_a_command_is_kept(tmp_path: Path) -> None:
    odd = {"note": "\ud800 φ \u2028"}
    with hold(tmp_path, made(), HOW) as study:
        study.add(outcome(study.header.names[0], result=odd))
    ((found,),) = load(tmp_path).trainings.values()
    assert found["result"] == odd


def test_only_who_holds_a_study_adds_to_it(tmp_path: Path) -> None:
    with hold(tmp_path, made(), HOW):
        pass
    with pytest.raises(StudyError):
        load(tmp_path).add(outcome("a1-b1.1-g1.15"))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({}, ""),
        ({"name": "b0"}, "made for spec 'tiny', got 'b0'"),
        ({"phi": 2.0}, "made for phi 1, got 2"),
        ({"target_ratio": 1.5}, "made for target ratio 2, got 1.5"),
        ({"spec": "name: b0"}, "made for another spec of the name 'tiny'"),
        ({"command": "x"}, "made for command 'old', got 'x'"),
        ({"candidates": rows()[::-1]}, ""),
        (
            {"candidates": [{**each, "macs": 7} for each in rows()]},
            "made for another a1-b1.1-g1.15: its macs differ",
        ),
    ],
)
def test_another_study_is_refused(
    tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    begun, asked = made("old"), made(**{"command": "old", **changed})
    assert difference(begun, asked) == message
    if not message:
        return
    with hold(tmp_path, begun, HOW):
        pass
    with pytest.raises(StudyError) as refused:
        hold(tmp_path, asked, HOW).__enter__()
    assert str(refused.value) == f"{tmp_path}: {message}; name another --study"


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("", "utf-8")
    with pytest.raises(StudyError) as refused:
        hold(tmp_path, made(), HOW).__enter__()
    said = "expected a study or an empty folder, found 'thesis.tex' in it"
    assert str(refused.value) == f"{tmp_path}: {said}"
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_folder_that_cannot_be_had_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    for path in (tmp_path / "file", tmp_path / "file" / "study"):
        with pytest.raises(StudyError) as refused:
            hold(path, made(), HOW).__enter__()
        assert ": cannot be written: " in str(refused.value)
        assert len(str(refused.value).splitlines()) == 1


def test_a_full_disk_is_said_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with hold(tmp_path, made(), HOW) as study:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(StudyError) as refused:
            study.add(outcome(study.header.names[0]))
    path = tmp_path / "outcomes.jsonl"
    assert str(refused.value) == f"{path}: cannot be written: no space left on device"
    assert not study.trainings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "expected the header of a study as JSON"),
        ("[]", "expected a study of format 1, got []"),
        ('{"format": 2}', "expected a study of format 1, got 2"),
        (
            '{"format": 1, "id": "x", "name": "b0", "spec": "", "command": ""}',
            "missing created, target_ratio, phi, candidates, versions",
        ),
    ],
)
def test_a_header_that_is_none_is_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "study.json"
    path.write_text(text, "utf-8")
    with pytest.raises(StudyError) as refused:
        read_header(path)
    assert str(refused.value) == f"{path}: {message}"


TWICE = made().candidates[0]
DAMAGED: list[tuple[str, object, str]] = [
    ("id", 7, "id: expected a text, got 7"),
    ("name", None, "name: expected a text, got None"),
    ("spec", ["a"], "spec: expected a text, got ['a']"),
    ("command", {}, "command: expected a text, got {}"),
    ("phi", "1", "phi: expected a number, got '1'"),
    ("target_ratio", True, "target_ratio: expected a number, got True"),
    ("target_ratio", math.nan, "expected the header of a study as JSON"),
    ("target_ratio", 10**400, "target_ratio: expected a number, got 1"),
    ("versions", ["a"], "versions: expected names and versions, got ['a']"),
    ("versions", {"a": 1}, "versions: expected names and versions, got {'a': 1}"),
    ("candidates", 7, "candidates: expected a list, got 7"),
    ("candidates", [7], "candidates[0]: expected a candidate, got 7"),
    ("candidates", [TWICE, TWICE], "candidates[1].name: a1-b1.1-g1.15 is there twice"),
    *(
        (
            "candidates",
            [{**TWICE, "name": name}],
            (
                "candidates[0].name: expected a name of letters, digits and signs, got "
                f"{name!r}"
            ),
        )
        for name in (7, "../../etc", "/etc", "", ".", "a\n")
    ),
    ("candidates", [{**TWICE, "macs": "1"}], "candidates[0].macs: expected a number"),
    (
        "candidates",
        [{**TWICE, "macs_ratio": None}],
        "candidates[0].macs_ratio: expected a number",
    ),
    (
        "candidates",
        [{**TWICE, "resolution": [32, "x"]}],
        "candidates[0].resolution: expected two sides in pixels, got [32, 'x']",
    ),
]


@pytest.mark.parametrize(("key", "value", "message"), DAMAGED)
def test_a_damaged_header_is_one_line(
    tmp_path: Path, key: str, value: object, message: str
) -> None:
    path = tmp_path / "study.json"
    path.write_text(json.dumps({**asdict(made()), key: value}), "utf-8")
    with pytest.raises(StudyError) as refused:
        load(tmp_path)
    assert str(refused.value).startswith(f"{path}: {message}")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["[" * 99_999, '{"format": 1, "format": 1}', "\xff"])
def test_what_is_no_header_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "study.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(StudyError, match="expected the header of a study as JSON"):
        load(tmp_path)


@pytest.mark.parametrize("lock", ["[" * 99_999, '{"pid": 1, "host": 2, "seeds": 1e9}'])
def test_a_damaged_lock_says_nothing(tmp_path: Path, lock: str) -> None:
    with hold(tmp_path, made(), HOW):
        pass
    (tmp_path / "lock").write_text(lock, "utf-8")
    assert load(tmp_path).seeds == 1


def test_a_folder_that_is_gone_takes_no_outcome(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    with hold(folder, made(), HOW) as study:
        study.add(outcome(study.header.names[0]))
        shutil.rmtree(folder)
        with pytest.raises(StudyError, match="the folder is gone"):
            study.add(outcome(study.header.names[1]))


def test_where_no_study_is_none_is_found(tmp_path: Path) -> None:
    with pytest.raises(StudyError) as refused:
        load(tmp_path)
    assert (
        str(refused.value) == f"{tmp_path}: expected a study, found no study.json in it"
    )


def test_a_study_that_was_never_run_ranks_as_the_paper_does(tmp_path: Path) -> None:
    (tmp_path / "study.json").write_text(made().dumps(), "utf-8")
    found = load(tmp_path)
    assert (found.seeds, found.objective.text, found.running) == (1, PAPER, False)


def test_a_study_grows_by_candidates_where_it_is_asked_to(tmp_path: Path) -> None:
    few, more = made(), made(count=5)
    with hold(tmp_path, few, HOW) as study:
        study.add(outcome(few.names[0]))
    with pytest.raises(StudyError) as refused, hold(tmp_path, more, HOW):
        pass
    assert str(refused.value) == (
        f"{tmp_path}: made for 3 candidates, got 2 others, such as a1.3-b1.1-g1.15; "
        "--grow adds them, or name another --study"
    )
    with hold(tmp_path, more, HOW, grow=True) as study:
        assert study.header.names == more.names
        study.add(outcome(more.names[4]))
    assert load(tmp_path).header.id == few.id
    with hold(tmp_path, few, HOW) as study:  # those that were asked for first
        assert study.header.names == more.names
    assert len(load(tmp_path).trainings) == 2


def test_a_network_is_in_a_study_once_whatever_it_is_called(tmp_path: Path) -> None:
    same, other = ({**rows()[1], "alpha": 1.11}, {**rows()[1], "alpha": 1.11})
    other["macs"] += 1
    with hold(tmp_path, made(), HOW):
        pass
    with hold(tmp_path, made(candidates=[same]), HOW) as study:
        assert len(study.header.names) == 3
    with hold(tmp_path, made(candidates=[other]), HOW, grow=True) as study:
        assert study.header.names[3:] == ["a1.11-b1.1-g1.15"]


def test_up_to_other_epochs_is_another_training(tmp_path: Path) -> None:
    asked = made()
    name = asked.names[0]
    with hold(tmp_path, asked, {**HOW, "rungs": [2, 4], "halving": 4}) as study:
        for epochs in (2, 4):
            study.add(outcome(name, epochs=epochs, accuracy=epochs / 8))
    found = load(tmp_path)
    assert list(found.trainings) == [Training(name, 0, 2), Training(name, 0, 4)]
    assert found.course == Course(Seeds(2, 2), (2, 4), 4)
    assert home(Training(name, 0, 2)) == home(Training(name, 0, 4))
    logs = {found.log(Training(name, 0, epochs), 1).name for epochs in (0, 2, 4)}
    assert logs == {
        *("attempt-1.log", "epochs-2-attempt-1.log", "epochs-4-attempt-1.log")
    }


@pytest.mark.parametrize(
    ("last", "course"),
    [
        ({}, Course(Seeds(1, 1), (3,))),
        ({"rungs": [4, 2]}, Course(Seeds(1, 1), (3,))),
        ({"rungs": [True, 2], "halving": 1}, Course(Seeds(1, 1), (3,))),
        ({"rungs": "2", "attempts": 0}, Course(Seeds(1, 1), (3,))),
        ({"rungs": [2, 8], "attempts": 5}, Course(Seeds(1, 1), (2, 8), 3, 5)),
        ({"seeds": 5, "seeds_first": 1}, Course(Seeds(1, 5), (3,))),
    ],
)
def test_a_course_is_what_the_last_run_said_or_what_there_is(
    tmp_path: Path, last: dict[str, Any], course: Course
) -> None:
    asked = made()
    with hold(tmp_path, asked, last) as study:
        study.add(outcome(asked.names[0], epochs=3))
    assert load(tmp_path).course == course


@pytest.mark.parametrize("name", ["study.json", "outcomes.jsonl", "lock"])
def test_a_pipe_for_a_file_is_not_waited_for(tmp_path: Path, name: str) -> None:
    with hold(tmp_path, made(), HOW):
        pass
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    said = f"^{tmp_path / name}: expected a file, got a pipe or a device$"
    with pytest.raises(StudyError, match=said):
        load(tmp_path)
    with pytest.raises(StudyError, match=said), hold(tmp_path, made(), HOW):
        pass
