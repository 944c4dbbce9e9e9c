"""Tests of `effscale.module.latency`: what is timed, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import pytest
import torch
from torch import nn

import effscale as es
from effscale.errors import MeasureError
from effscale.module import latency
from effscale.module.latency import (
    Latency,
    Setting,
    Subject,
    Timing,
    all_threads,
    images,
    latencies,
    machine,
    part_calls,
    quartiles,
    ready,
    running,
    spec_subjects,
    subject,
)
from tests.spec.small import TEXT

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.torch

#: Of batch, threads, dtype and layout, every two values together.
SETTINGS = [
    Setting(1, 2, "float32"),
    Setting(3, 1, "float32", channels_last=True),
    Setting(1, 1, "bfloat16", channels_last=True),
    Setting(3, 2, "bfloat16"),
    Setting(1, 1, "float16"),
    Setting(3, 2, "float16", channels_last=True),
]


@pytest.fixture
def small() -> es.Spec:
    return es.loads(TEXT)


class Clock:
    """A stopwatch of runs that take as long as they are told."""

    def __init__(self, seconds: Iterator[float]) -> None:
        self.seconds = seconds

    def __call__(self, *_args: object, **_options: object) -> Self:
        return self

    def settle(self, seconds: float) -> None:
        """It never takes longer at first."""
        assert seconds == pytest.approx(1 / 2)

    def runs(self, seconds: float) -> list[float]:
        """One run."""
        assert seconds == pytest.approx(1 / 3)
        return [next(self.seconds)]


def test_the_middle_of_the_runs_and_how_far_they_spread() -> None:
    timing = Timing(runs=(1.0, 2.0, 3.0, 4.0, 100.0), rounds=(1.0,))
    assert (timing.median, timing.quartiles) == (3, (2, 4))
    assert timing.spread == pytest.approx(2 / 3)


@pytest.mark.parametrize("values", [[5.0], [5.0, 5.0]])
def test_few_runs_do_not_spread(values: list[float]) -> None:
    assert quartiles(values) == (5, 5)


def test_a_ratio_is_of_the_same_round() -> None:
    # the machine is twice as slow from the third round on, for both
    quick = Timing((), rounds=(1.0, 1.0, 2.0, 2.0, 2.0))
    slow = Timing((), rounds=(5.0, 5.0, 10.0, 10.0, 10.0))
    one, other = (Latency("", Setting(), each) for each in (slow, quick))
    assert one.ratio(other) == (5, 5, 5)


def test_networks_are_timed_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "Stopwatch", Clock(iter(range(1, 1000))))
    twice = [Subject(name, nn.Identity(), images((1, 2, 2)), {}) for name in ("a", "b")]
    done: list[tuple[str, int]] = []
    found = latencies(
        twice, Setting(), seconds=1, rounds=3, progress=lambda *now: done.append(now)
    )
    assert [each.whole.runs for each in found] == [(1, 3, 5), (2, 4, 6)]
    assert done[:2] == [("preparing a", 0), ("preparing b", 0)]
    assert [name for name, n in done if n] == ["timing a", "timing b"] * 3


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_runs_in_every_combination(small: es.Spec, setting: Setting) -> None:
    before = torch.get_num_threads()
    given = subject(small, parts=True)
    (found,) = latencies([given], setting, seconds=1e-6, rounds=2)
    assert torch.get_num_threads() == before
    assert found.setting == setting
    assert len(found.whole.rounds) == 2
    assert found.images_per_second == setting.batch / found.whole.median
    assert list(found.parts) == ["stem", "stage 1", "head"]
    assert all(each.median > 0 for each in found.parts.values())


@pytest.mark.parametrize(
    ("setting", "dtype", "last"),
    [
        (Setting(batch=2), torch.float32, False),
        (Setting(dtype="bfloat16"), torch.bfloat16, False),
        (Setting(dtype="float16", channels_last=True), torch.float16, True),
    ],
    ids=str,
)
def test_is_run_as_the_setting_says(
    small: es.Spec,
    setting: Setting,
    dtype: torch.dtype,
    last: bool,  # noqa: FBT001
) -> None:
    prepared = ready(subject(small, parts=False), setting)
    (batch,) = prepared.inputs
    assert len(batch) == setting.batch
    assert batch.dtype == dtype
    assert {each.dtype for each in prepared.plain.parameters()} == {dtype}
    assert batch.is_contiguous(memory_format=torch.channels_last) == last
    assert not prepared.plain.training


def test_the_module_is_left_as_it_is(small: es.Spec) -> None:
    module = es.build(small)
    state = {name: each.clone() for name, each in module.state_dict().items()}
    torch.manual_seed(7)
    random = torch.get_rng_state()
    given = Subject("small", module, images((3, 32, 32)), {"stem": "stem"})
    latencies([given], Setting(dtype="bfloat16"), seconds=1e-6, rounds=1)
    assert module.training
    assert not any(each._forward_pre_hooks for each in module.modules())  # noqa: SLF001
    for name, each in module.state_dict().items():
        assert torch.equal(each, state[name])
    assert torch.equal(torch.get_rng_state(), random)


class Shared(nn.Module):
    """One convolution for two maps, and a branch that nothing calls."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.idle = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"x": self.conv(x), "y": self.conv(y)}


