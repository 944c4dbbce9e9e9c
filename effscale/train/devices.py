"""One training on several devices of this machine, a process for each.

Each has its share of each batch: torch's DistributedDataParallel has the same gradients
in all of them, and batch norm is of the whole batch. So the figures are those of one
device, but for rounding and for what is drawn for dropout and the like.
"""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import distributed, nn
from torch.multiprocessing.spawn import start_processes
from torch.nn.parallel import DistributedDataParallel

from effscale.errors import EffscaleError, TrainError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.process import BaseProcess

#: How long a device waits for the others, in one step or in what is between two.
PATIENCE = timedelta(minutes=30)
#: Seconds between two looks at whether the process that asked is still there, and in
#: which the others are gone once all is done.
_LOOK, _LEAVING = 1.0, 30.0
#: Processes that a CPU of few cores may have, as to rehearse a training on GPUs: each
#: takes some hundred MB.
REHEARSED = 8


@dataclass(frozen=True)
class Share:
    """Which part of each batch a process learns from."""

    rank: int = 0
    of: int = 1

    def part(self, batch: list[Any]) -> list[Any]:
        """The part of a batch, all being of one size."""
        size = len(batch) // self.of
        return batch[self.rank * size : (self.rank + 1) * size]

    def summed(self, values: torch.Tensor) -> torch.Tensor:
        """The sum of what all have, which all have then."""
        if self.of > 1:
            distributed.all_reduce(values)
        return values


ALONE = Share()


