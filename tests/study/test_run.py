"""Tests of `effscale.study.run`: what is trained, what is tried again, what ends."""

from __future__ import annotations

import json
import time
from concurrent.futures import Executor, Future
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from effscale.errors import StudyError
from effscale.study import task
from effscale.study.engines import connect, where
from effscale.study.folder import Study, Training, hold, home, load
from effscale.study.run import Plan, commands, run
from tests.study.small import EMPTY, made, plan, running

if TYPE_CHECKING:
    from pathlib import Path

    from effscale.study.folder import Header, Outcome

LOCAL = where("local:jobs=2")
#: Ends at once for the first candidate, and for the others never.
QUICK_FIRST = """case {spec} in *a1-*) echo "{\\"accuracy\\": 1}" >{out};; """
QUICK_FIRST += "*) sleep 60;; esac"


class Said(Executor):
    """An engine that answers each job as `says` does, and remembers which it had."""

    def __init__(self, says: Any) -> None:  # noqa: ANN401 - a function of the job
        self.says, self.cancelled = says, False
        self.jobs: list[dict[str, Any]] = []

    def submit(self, fn: Any, /, *args: Any, **_: Any) -> Future[Any]:  # noqa: ANN401
        del fn
        (job,) = args
        self.jobs.append(job)
        future: Future[Any] = Future()
        try:
            future.set_result(self.says(job))
        except RuntimeError as error:
            future.set_exception(error)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002
        del wait
        self.cancelled = cancel_futures


def good(job: dict[str, Any]) -> Outcome:
    known = {key: job[key] for key in task.KNOWN if key in job}
    return {**known, "status": "ok", "accuracy": 0.5}


def bad(job: dict[str, Any]) -> Outcome:
    known = {key: job[key] for key in task.KNOWN if key in job}
    return {**known, "status": "failed", "reason": "exit 1"}


def trained(
    folder: Path, asked: Header, engine: Executor, given: Plan | None = None
) -> list[Outcome]:
    trainings = asked.trainings(1)
    with hold(folder, asked, {}) as study:
        return list(run(study, lambda: trainings, given or plan(asked), engine))


def test_every_training_has_an_outcome_once(tmp_path: Path) -> None:
    asked, engine = made(), Said(good)
    first = trained(tmp_path, asked, engine)
    assert [each["candidate"] for each in first] == asked.names
    assert trained(tmp_path, asked, engine) == []
    assert len(engine.jobs) == 3
    assert not engine.cancelled


def test_a_failure_is_tried_again_as_often_as_said(tmp_path: Path) -> None:
    asked = made()
    poor = asked.names[1]
    engine = Said(lambda job: (bad if job["candidate"] == poor else good)(job))
    outcomes = trained(tmp_path, asked, engine, plan(asked, attempts=3))
    attempts = [each["attempt"] for each in outcomes if each["candidate"] == poor]
    assert (attempts, len(outcomes)) == ([1, 2, 3], 5)
    assert trained(tmp_path, asked, engine, plan(asked, attempts=3)) == []
    (more,) = trained(tmp_path, asked, Said(good), plan(asked, attempts=4))
    assert (more["attempt"], more["status"]) == (4, "ok")


def test_a_failure_of_the_engine_is_an_outcome_too(tmp_path: Path) -> None:
    def fails(job: dict[str, Any]) -> Outcome:
        if job["attempt"] == 1:
            raise RuntimeError("the node\nis gone")
        return good(job)

    first, second = trained(tmp_path, made(count=1), Said(fails))
    assert first["reason"] == "RuntimeError: the node"
    assert second["status"] == "ok"


def test_a_full_disk_is_no_failure_of_a_training(tmp_path: Path) -> None:
    def full(job: dict[str, Any]) -> Outcome:
        reason = "spec.yaml: no space left on device"
        return {**bad(job), "reason": reason, "of_the_disk": True}

    asked = made()
    hint = "it is no failure of a training; the same command goes on from there"
    with pytest.raises(StudyError) as refused:
        trained(tmp_path, asked, Said(full))
    said = f"{tmp_path}: spec.yaml: no space left on device; {hint}"
    assert str(refused.value) == said
    assert not load(tmp_path).trainings
    assert len(trained(tmp_path, asked, Said(good))) == 3