def test_a_part_is_all_the_calls_of_its_module() -> None:
    def inputs(batch: int) -> tuple[torch.Tensor, ...]:
        return torch.zeros(batch, 3, 8, 8), torch.zeros(batch, 3, 4, 4)

    parts = {"both": "conv", "never": "idle"}
    shared = Subject("shared", Shared(), inputs, parts)
    found = part_calls(shared, ready(shared, Setting(batch=2)))
    assert list(found) == ["both"]
    assert [each[0].shape[2] for each in found["both"][1]] == [8, 4]
    ((timed),) = latencies([shared], Setting(), seconds=1e-6, rounds=2)
    assert list(timed.parts) == ["both"]


def test_the_same_values_go_through_every_time() -> None:
    make = images((3, 8, 8))
    assert torch.equal(make(2)[0], make(2)[0])


def test_what_torch_cannot_run_is_one_line() -> None:
    wrong = Subject("x", nn.Conv2d(4, 4, 1), images((3, 8, 8)), {})
    with pytest.raises(MeasureError) as caught:
        latencies([wrong], Setting(dtype="bfloat16"), seconds=1e-6)
    assert str(caught.value).startswith(
        "cannot be run as bfloat16 on cpu: Given groups=1, weight of size"
    )
    assert "\n" not in str(caught.value)


def test_threads_are_put_back_even_so() -> None:
    before = torch.get_num_threads()
    seen: list[int] = []

    def fails() -> None:
        with running(Setting(threads=before + 3)):
            seen.append(torch.get_num_threads())
            torch.zeros(2) @ torch.zeros(3)

    with pytest.raises(MeasureError):
        fails()
    assert (seen, all_threads()) == ([before + 3], before)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a device")
def test_a_device_that_is_not_there_is_refused(small: es.Spec) -> None:
    given = [subject(small, parts=False)]
    with pytest.raises(MeasureError) as caught:
        latencies(given, Setting(device="cuda"), seconds=1)
    assert str(caught.value) == (
        "device: expected cpu, got 'cuda': torch finds none here"
    )


def test_more_than_memory_holds_is_refused(small: es.Spec) -> None:
    with pytest.raises(MeasureError) as caught:
        spec_subjects([small] * 2, [Setting(batch=2**32)])
    assert str(caught.value).startswith("2 networks: running it once takes about ")


def test_the_machine_has_a_name() -> None:
    assert machine("cpu")


@pytest.mark.slow
def test_compiled_for_its_threads() -> None:
    given = Subject("x", nn.ReLU(), images((1, 8, 8)), {})
    setting = Setting(threads=1, compiled=True)
    (found,) = latencies([given], setting, seconds=1e-6, rounds=1)
    assert found.whole.median > 0
