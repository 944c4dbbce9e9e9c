"""Tests of `effscale.search.asked`: limits and what is held, against brute force."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import effscale as es
from effscale.cost.figures import Running
from effscale.cost.latency_model import Device
from effscale.cost.memory import memory
from effscale.errors import ScaleError
from effscale.limit import Limit, parse
from effscale.network.network import network
from effscale.search.asked import HELD, Asked, Best, Bounds, Goal, suiting
from effscale.search.fit import Answer, on_ray, ray
from effscale.search.off_ray import off_ray, ranges
from tests.examples import examples
from tests.search.drawn import aligned, tiny
from tests.search.drawn import network as key

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

    from effscale.limit import Figure
    from effscale.spec.models import Spec

pytestmark = pytest.mark.slow

RUNNING = Running(batch=2, dtype="int8")
NAMES: tuple[Figure, ...] = (
    *("macs", "params", "activations", "memory", "training_memory"),
)


def alone(spec: Spec) -> dict[str, int]:
    """Every figure of one network, none of it by arrays."""
    cost, held = es.count(spec), memory(network(spec), RUNNING.batch, RUNNING.dtype)
    return {
        "macs": int(cost.macs),
        "params": int(cost.params),
        "activations": int(cost.activations),
        "memory": held.weights + held.peak,
        "training_memory": held.weights + held.training_peak,
    }


@st.composite
def asked(draw: DrawFn, spec: Spec) -> Asked:
    """Something to meet, or to be the largest within, beside limits of any kind."""
    base = alone(spec)
    multiples = st.floats(0.3, 2.5)
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    limits = [Limit(k, "<=", max(1, int(draw(multiples) * base[k]))) for k in names]
    if draw(st.booleans()):
        name = draw(st.sampled_from(NAMES))
        limits.append(Limit(name, ">=", max(1, int(draw(multiples) * base[name]))))
    if draw(st.booleans()):
        name, share = draw(st.sampled_from(NAMES)), draw(st.sampled_from([0.05, 0.4]))
        about = max(1, int(draw(multiples) * base[name]))
        limits.append(Limit(name, "=", about, share))
    if draw(st.booleans()):
        name = draw(st.sampled_from(NAMES))
        target = max(1, int(draw(multiples) * base[name]))
        return Asked(Goal(name, target), tuple(limits), RUNNING)
    most = draw(st.sampled_from(["macs", "params", "activations"]))
    return Asked(Goal(most), tuple(limits), RUNNING)  # type: ignore[arg-type]


HOLDS = st.sets(st.sampled_from(HELD), max_size=2).map(frozenset)


@st.composite
def bounds_of(draw: DrawFn, spec: Spec) -> Bounds:
    """What is held, and bounds of sides, depth and width, or none of one."""
    sides = min(spec.resolution), max(spec.resolution)
    shortest = draw(st.none() | st.floats(0.5, 1.2).map(lambda x: int(x * sides[0])))
    longest = draw(st.none() | st.floats(0.8, 2).map(lambda x: int(x * sides[1])))
    assume(shortest is None or longest is None or shortest <= longest)
    low = st.just(0.0) | st.floats(0.5, 1.1)
    high = st.just(math.inf) | st.floats(0.9, 2)
    ends = st.tuples(low, high).filter(lambda each: each[0] <= each[1])
    return Bounds(longest, shortest, *draw(ends), *draw(ends), draw(HOLDS))


def bounded(spec: Spec, bounds: Bounds, given: es.Multipliers, scaled: Spec) -> bool:
    """Whether one network, scaled by these multipliers, is within the bounds."""
    height, width = map(int, scaled.resolution)
    rows, columns = spec.resolution
    return bool(
        bounds.min_depth <= given.depth <= bounds.max_depth
        and bounds.min_width <= given.width <= bounds.max_width
        and max(height, width) <= (bounds.max_resolution or math.inf)
        and min(height, width) >= (bounds.min_resolution or 0)
        and ("aspect" not in bounds.hold or height * columns == width * rows)
    )


def judge(answer: Answer, found: list[dict[str, int]]) -> None:
    """An answer against the figures of every network that there is."""
    goal, limits = answer.asked.goal, answer.asked.limits

    def bad(each: dict[str, int]) -> float:
        return float(goal.badness(each[goal.figure]))

    def within(each: dict[str, int], but: Limit | None = None) -> bool:
        return all(m is but or m.admits(each[m.figure]) for m in limits)

    admitted = [bad(each) for each in found if within(each)]
    if not admitted:
        assert answer.best is None
        for limit in limits:
            role = f"misses {limit.figure.replace('_', ' ')}"
            near = [
                limit.excess(each[limit.figure])
                for each in found
                if within(each, limit)
            ]
            mine = [each for each in answer.misses if each.role == role]
            several = [m for m in limits if m.figure == limit.figure]
            if len(several) == 1:
                assert [limit.excess(m.figures[limit.figure]) for m in mine] == (
                    [min(near)] if near else []
                )
        return
    assert answer.best is not None
    real = alone(answer.best.variant.spec)
    assert {k: real[k] for k in answer.asked.figures} == answer.best.figures
    assert within(real)
    assert bad(real) == min(admitted)
    binding = [
        limit
        for limit in limits
        if min(bad(each) for each in found if within(each, limit)) < min(admitted)
    ]
    assert answer.binding == binding


@given(st.data())
@examples(12)
def test_along_the_ray_nothing_within_the_limits_is_better(data: st.DataObject) -> None:
    spec = data.draw(aligned())
    wanted, bounds = data.draw(asked(spec)), data.draw(bounds_of(spec))
    try:
        path = ray(spec, [wanted], bounds)
    except ScaleError:
        return
    phis = np.linspace(max(path.phi[0], -8), min(path.end[-1], 8) - 1e-9, 200)
    networks: dict[tuple[int, ...], Spec] = {}
    for phi in [*phis.tolist(), *path.phi.tolist(), 0.0]:
        if not path.phi[0] <= phi < path.end[-1]:
            continue
        given = bounds.at_phi(spec, phi, "compound")
        scaled = es.scale(spec, given)
        if bounded(spec, bounds, given, scaled):
            networks.setdefault(key(scaled), scaled)
    judge(on_ray(path, wanted), [alone(each) for each in networks.values()])


def every(spec: Spec, wanted: Asked, bounds: Bounds) -> list[dict[str, int]]:
    """The figures of each network within the ranges, from many multipliers."""
    choices = []
    names = ("depth", "width", "resolution")
    for name, (low, high) in zip(names, ranges(spec, wanted, bounds), strict=True):
        found: dict[tuple[int, ...], float] = {}
        points = [*np.linspace(low, high, 121).tolist(), *([1.0] * (low <= 1 <= high))]
        for at in points:
            scaled = es.scale(spec, es.Multipliers(**{name: at}))
            found.setdefault(key(scaled), at)
        choices.append(list(found.values()))
    made: dict[tuple[int, ...], Spec] = {}
    for each in product(*choices):
        given = es.Multipliers(*each)
        scaled = es.scale(spec, given)
        if bounded(spec, bounds, given, scaled):
            made.setdefault(key(scaled), scaled)
    return [alone(each) for each in made.values()]


@given(st.data())
@examples(4)
def test_off_the_ray_nothing_within_the_limits_is_better(data: st.DataObject) -> None:
    spec = tiny()
    wanted, bounds = data.draw(asked(spec)), data.draw(bounds_of(spec))
    bounds = replace(bounds, max_depth=min(bounds.max_depth, 2.0))
    try:
        found = off_ray(spec, wanted, bounds, 0.05)
    except ScaleError:
        return
    judge(found.answer, every(spec, wanted, bounds))


@given(st.data())
@examples(8)
def test_figures_of_many_are_those_of_each(data: st.DataObject) -> None:
    spec = data.draw(aligned())
    factors = st.lists(st.floats(0.6, 2), min_size=4, max_size=4).map(np.array)
    given = es.Multipliers(*(data.draw(factors) for _ in range(3)))
    try:
        many = es.scale(spec, given)
    except ScaleError:
        return
    figures = {k: np.broadcast_to(RUNNING.figure(k, many), 4) for k in NAMES}
    columns = [np.asarray(each) for each in given.given.values()]
    for index in range(4):
        one = es.Multipliers(*(float(each[index]) for each in columns))
        expected = alone(es.scale(spec, one))
        assert {k: int(each[index]) for k, each in figures.items()} == expected


def test_what_is_held_stays(b0: Spec) -> None:
    held = Bounds(hold=frozenset({"resolution"})).at_phi(b0, 2.0, "compound")
    assert (held.resolution, held.depth, held.width) == (1.0, 1.2**2, 1.1**2)
    d0 = es.load("d0")
    deeper = Bounds(hold=frozenset({"width", "resolution"})).at_phi(d0, 1.0, "compound")
    scaled = es.scale(d0, deeper)
    assert scaled.neck is not None
    assert d0.neck is not None
    assert (scaled.resolution, scaled.neck.channels) == (d0.resolution, 64)
    assert scaled.neck.repeats == d0.neck.repeats + 1


def test_holding_all_that_grows_is_refused(b0: Spec) -> None:
    with pytest.raises(ScaleError) as caught:
        Bounds(hold=frozenset({"depth"})).at_phi(b0, 1.0, "depth")
    assert str(caught.value) == "hold: depth grows nothing else than depth"


def test_of_equals_it_is_the_one_that_suits_the_strides(b0: Spec) -> None:
    best = Best(Asked(Goal("params")), suiting(b0))
    sides = np.array([200, 224, 232]), np.array([200, 224, 232])
    best.look({"params": np.array([7, 7, 7])}, np.array([True] * 3), sides, tuple)
    assert best.roles["most", 0] == (-7.0, False, (1,))
    assert suiting(es.load("d0"))((512, 640))
    assert not suiting(es.load("d0"))((512, 576))


@pytest.mark.parametrize(
    ("text", "figure", "found", "excess"),
    [
        ("<= 300M", "macs", 300_000_000, 0),
        ("<= 300M", "macs", 330_000_000, 0.1),
        (">= 100", "params", 90, 0.1),
        ("<= 200K", "params", 220_000, 0.1),
        ("= 1k within 5 %", "params", 1050, 0),
        ("= 1k within 5 %", "params", 900, 0.05),
        ("<= 64MB", "memory", 64_000_000, 0),
        ("<= 1MiB", "memory", 2**21, 1),
        ("<=20ms", "latency", 0.025, 0.25),
        ("500 us", "latency", 1.0, 0),
    ],
)
def test_a_limit_is_exceeded_by_a_share_of_it(
    text: str, figure: Figure, found: float, excess: float
) -> None:
    limit = parse(figure, text)
    assert limit.excess(found) == pytest.approx(excess)
    assert limit.admits(found) == (excess == 0)


@pytest.mark.parametrize("sign", ["<=", ">="])
def test_a_limit_is_held_to_the_last_unit_of_a_figure_beyond_floats(sign: str) -> None:
    most = 2 * 10**17
    limit = parse("macs", f"{sign} {most}")
    within = {"<=": [-1, 0], ">=": [0, 1]}[sign]
    ways = [most - 1, most, most + 1]
    assert [each - most for each in ways if limit.admits(each)] == within
    assert (np.array(ways)[limit.admits(np.array(ways))] - most).tolist() == within


def test_a_limit_beyond_whole_numbers_of_arrays_is_compared() -> None:
    limit = parse("macs", f"<= {10**15}T")
    assert limit.admits(np.array([5])).all()
    assert limit.admits(5)


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        *(("macs", each) for each in ("", "< 3M", "<= 0", "3MB", "<= 3M within 5 %")),
        *(("memory", each) for each in ("<= 64", "<= 64M", "<= 0.3B", "64 mb")),
        *(("latency", each) for each in ("<= 20", "<= 20m", "20 sec")),
    ],
)
def test_what_is_no_limit_is_refused(figure: Figure, text: str) -> None:
    with pytest.raises(ValueError, match=r"^a limit such as <= "):
        parse(figure, text)


def test_a_budget_says_what_its_latency_is_of() -> None:
    device = Device("cuda:1", 1, 8, "float16", channels_last=True)
    limits = parse("latency", "<= 20ms"), parse("params", "<= 4M")
    wanted = Asked(Goal(), limits, Running(8, "float16", device=device))
    assert wanted.budget().model_dump(exclude_none=True) == {
        "params": "<= 4M",
        "latency": "<= 20ms",
        "batch": 8,
        "dtype": "float16",
        "device": "cuda:1",
        "threads": 1,
        "channels_last": True,
    }
    other = Running(device=Device(runtime="onnxruntime"))
    stated = Asked(Goal(), limits, other).budget()
    assert (stated.runtime, stated.device, stated.compiled) == (
        *("onnxruntime", "cpu", None),
    )
