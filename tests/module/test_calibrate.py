"""Tests of `effscale.module.calibrate`: what is learnt, by a clock of ours."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from itertools import count as counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import effscale as es
from effscale.cost.latency_model import Device, Model, Work, file_of, load, save
from effscale.errors import MeasureError
from effscale.growth.growth import at_phi
from effscale.limit import Limit
from effscale.module import calibrate as calibration
from effscale.module import onnx
from effscale.module.calibrate import FAMILIES, Timed, calibrate, drawn
from effscale.module.latency import spec_subjects
from effscale.search.asked import Asked, Bounds, Goal
from effscale.search.measured import TRIES, timed_ray
from tests.search.drawn import tiny

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from effscale.module.latency import Subject
    from effscale.search.measured import Tries
    from tests.conftest import Run

pytestmark = [pytest.mark.torch, pytest.mark.slow]

DEVICE = Device(threads=2)
JOINS = {"sum", "product", "concat"}


def taken(work: Work) -> float:
    """A machine that does 20 G MACs and moves 2.5 G elements a second; a call is 5 µs.

    Wide operators have twice the speed: what is linear alone does not know of it.
    """
    seconds = work.linear()[0] @ np.array([1 / 20e9, 1 / 2.5e9, 1 / 2.5e9, 5e-6])
    return float(seconds / (1 + (work.params > 1e5)))


def known(family: str, spec: es.Spec, *, alone: bool = True) -> Timed:
    """What that machine takes; of each operator alone, or of nothing but the whole."""
    whole = calibration.as_whole
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "measured", lambda *_: 0.0)
        found = whole(family, spec, DEVICE)
    every = [taken(work) for _, work in found.work]
    each = [
        seconds if alone and kind not in JOINS else None
        for (kind, _), seconds in zip(found.work, every, strict=True)
    ]
    return replace(found, whole=sum(every), each=each)


def truth(spec: es.Spec, _device: Device = DEVICE) -> float:
    """What that machine takes for a network."""
    return known("", spec).whole


@pytest.fixture(scope="module")
def model() -> Model:
    """What was learnt of that machine, a network a second by the clock."""
    seconds = counter()
    return calibrate(DEVICE, seconds=24, timed=known, clock=lambda: next(seconds))


def test_operators_are_timed_where_they_run(b0: es.Spec) -> None:
    bench = calibration.Bench(DEVICE)
    small = es.scale(b0, es.Multipliers(0.3, 0.3, 0.3))
    for spec in (small, es.scale(es.load("mobilevit-xxs"), es.Multipliers(1, 1, 0.3))):

        def share(spec: es.Spec = spec) -> float:
            found = bench.by_operator("x", spec)
            taken = [each for each in found.each if each is not None]
            assert all(each > 0 for each in taken)
            every = zip(found.work, found.each, strict=True)
            assert {kind for (kind, _), each in every if each is None} <= JOINS
            return sum(taken) / found.whole

        # On a busy machine the whole or its operators may be interrupted.
        assert any(0.3 < share() < 1.5 for _ in range(3))
    assert bench.unit > 0


def test_what_the_clock_itself_takes_is_learnt() -> None:
    late = 4e-6  #: that each operator takes beside what is shown of it

    def timed(family: str, spec: es.Spec) -> Timed:
        found = known(family, spec)
        operators = sum(each is not None for each in found.each)
        return replace(found, whole=found.whole + late * operators)

    seconds = counter()
    found = calibrate(DEVICE, seconds=24, timed=timed, clock=lambda: next(seconds))
    for name in ("b1", "resnet34"):
        spec = es.load(name)
        assert found.latency(spec) == pytest.approx(timed("", spec).whole, rel=0.1)
    plain = found.kinds["depthwise"].seconds[3]
    assert plain == pytest.approx(5e-6 + late, rel=0.5)


def test_a_device_takes_as_long_as_it_is_handed_work() -> None:
    def timed(family: str, spec: es.Spec) -> Timed:
        found = known(family, spec)
        handed = sum(20e-6 * float(work.calls) for _, work in found.work)
        whole = max(found.whole, handed)
        return replace(found, whole=whole, device=found.whole, handed=handed)

    seconds = counter()
    found = calibrate(DEVICE, seconds=24, timed=timed, clock=lambda: next(seconds))
    small = es.scale(es.load("b0"), es.Multipliers(1, 0.3, 0.3))
    for spec in (small, es.load("b0"), es.load("resnet152")):
        truth = timed("", spec)
        assert found.latency(spec) == pytest.approx(truth.whole, rel=0.1)
        parts = found.parts(spec).values()
        assert sum(parts) == pytest.approx(float(found.latency(spec)))
    assert timed("", small).handed == timed("", small).whole
    save(found)
    assert load(DEVICE) == found


def test_what_is_known_of_wholes_alone_is_explained_too() -> None:
    seconds = counter()
    timed = partial(known, alone=False)
    found = calibrate(DEVICE, seconds=36, timed=timed, clock=lambda: next(seconds))
    assert not any(each.seen for each in found.kinds.values())
    for name in ("b1", "resnet34"):
        spec = es.load(name)
        assert found.latency(spec) == pytest.approx(truth(spec), rel=0.3)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EFFSCALE_CACHE", str(tmp_path / "cache"))


def test_what_operators_take_is_learnt(model: Model) -> None:
    for name in ("b1", "resnet34", "densenet121", "d0"):
        spec = es.load(name)
        assert model.latency(spec) == pytest.approx(truth(spec), rel=0.1)
    assert set(model.errors) == set(FAMILIES)
    assert model.error.networks >= 2 * len(FAMILIES)


def test_parts_add_up(model: Model, b0: es.Spec) -> None:
    parts = model.parts(b0)
    assert [*parts][:2] == ["stem", "stage 1"]
    assert sum(parts.values()) == pytest.approx(float(model.latency(b0)))


@pytest.mark.parametrize(
    "name", ["b0", "regnetx-8.0gf", "resnetblur50", "ecaresnet50d"]
)
def test_predictions_of_many_are_those_of_each(model: Model, name: str) -> None:
    spec, phis = es.load(name), np.array([0.0, 0.5, 1.0])
    many = np.broadcast_to(model.latency(es.scale(spec, at_phi(spec, phis))), 3)
    for phi, seconds in zip(phis.tolist(), many.tolist(), strict=True):
        one = es.scale(spec, at_phi(spec, phi))
        assert seconds == pytest.approx(float(model.latency(one)))


def test_what_was_learnt_is_kept_and_read(model: Model) -> None:
    path = save(model)
    assert load(DEVICE) == model
    with pytest.raises(MeasureError) as caught:
        load(Device(threads=3))
    assert str(caught.value) == (
        "expected a calibration of cpu, 3 threads, batch 1, float32, found none; "
        "effscale calibrate makes one"
    )
    path.write_text(path.read_text("utf-8").replace('"version": 3', '"version": 0'))
    with pytest.raises(MeasureError, match="expected version 3; effscale calibrate"):
        load(DEVICE)
    path.write_text("{", "utf-8")
    with pytest.raises(MeasureError, match="no calibration: "):
        load(DEVICE)
    assert file_of(DEVICE) == path


def test_networks_are_drawn_alike_each_time() -> None:
    one, other = (drawn(), drawn())
    for _ in range(8):
        assert next(one)[1] == next(other)[1]


@pytest.mark.parametrize("share", [0.4, 1.0, 2.7])
@pytest.mark.parametrize("hold", [frozenset[str](), frozenset({"resolution"})])
def test_a_ray_is_bisected_to_the_last_that_is_fast_enough(
    share: float, hold: frozenset[str]
) -> None:
    spec, bounds = tiny((48, 64)), Bounds(hold=hold)
    limit = Limit("latency", "<=", share * truth(spec))
    asked = Asked(Goal(), (limit,))
    timed: list[str] = []

    def clock(each: es.Spec) -> Tries:
        timed.append(each.name)
        return nullcontext(partial(truth, each))

    path, answer = timed_ray(spec, asked, bounds, "compound", clock)
    given = [bounds.at_phi(spec, float(phi), "compound") for phi in path.phi]
    every = [es.scale(spec, each) for each in given]
    fast = [int(es.count(each).macs) for each in every if truth(each) <= limit.value]
    if not fast:
        assert answer.best is None
        return
    assert answer.best is not None
    assert answer.best.cost.macs == max(fast)
    assert answer.best.figures["latency"] == truth(answer.best.variant.spec)
    assert answer.binding == [limit]
    assert len(timed) < 30


def test_a_network_is_built_and_exported_once_for_all_its_tries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []

    def built(*given: Any) -> list[Subject]:  # noqa: ANN401
        done.append("built")
        return spec_subjects(*given)

    def exported(*_given: object) -> Callable[[], None]:
        done.append("exported")
        return lambda: done.append("run")

    monkeypatch.setattr(calibration, "SETTLING", 1e-6)
    monkeypatch.setattr(calibration, "spec_subjects", built)
    monkeypatch.setattr(onnx, "runner", exported)
    with calibration.tries(tiny(), Device(runtime="onnxruntime")) as seconds:
        for _ in range(TRIES):
            before = len(done)
            assert seconds() > 0
            assert {*done[before:]} == {"run"}
    assert done[:3] == ["built", "exported", "run"]


def test_what_nothing_is_fast_enough_for_is_missed_by_the_fastest() -> None:
    asked = Asked(Goal(), (Limit("latency", "<=", 1e-12),))
    _, answer = timed_ray(
        tiny(),
        asked,
        Bounds(),
        "compound",
        lambda each: nullcontext(partial(truth, each)),
    )
    assert answer.best is None
    (miss,) = answer.misses
    assert miss.role == "misses latency"


def test_the_command_keeps_what_it_learns_and_grid_reads_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "measured", truth)
    monkeypatch.setattr(
        calibrate,
        "__kwdefaults__",
        {
            **(calibrate.__kwdefaults__ or {}),
            "timed": known,
        },
    )
    learnt = run("calibrate", "--threads", "2", "--seconds", "0.01", "-q")
    assert (learnt.exit_code, learnt.stderr) == (0, "")
    assert "Each family, predicted by the others" in learnt.stdout
    grid = run("grid", "--latency", "<= 100ms", "--threads", "2", "--format", "json")
    assert grid.exit_code == 0
    rows = json.loads(grid.stdout)["candidates"]
    assert rows
    assert max(row["latency"] for row in rows) <= 0.1
    ran = [row["measured_latency"] for row in rows]
    assert ran[:3] == pytest.approx([row["latency"] for row in rows[:3]], rel=0.1)
    assert not any(ran[3:])
    free = run(
        *("fit", "--macs", "<= 500M", "--latency", "<= 60ms", "--threads", "2"),
        *("--free", "--max-depth", "1.1"),
    )
    assert free.exit_code == 0
    assert "predicted" in free.stdout
    refused = run("fit", "--latency", "<= 60ms", "--dtype", "int8")
    assert "--latency: nothing is run in int8 here" in refused.stderr
