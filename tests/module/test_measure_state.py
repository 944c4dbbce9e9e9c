"""Measuring leaves the module as it was, however it ends."""

from __future__ import annotations

from contextlib import suppress
from typing import ClassVar, get_args

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from effscale.module.measure import Engine, measure

pytestmark = pytest.mark.torch

engines = pytest.mark.parametrize("engine", get_args(Engine))
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")


class Ends(nn.Module):
    """What a forward pass can come to."""

    def __init__(self, error: type[BaseException] | None) -> None:
        super().__init__()
        self.error = error

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`x`, if anything."""
        if self.error:
            raise self.error("on the way")
        return x


def used(error: type[BaseException] | None = None) -> nn.Sequential:
    """A net in the middle of its training: modes, hooks, gradients and statistics."""
    torch.manual_seed(0)
    conv, ends = nn.Conv2d(3, 4, 3), Ends(None)
    frozen = nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4))
    start = nn.Sequential(conv, nn.BatchNorm2d(4), nn.Dropout(0.5))
    net = nn.Sequential(start, frozen, ends, nn.Flatten(), nn.Linear(16, 2))
    net(torch.randn(5, 3, 6, 6)).sum().backward()
    frozen.eval().requires_grad_(requires_grad=False)
    conv.register_forward_hook(lambda *_: None)
    frozen.register_forward_pre_hook(lambda *_: None)
    ends.error = error
    return net


def structure(net: nn.Module) -> list[object]:
    """Modes and hooks of every module."""
    return [
        (each.training, *(tuple(getattr(each, kind).items()) for kind in HOOKS))
        for each in net.modules()
    ]


def tensors(net: nn.Module) -> list[tuple[int, int, str, bool, int | None]]:
    """Where every tensor lies, how often it was written to, and its gradient."""
    return [
        (
            each.data_ptr(),
            each._version,  # noqa: SLF001 - there is no public way
            each.device.type,
            each.requires_grad,
            None if each.grad is None else each.grad.data_ptr(),
        )
        for each in (*net.parameters(), *net.buffers())
    ]


def values(net: nn.Module) -> list[torch.Tensor]:
    found = [*net.parameters(), *net.buffers()]
    found += [each.grad for each in net.parameters() if each.grad is not None]
    return [each.detach().clone() for each in found]


@engines
@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_a_module_is_left_as_it_was(
    engine: Engine, error: type[BaseException] | None
) -> None:
    net = used(error)
    before, where, kept = structure(net), tensors(net), values(net)
    if error is None:
        assert measure(net, 6, engine=engine).macs == 108 * 16 + 144 * 4 + 32
    else:
        with pytest.raises(error, match=r"^on the way$"):
            measure(net, 6, engine=engine)
    assert structure(net) == before
    assert tensors(net) == where
    for now, then in zip(values(net), kept, strict=True):
        assert torch.equal(now, then)


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_a_module_on_meta_is_left_as_it_was(error: type[BaseException] | None) -> None:
    net = used(error).to("meta")
    before = structure(net)
    if error is None:
        measure(net, 6, engine="torch")
    else:
        with pytest.raises(error, match=r"^on the way$"):
            measure(net, 6, engine="torch")
    assert structure(net) == before
    assert all(each.is_meta for each in (*net.parameters(), *net.buffers()))


@engines
@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_torch_is_left_as_it_was(
    engine: Engine, error: type[BaseException] | None
) -> None:
    net, random = used(error), torch.get_rng_state()
    with suppress(ValueError, KeyboardInterrupt):
        measure(net, 6, engine=engine)
    assert torch.is_grad_enabled()
    assert not torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]
    assert torch.equal(torch.get_rng_state(), random)
    with FlopCounterMode(display=False) as mode:
        torch.ones(2, 2) @ torch.ones(2, 2)
    assert mode.get_total_flops() == 16
    assert measure(nn.Conv2d(3, 1, 1), 2, engine=engine).macs == 12


@engines
def test_hooks_can_still_be_removed(engine: Engine) -> None:
    conv, calls = nn.Conv2d(3, 1, 1), []
    net = nn.Sequential(conv)
    handle = conv.register_forward_hook(lambda *_: calls.append(1))
    measure(net, 2, engine=engine)
    calls.clear()
    net(torch.zeros(1, 3, 2, 2))
    assert calls == [1]
    handle.remove()
    net(torch.zeros(1, 3, 2, 2))
    assert calls == [1]


class Watches(nn.Module):
    """Notes how it is run; a twin notes it in the same place."""

    notes: ClassVar[list[tuple[bool, bool, tuple[int, ...]]]] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`x` as it comes."""
        Watches.notes.append((self.training, torch.is_grad_enabled(), x.shape))
        return x


@engines
def test_one_image_goes_through_once_in_eval_mode_without_gradients(
    engine: Engine,
) -> None:
    Watches.notes.clear()
    measure(nn.Sequential(nn.Conv2d(3, 4, 1), Watches()), (2, 5), engine=engine)
    assert Watches.notes == [(False, False, (1, 4, 2, 5))]


class Talks(nn.Module):
    """All that counters and tracers remark on."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.never_called = nn.Conv2d(3, 1, 1), nn.Conv2d(3, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """A branch that depends on a shape, and an operator that nobody counts."""
        x = self.conv(x)
        return torch.erfinv(x) if x.shape[2] > 1 else x


@engines
def test_counters_say_nothing(
    engine: Engine,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level("DEBUG")
    assert measure(Talks(), 2, engine=engine).macs == 12
    assert caplog.messages == []
    assert capfd.readouterr() == ("", "")