class _Summed(torch.autograd.Function):
    """The sum of what all have, through which gradients flow: those of all, summed."""

    @staticmethod
    def forward(_ctx: Any, values: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_ctx: Any, gradient: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
        return _Summed.forward(_ctx, gradient)


def _summed(values: torch.Tensor) -> torch.Tensor:
    total: torch.Tensor = _Summed.apply(values)  # type: ignore[no-untyped-call]
    return total


class SharedNorm(nn.BatchNorm2d):
    """Batch norm of a batch that several CPUs share; SyncBatchNorm is CUDA's alone."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - torch's
        if not self.training:
            return super().forward(input)
        x, axes = input.float(), [0, 2, 3]
        count = x.numel() // x.shape[1] * distributed.get_world_size()
        mean = _summed(x.sum(axes)) / count
        centred = x - mean[:, None, None]
        variance = _summed(centred.square().sum(axes)) / count
        self._follow(mean.detach(), variance.detach() * count / (count - 1))
        scale = torch.rsqrt(variance + self.eps)
        if self.weight is not None:
            scale = scale * self.weight
        normal = centred * scale[:, None, None]
        if self.bias is not None:
            normal = normal + self.bias[:, None, None]
        result: torch.Tensor = normal.to(input.dtype)
        return result

    def _follow(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        if self.running_mean is None or self.running_var is None:
            return
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        share = 0.1 if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)


def shared(
    net: nn.Module, share: Share, device: torch.device
) -> tuple[nn.Module, nn.Module]:
    """What learns in the place of `net`; and `net`, its batch norms those of all."""
    if share.of == 1:
        return net, net
    if device.type == "cuda":
        net = nn.SyncBatchNorm.convert_sync_batchnorm(net)
        return DistributedDataParallel(net, [device.index]), net
    for each in net.modules():
        if type(each) is nn.BatchNorm2d:
            each.__class__ = SharedNorm
    return DistributedDataParallel(net), net


def of_rank(device: torch.device, share: Share) -> torch.device:
    """The device of a process: CUDA's in their order, or the CPU that all share."""
    named = device.type != "cuda" or share.of == 1
    return device if named else torch.device("cuda", share.rank)


def check(device: torch.device, count: int) -> None:
    """Refuse more devices than there are.

    Raises:
        TrainError: if there are fewer, or one of them is named; for more processes than
            a CPU has cores, and more than `REHEARSED`.
    """
    if count == 1:
        return
    if device.type == "cpu":
        most = max(REHEARSED, os.cpu_count() or 1)
        if count > most:
            message = f"devices: expected at most {most} processes on this CPU"
            raise TrainError(f"{message}, got {count}")
        return
    found = torch.cuda.device_count()
    named = str(device) != device.type
    if named or found < count:
        what = str(device) if named else f"{found} of them"
        raise TrainError(f"devices: expected {count} GPUs, got {what}")


def refuse_uneven(batch: int, count: int) -> None:
    """Refuse a batch that so many devices cannot share.

    Raises:
        TrainError: if they would have unequal parts of it.
    """
    if batch % count:
        expected = f"expected a multiple of the {count} devices"
        raise TrainError(f"batch: {expected}, got {batch}")


@contextmanager
def together(
    count: int, device: torch.device, batch: int, follow: Callable[[Share], None]
) -> Iterator[Share]:
    """The first share of so many; other processes `follow` with theirs meanwhile.

    They end with the block, however that ends, and with this process.

    Raises:
        TrainError: if they cannot share the batch, there are fewer devices, or one of
            the others has ended before.
    """
    refuse_uneven(batch, count)
    if count == 1:
        yield ALONE
        return
    check(device, count)
    with tempfile.TemporaryDirectory(prefix="effscale-") as folder:
        others = start_processes(
            _followed,
            (folder, count, device.type, follow),
            nprocs=count - 1,
            join=False,
            daemon=True,
            start_method="spawn",
        )
        done = False
        try:
            _wait_for(others.processes, folder)
            _join(folder, Share(0, count), device.type)
            yield Share(0, count)
            done = True
        except RuntimeError as error:
            if isinstance(error, EffscaleError) or not _has_ended(others.processes):
                raise
            raise TrainError(_why(folder)) from None
        finally:
            end = time.monotonic() + (_LEAVING if done else 0)
            for each in others.processes:
                each.join(max(0, end - time.monotonic()))
                each.kill()
            if distributed.is_initialized():
                with suppress(RuntimeError):
                    distributed.destroy_process_group()


def _wait_for(processes: Sequence[BaseProcess], folder: str) -> None:
    """Until all others have loaded torch, and are there to be joined.

    Joining waits for them in C++, where no signal ends it, nor the end of another.

    Raises:
        TrainError: if one of them ends before.
    """
    while len([*Path(folder).glob(f"{_READY}*")]) < len(processes):
        if any(each.exitcode is not None for each in processes):
            raise TrainError(_why(folder))
        time.sleep(_LOOK / 20)


#: Begins the name of the file by which a process says that it is there.
_READY = "ready-"


def _join(folder: str, share: Share, kind: str) -> None:
    if kind == "cuda":
        torch.cuda.set_device(share.rank)
    distributed.init_process_group(
        "nccl" if kind == "cuda" else "gloo",
        init_method=f"file://{folder}/store",
        timeout=PATIENCE,
        world_size=share.of,
        rank=share.rank,
    )


def _has_ended(processes: Sequence[BaseProcess]) -> bool:
    """Whether one of them is gone, which the others hear of a moment before it is."""
    until = time.monotonic() + _LOOK
    while time.monotonic() < until:
        if any(each.exitcode is not None for each in processes):
            return True
        time.sleep(_LOOK / 20)
    return False


def _why(folder: str) -> str:
    """What another process has said before it ended."""
    for each in sorted(Path(folder).glob("error-*")):
        return each.read_text("utf-8")
    return "devices: the process of one of them was ended from outside"


def _followed(
    index: int, folder: str, count: int, kind: str, follow: Callable[[Share], None]
) -> None:
    """Another process: quiet, deaf to Ctrl-C, and gone with the one that asked."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asked = os.getppid()
    threading.Thread(target=_end_with, args=[asked], daemon=True).start()
    share = Share(index + 1, count)
    try:
        Path(folder, f"{_READY}{share.rank}").touch()
        _join(folder, share, kind)
        follow(share)
    except EffscaleError as error:
        Path(folder, f"error-{share.rank}").write_text(str(error), "utf-8")
        os._exit(1)
    except RuntimeError:  # the first is gone, or another: which that one says
        os._exit(1)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK)
    os._exit(1)
