"""A module made ready to run: on a device, as a dtype, in a layout, compiled or not."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from effscale.errors import MeasureError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

#: The seed of the values that go through networks that are timed or exported.
SEED = 0
#: The rank of a batch of images, which alone has a channels-last layout.
IMAGES = 4


@dataclass(frozen=True)
class Setting:
    """How a network is run."""

    batch: int = 1
    threads: int = 1  #: of the CPU; on another device they only hand over the work
    dtype: str = "float32"
    device: str = "cpu"
    channels_last: bool = False
    compiled: bool = False


@dataclass(frozen=True)
class Subject:
    """A module to run, and what it is given: a tuple of tensors for a batch of N."""

    name: str
    module: nn.Module
    inputs: Callable[[int], tuple[torch.Tensor, ...]]
    #: Parts by name, each a path in the module; one module may be called many times.
    parts: Mapping[str, str]


def all_threads() -> int:
    """As many threads as torch takes where nobody says how many."""
    return torch.get_num_threads()


def check(setting: Setting) -> None:
    """Refuse a device that is not there.

    Raises:
        MeasureError: if torch finds none of that kind.
    """
    kind = setting.device.partition(":")[0]
    if kind == "cuda" and not torch.cuda.is_available():
        raise MeasureError("device: expected cpu, got 'cuda': torch finds none here")


def images(shape: Sequence[int]) -> Callable[[int], tuple[torch.Tensor, ...]]:
    """What a network of one image input is given: normal values, always the same."""

    def make(batch: int) -> tuple[torch.Tensor, ...]:
        generator = torch.Generator().manual_seed(SEED)
        return (torch.randn(batch, *shape, generator=generator),)

    return make


@dataclass(frozen=True)
class Ready:
    """A module that can be called, and with what; `plain` is it before compiling."""

    module: Callable[..., Any]
    plain: nn.Module
    inputs: tuple[torch.Tensor, ...]


def ready(subject: Subject, setting: Setting) -> Ready:
    """A copy of the module in eval mode, as `setting` has it; the original stays."""
    plain = deepcopy(subject.module).eval()
    plain = plain.to(device=setting.device, dtype=getattr(torch, setting.dtype))
    if setting.channels_last:
        plain = plain.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    inputs = tuple(_as(each, setting) for each in subject.inputs(setting.batch))
    return Ready(compiled(plain, setting), plain, inputs)


def _as(tensor: torch.Tensor, setting: Setting) -> torch.Tensor:
    if tensor.is_floating_point():
        tensor = tensor.to(getattr(torch, setting.dtype))
    if setting.channels_last and tensor.dim() == IMAGES:
        tensor = tensor.contiguous(memory_format=torch.channels_last)
    return tensor.to(setting.device)


def compiled(module: nn.Module, setting: Setting) -> Callable[..., Any]:
    """`module` by torch.compile, if the setting asks for it."""
    if not setting.compiled:
        return module
    compiled_module: Callable[..., Any] = torch.compile(module)
    return compiled_module


@contextmanager
def running(setting: Setting) -> Iterator[None]:
    """Without gradients; faults of torch are one line; compiled for these threads."""
    with torch.inference_mode(), _threads(setting):
        try:
            yield
        except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
            if isinstance(error, MeasureError):
                raise
            raise MeasureError(_said(error, setting)) from error


@contextmanager
def _threads(setting: Setting) -> Iterator[None]:
    """torch's threads as set, in the kernels that are compiled as well."""
    before = torch.get_num_threads()
    torch.set_num_threads(setting.threads)
    try:
        with _kernels(setting):
            yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _kernels(setting: Setting) -> Iterator[None]:
    """The compiler's own number of threads, which it writes into the kernels."""
    if not setting.compiled:
        yield
        return
    from torch._inductor import config

    torch.compiler.reset()
    with warnings.catch_warnings(), config.patch({"cpp.threads": setting.threads}):
        warnings.simplefilter("ignore")  # torch's own, of what it does within
        yield


def _said(error: Exception, setting: Setting) -> str:
    """What torch says, in one line, and how it was asked."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = lines[0] if lines else type(error).__name__
    how = "compiled, " if setting.compiled else ""
    return f"cannot be run {how}as {setting.dtype} on {setting.device}: {reason}"


def part_calls(
    subject: Subject, prepared: Ready
) -> dict[str, tuple[nn.Module, list[tuple[Any, ...]]]]:
    """Each part's module, and what it is called with, in one run; uncalled ones not."""
    found: dict[str, tuple[nn.Module, list[tuple[Any, ...]]]] = {}
    hooks = []
    for name, path in subject.parts.items():
        part = prepared.plain.get_submodule(path)
        calls: list[tuple[Any, ...]] = []
        found[name] = part, calls
        hooks.append(part.register_forward_pre_hook(_noting(calls)))
    try:
        prepared.plain(*prepared.inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: both for name, both in found.items() if both[1]}


def _noting(calls: list[tuple[Any, ...]]) -> Callable[[nn.Module, Any], None]:
    def note(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
        calls.append(inputs)

    return note
