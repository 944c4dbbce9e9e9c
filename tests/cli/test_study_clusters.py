"""The same study here, on a Ray cluster and on a Dask one, a worker of each dying."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.study.small import STAND_IN, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow

ray = pytest.mark.skipif(find_spec("ray") is None, reason="needs effscale[ray]")
dask = pytest.mark.skipif(find_spec("distributed") is None, reason="effscale[dask]")
slurm = pytest.mark.skipif(find_spec("dask_jobqueue") is None, reason="effscale[slurm]")
SECONDS = 0.3

#: A worker on whose machine there is no effscale.
WORKER = "import sys; sys.modules['effscale'] = None; "
WORKER += "from distributed.cli.dask_worker import main; main()"


def started(folder: Path, on: str, *more: str) -> subprocess.Popen[str]:
    """The program with a study of twelve trainings: of nine, three go on."""
    command = f"sh {STAND_IN} {{spec}} {{out}} {{epochs}}{{seed}} {SECONDS}"
    study = ["--evaluate", command, "--rungs", "2,4", "--study", str(folder)]
    program = [sys.executable, "-m", "effscale", "grid", "--top", "9", *study]
    program += ["--on", on, *more]
    pipe = subprocess.PIPE
    return subprocess.Popen(program, stdout=pipe, stderr=pipe, text=True)


def ranked(folder: Path, on: str, trouble: Callable[[], None] | None = None) -> Any:  # noqa: ANN401
    """The candidates as the study ranks them, a worker having died on the way."""
    with started(folder, on, "--format", "json") as program:
        if trouble is not None:
            done = outcomes(folder)
            wait(lambda: outcomes(folder) > done + 1)
            trouble()
        out, said = program.communicate(timeout=100)
    assert (program.returncode, said) == (0, "")
    data = json.loads(out)
    assert data["training_runs"] == {"all": 12, "done": 12, "failed": 0, "left": 0}
    assert outcomes(folder) == 12
    return [(row["name"], row["score"], row["epochs"]) for row in data["candidates"]]


def outcomes(folder: Path) -> int:
    path = folder / "outcomes.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def wait(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Any:  # noqa: ANN401
    """What the study says where nothing goes wrong."""
    return ranked(tmp_path_factory.mktemp("local") / "study", "local:jobs=4")


@contextmanager
def ended(*processes: subprocess.Popen[Any]) -> Iterator[None]:
    """Processes that end with the block."""
    try:
        yield
    finally:
        for each in reversed(processes):
            each.kill()
            each.wait()


class Dask(NamedTuple):
    """A Dask scheduler with two workers."""

    address: str
    worker: subprocess.Popen[bytes]
    scheduler: subprocess.Popen[bytes]


@pytest.fixture(scope="module")
def two_workers() -> Iterator[Dask]:
    """One for all tests of it: the first leave it whole, each other ends a part."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    port = address.rpartition(":")[2]
    cli = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--no-dashboard"]
    scheduler = subprocess.Popen([*cli, "--host", "127.0.0.1", "--port", port], **quiet)  # type: ignore[call-overload]
    worker = [sys.executable, "-c", WORKER, address, "--nthreads", "1", "--no-nanny"]
    with ended(scheduler):
        wait(lambda: listens(int(port)))
        worker += ["--no-dashboard", "--resources", "GPU=1"]
        pair = [subprocess.Popen(worker, **quiet) for _ in range(2)]  # type: ignore[call-overload]
        with ended(*pair):
            yield Dask(address, pair[0], scheduler)


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@dask
@pytest.mark.parametrize("signal", [2, 9])
def test_on_dask_trainings_end_with_the_run(
    tmp_path: Path, two_workers: Dask, signal: int
) -> None:
    with started(tmp_path / "a", f"dask:{two_workers.address}") as program:
        wait(lambda: len(list(running(str(tmp_path / "a/runs")))) > 0)
        program.send_signal(signal)
        program.communicate(timeout=30)
    assert program.returncode == {2: 130, 9: -9}[signal]
    wait(lambda: not list(running(str(tmp_path / "a/runs"))), 10)


@dask
def test_what_no_worker_on_dask_offers_is_said(
    tmp_path: Path, two_workers: Dask
) -> None:
    place = f"dask:{two_workers.address}?FPGA=1"
    with started(tmp_path / "a", place) as program:
        _, said = program.communicate(timeout=30)
    assert said == f"--on {place}: no worker there offers FPGA\n"
    assert not (tmp_path / "a").exists()


