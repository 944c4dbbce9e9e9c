"""Tests of `effscale.module`: modules of other code, where no counter sees them."""

from __future__ import annotations

import ctypes
import logging
from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from effscale.errors import MeasureError
from effscale.module import formulas
from effscale.module.any_module import Foreign, count, raised
from effscale.module.inputs import Input
from tests.module.test_any_module import BOTH, Applied

if TYPE_CHECKING:
    from collections.abc import Callable

    from effscale.module.any_module import Counted

pytestmark = pytest.mark.torch

IMAGE = Input((1, 3, 8, 8))


def counted(function: Callable[[torch.Tensor], object]) -> Counted:
    """A function of an image, counted by both."""
    return count(Foreign("net", Applied(function)), (IMAGE,), BOTH)


def in_a_thread(x: torch.Tensor) -> torch.Tensor:
    """A product in a thread that was started for it."""
    made: list[torch.Tensor] = []
    thread = Thread(target=lambda: made.append(x[0] @ x[0]))
    thread.start()
    thread.join()
    return made[0]


def test_a_product_in_another_thread_is_no_product_of_none() -> None:
    with pytest.raises(MeasureError, match="it runs in other threads: bmm"):
        counted(in_a_thread)


def test_a_module_in_a_thread_that_was_there_is_refused() -> None:
    layer = nn.Conv2d(3, 4, 1)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        with pytest.raises(MeasureError, match="in other threads: Conv2d"):
            counted(lambda x: pool.submit(layer, x).result())


def test_a_thread_that_multiplies_nothing_is_no_matter() -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        thread = Thread(target=lambda: x + 1)
        thread.start()
        thread.join()
        return x[0] @ x[0]

    found = counted(function)
    assert (found.faults(), found.alone()) == ([], [])
    assert found.best.macs == 3 * 8**3


@pytest.mark.parametrize(
    "leave", [torch.Tensor.numpy, np.asarray], ids=["numpy", "asarray"]
)
def test_what_becomes_of_arrays_of_numpy_is_not_known(
    leave: Callable[[torch.Tensor], np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formulas, "_taught", {})

    def function(x: torch.Tensor) -> torch.Tensor:
        array = leave((x[0, 0] @ x[0, 1]).detach())
        return torch.from_numpy(array @ array.T)

    found = counted(function)
    assert found.answer is None
    assert found.best.skipped == {"numpy::array": 1}
    formulas.teach("numpy::array", lambda x, _: x[0][0] ** 2 * x[0][1])
    taught = counted(function)
    assert taught.answer is not None
    assert taught.answer.macs == 2 * 8**3


class Copied(torch.autograd.Function):
    """A copy that a library of C makes, by addresses."""

    @staticmethod
    def forward(_ctx: object, x: torch.Tensor) -> torch.Tensor:
        """The same numbers."""
        made = torch.empty_like(x)
        ctypes.memmove(made.data_ptr(), x.data_ptr(), 4 * x.numel())
        return made


def test_what_is_done_by_addresses_is_not_known_nor_tried_where_there_are_none() -> (
    None
):
    found = counted(lambda x: Copied.apply(x[0] @ x[0]))  # type: ignore[no-untyped-call]
    assert found.answer is None
    assert found.best.skipped == {"memory::address": 2}
    assert found.best.macs == 3 * 8**3


def test_sizes_and_constants_may_be_arrays_of_numpy() -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        steps = torch.linspace(0, 1, 8).numpy() * np.arange(x.shape[-1])
        return x[0] @ torch.from_numpy(steps.astype(np.float32)).to(x.device)

    found = counted(function)
    assert found.answer is not None
    assert found.answer.macs == 3 * 64


@pytest.mark.parametrize(
    ("one", "other", "ends", "macs"),
    [
        ((8, 16), (2, 16, 32), (3, 8), 8 * 16 * 32),
        ((2, 4, 16), (16, 48), (16, 48), 4 * 16 * 48),
        ((8, 16), (16, 32), (8, 16), 8 * 16 * 32),
        ((2, 4, 16), (2, 16, 8), (), 2 * 4 * 16 * 8),
    ],
    ids=["rows", "columns", "sums", "batches"],
)
def test_products_of_groups_are_counted_by_what_is_in_each(
    one: tuple[int, ...], other: tuple[int, ...], ends: tuple[int, ...], macs: int
) -> None:
    weight = torch.zeros(other, dtype=torch.bfloat16)
    offsets = torch.tensor(ends, dtype=torch.int32) if ends else None
    net = Applied(lambda x: functional.grouped_mm(x, weight, offs=offsets))
    found = count(Foreign("net", net), (Input(one, torch.bfloat16),), BOTH)
    assert (found.faults(), found.best.macs) == ([], macs)


def test_an_error_is_said_by_its_words_or_its_code() -> None:
    def halve(x: torch.Tensor) -> torch.Tensor:
        if x.shape[-1] % 3:
            raise AssertionError  # as `assert` does, which pytest makes another of
        return x

    with pytest.raises(MeasureError, match="raised AssertionError: raise AssertionErr"):
        counted(halve)
    rows = "\n".join(" 0.1 -2e-3" for _ in range(40))
    printed = f"cannot insert a Tensor\nTensor:\n{rows}\n[ torch.FloatTensor{{8,8}} ]"
    assert raised(RuntimeError(printed)) == "RuntimeError: cannot insert a Tensor"
    assert raised(KeyError()) == "KeyError"


def test_what_they_log_is_no_concern_of_counting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        logging.getLogger("theirs").warning("no kernel for %s", x.shape)
        return x[0] @ x[0]

    assert counted(function).best.macs == 3 * 8**3
    assert caplog.records == []
    function(torch.zeros(1, 3, 8, 8))
    assert len(caplog.records) == 1