def test_a_cluster_that_is_gone_is_no_failure_of_a_training(tmp_path: Path) -> None:
    class Gone(Said):
        def submit(self, fn: Any, /, *args: Any, **_: Any) -> Future[Any]:  # noqa: ANN401
            future = super().submit(fn, *args)
            if len(self.jobs) == 1:
                return future
            dropped: Future[Any] = Future()
            dropped.cancel()
            return dropped

    asked = made()
    with pytest.raises(StudyError) as refused:
        trained(tmp_path, asked, Gone(good))
    assert str(refused.value) == (
        f"{tmp_path}: the cluster is gone; the same command goes on once it is back"
    )
    assert len(trained(tmp_path, asked, Said(good))) == 2


def test_what_ended_unheard_is_taken_over(tmp_path: Path) -> None:
    asked = made(count=1)
    training = Training(asked.names[0], 0)
    kept = {"candidate": training[0], "seed": 0, "attempt": 1}
    with hold(tmp_path, asked, {}):
        (tmp_path / home(training)).mkdir(parents=True)
    path = tmp_path / home(training) / "outcome.json"
    path.write_text(json.dumps({**kept, "status": "ok", "accuracy": 0.75}), "utf-8")
    (outcome,) = trained(tmp_path, asked, Said(bad))
    assert outcome["accuracy"] == 0.75


def test_a_log_from_afar_is_kept_with_the_study(tmp_path: Path) -> None:
    (outcome,) = trained(
        tmp_path, made(count=1), Said(lambda job: {**good(job), "output": "said\n"})
    )
    assert "output" not in outcome
    log = tmp_path / home(Training(outcome["candidate"], 0)) / "attempt-1.log"
    assert log.read_text("utf-8") == "said\n"


def test_leaving_early_ends_what_runs_and_keeps_what_is_done(tmp_path: Path) -> None:
    asked = made(f"sh -c '{QUICK_FIRST}'")
    trainings = asked.trainings(1)
    with hold(tmp_path, asked, {}) as study:
        outcomes = run(study, lambda: trainings, plan(asked), connect(LOCAL, 3))
        assert next(outcomes)["candidate"] == "a1-b1.1-g1.15"
        outcomes.close()  # type: ignore[attr-defined]  # a generator
    assert not list(running(str(tmp_path)))
    assert len(load(tmp_path).trainings) == 1


def test_two_at_once_take_half_the_time(tmp_path: Path) -> None:
    asked = made(EMPTY.replace("echo", "sleep 0.5; echo"), count=4)
    started = time.monotonic()
    outcomes = trained(tmp_path, asked, connect(where("local:jobs=4"), 4))
    assert [each["status"] for each in outcomes] == ["ok"] * 4
    assert time.monotonic() - started < 4 * 0.5


def test_what_becomes_due_meanwhile_is_run_at_once(tmp_path: Path) -> None:
    asked = made()
    first, second, _ = asked.names
    engine = Said(good)
    with hold(tmp_path, asked, {}) as study:

        def due() -> list[Training]:
            every = [Training(first, 0, 2)]
            if study.trainings[every[0]]:
                every.append(Training(first, 0, 4))
            if len(study.trainings) > 2:
                every.append(Training(second, 0, 2))
            return every

        outcomes = list(run(study, due, plan(asked), engine))
    assert [each["epochs"] for each in outcomes] == [2, 4]
    assert [each["epochs"] for each in engine.jobs] == [2, 4]


def test_once_time_is_over_nothing_is_started_and_what_runs_is_kept(
    tmp_path: Path,
) -> None:
    asked = made(EMPTY.replace("echo", "sleep 0.5; echo"))
    limit = replace(plan(asked), start_before=time.time() + 0.25)
    outcomes = trained(tmp_path, asked, connect(where("local:jobs=1"), 3), limit)
    assert [each["candidate"] for each in outcomes] == asked.names[:1]
    assert len(trained(tmp_path, asked, Said(good))) == 2


def test_commands_are_said_as_they_would_be_run(tmp_path: Path) -> None:
    asked = made("python t.py {spec} {out} --seed={seed} {dir}", count=1)
    (words,) = commands(Study(tmp_path, asked, {}), [Training(asked.names[0], 7)])
    folder = tmp_path / "runs" / "a1-b1.1-g1.15" / "seed-7"
    assert words == [
        *("python", "t.py", f"{folder}/spec.yaml", f"{folder}/out.json"),
        *("--seed=7", str(folder)),
    ]
    assert not folder.exists()