@dask
def test_on_dask_a_worker_dies_and_every_candidate_has_an_outcome(
    tmp_path: Path,
    two_workers: Dask,
    here: Any,  # noqa: ANN401
) -> None:
    place = f"dask:{two_workers.address}?GPU=1"
    assert ranked(tmp_path / "a", place, two_workers.worker.kill) == here


@dask
def test_a_scheduler_that_is_gone_is_no_failure_of_a_training(
    tmp_path: Path, two_workers: Dask
) -> None:
    folder = tmp_path / "a"
    with started(folder, f"dask:{two_workers.address}") as program:
        wait(lambda: outcomes(folder) > 0)
        two_workers.scheduler.kill()
        out, said = program.communicate(timeout=30)
    assert (program.returncode, out) == (1, "")
    gone = "the cluster is gone; the same command goes on once it is back"
    assert said == f"{folder}: {gone}\n"
    assert b"failed" not in (folder / "outcomes.jsonl").read_bytes()


class Ray(NamedTuple):
    """Two Ray nodes: their address, and how the one, or the head, dies."""

    address: str
    die: Callable[[str], None]


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[Ray]:
    """Two for all tests of them: each ends a part that those after it do without."""
    nodes = subprocess.Popen(
        [sys.executable, Path(__file__).parents[1] / "study/ray_nodes.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )

    def die(which: str) -> None:
        stdin.write(f"{which}\n")
        stdin.flush()

    stdin, said = pipe(nodes.stdin), pipe(nodes.stderr)
    try:
        lines = map(str.strip, said)
        yield Ray(next(line for line in lines if re.fullmatch(r"\S+:\d+", line)), die)
    finally:
        stdin.close()
        said.close()
        assert nodes.wait(60) == 0


@ray
def test_on_ray_a_node_dies_and_every_candidate_has_an_outcome(
    tmp_path: Path,
    two_nodes: Ray,
    here: Any,  # noqa: ANN401
) -> None:
    place = f"ray:{two_nodes.address}"
    assert ranked(tmp_path / "a", place, lambda: two_nodes.die("node")) == here


@ray
def test_a_head_that_is_gone_is_said_in_ten_seconds(
    tmp_path: Path, two_nodes: Ray
) -> None:
    folder = tmp_path / "a"
    with started(folder, f"ray:{two_nodes.address}") as program:
        wait(lambda: outcomes(folder) > 0)
        two_nodes.die("head")
        begun = time.monotonic()
        out, said = program.communicate(timeout=30)
        assert time.monotonic() - begun < 10
    assert (program.returncode, out) == (1, "")
    gone = "the cluster is gone; the same command goes on once it is back"
    assert said == f"{folder}: {gone}\n"
    assert b"failed" not in (folder / "outcomes.jsonl").read_bytes()


def pipe(end: IO[str] | None) -> IO[str]:
    assert end is not None
    return end


@slurm
def test_for_slurm_the_script_is_shown_and_nothing_is_submitted(tmp_path: Path) -> None:
    on = "slurm:queue=gpu&cores=4&memory=16GB&walltime=01:00:00&jobs=8"
    with started(tmp_path / "a", on, "--dry-run") as program:
        out, said = program.communicate(timeout=60)
    assert (program.returncode, said) == (0, "9 training runs, none started\n")
    lines = out.splitlines()
    assert lines[0].startswith("#!/")
    for each in ("-p gpu", "--cpus-per-task=4", "--mem=15G", "-t 01:00:00"):
        assert f"#SBATCH {each}" in lines
    assert "distributed.cli.dask_worker" in lines[-1]
    assert not (tmp_path / "a").exists()


@slurm
def test_what_slurm_needs_to_be_told_is_said_in_a_line(tmp_path: Path) -> None:
    with started(tmp_path / "a", "slurm:queue=gpu", "--dry-run") as program:
        out, said = program.communicate(timeout=60)
    assert (program.returncode, out) == (1, "")
    assert said == (
        "--on slurm:queue=gpu: you must specify how much cores and memory per job you "
        "want to use\n"
    )
    assert not (tmp_path / "a").exists()
