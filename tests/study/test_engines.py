"""Tests of `effscale.study.engines`: what `--on` means, and this machine."""

from __future__ import annotations

import shutil
import socket
import time

import pytest

from effscale.errors import StudyError
from effscale.study import engines
from effscale.study.engines import Local, check, connect, devices, where


@pytest.mark.parametrize(
    ("text", "engine", "address", "options"),
    [
        ("local", "local", "", {}),
        ("local:jobs=4&gpus=2", "local", "", {"jobs": 4, "gpus": 2}),
        ("ray:auto", "ray", "auto", {}),
        ("ray:h:6379?num_gpus=0.5", "ray", "h:6379", {"num_gpus": 0.5}),
        ("dask:tcp://h:8786?GPU=1", "dask", "tcp://h:8786", {"GPU": 1}),
        (
            "slurm:queue=gpu&cores=4&memory=16GB&walltime=01:00:00",
            "slurm",
            "",
            {"queue": "gpu", "cores": 4, "memory": "16GB", "walltime": "01:00:00"},
        ),
        ("slurm", "slurm", "", {}),
    ],
)
def test_a_place_is_read(
    text: str, engine: str, address: str, options: dict[str, object]
) -> None:
    found = where(text)
    assert (found.engine, found.address, found.options) == (engine, address, options)
    assert str(found) == text


FORMS = "expected local, ray:ADDRESS, dask:ADDRESS or slurm:OPTIONS"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"{FORMS}, got ''"),
        ("k8s:x", f"{FORMS}, got 'k8s:x'"),
        ("ray", "expected ray:ADDRESS, got 'ray'"),
        ("dask:?GPU=1", "expected dask:ADDRESS, got 'dask:?GPU=1'"),
        ("local:4", "expected options as key=value, with & between them, got '4'"),
        ("local:job=4", "expected local:jobs=N, got 'job'"),
        ("local:jobs=0", "expected a whole number of jobs, got 0"),
        ("local:jobs=two", "expected a whole number of jobs, got 'two'"),
        ("local:gpus=0.5", "expected a whole number of gpus, got 0.5"),
        ("local:each=0", "expected a whole number of each, got 0"),
    ],
)
def test_anything_else_is_refused(text: str, message: str) -> None:
    with pytest.raises(StudyError) as refused:
        where(text)
    assert str(refused.value) == message


@pytest.mark.parametrize("engine", ["ray", "dask"])
def test_where_nobody_listens_is_said_at_once(
    monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda _name: True)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        started = time.monotonic()
        with pytest.raises(StudyError) as refused:
            check(where(f"{engine}:127.0.0.1:{port}"))
    assert time.monotonic() - started < 10
    assert str(refused.value) == (
        f"--on {engine}: expected a cluster at 127.0.0.1:{port}, found none: "
        "connection refused"
    )


@pytest.mark.parametrize(
    ("place", "library"),
    [("ray:auto", "ray"), ("dask:x:1", "distributed"), ("slurm", "dask_jobqueue")],
)
def test_an_extra_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, place: str, library: str
) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda _name: None)
    with pytest.raises(StudyError) as refused:
        check(where(place))
    engine = place.partition(":")[0]
    assert str(refused.value) == (
        f"--on {engine} needs {library}; pip install 'effscale[{engine}]' brings it"
    )


def test_slurm_needs_what_submits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda _name: True)
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(StudyError) as refused:
        check(where("slurm:queue=gpu"))
    assert str(refused.value) == (
        "--on slurm: expected sbatch on this machine, found none"
    )


@pytest.mark.parametrize(
    ("visible", "found"),
    [("", []), ("-1", []), ("0,3", ["0", "3"]), ("GPU-a1", ["GPU-a1"])],
)
def test_gpus_are_those_one_may_see(
    monkeypatch: pytest.MonkeyPatch, visible: str, found: list[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert devices() == found


def test_as_many_trainings_at_once_as_gpus_or_else_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def jobs(place: str, trainings: int) -> int:
        engine = connect(where(place), trainings)
        assert isinstance(engine, Local)
        engine.shutdown()
        return engine.jobs

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    assert (jobs("local", 12), jobs("local", 2)) == (3, 2)
    assert (jobs("local:jobs=5", 12), jobs("local:gpus=4", 12)) == (5, 4)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {0, 1}, raising=False)
    assert jobs("local", 12) == 2


def test_each_training_at_a_time_has_a_gpu_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {0, 1}, raising=False)
    for place, each in (
        ("local:jobs=2&gpus=2", "01"),
        ("local:gpus=5&each=2", ("0,1", "2,3")),
    ):
        assert _seen(place) == [({"CUDA_VISIBLE_DEVICES": gpus}, 1) for gpus in each]


def _seen(place: str) -> list[tuple[object, object]]:
    """Variables and threads of two trainings at once."""
    seen: list[tuple[object, object]] = []

    def run(job: dict[str, object], wanted: object = None) -> None:
        assert wanted is not None
        time.sleep(0.05)
        seen.append((job["variables"], job["threads"]))

    with connect(where(place), 2) as engine:
        for _ in range(2):
            engine.submit(run, {})
    return sorted(seen, key=str)
