"""The networks of specs, built to be timed; and the machine that they are timed on."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from effscale.errors import MeasureError
from effscale.module.build import build
from effscale.module.proof import refuse_too_large
from effscale.module.running import SEED, Subject, images
from effscale.network.staged import network

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.module.running import Setting
    from effscale.module.sides import Sides
    from effscale.spec.models import Spec


def subject(spec: Spec, *, parts: bool) -> Subject:
    """The network of `spec` with weights drawn by a fixed seed, to be run."""
    net = network(spec)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        module = build(spec)
    paths = {part.name: part.path for part in net.parts} if parts else {}
    shape = [int(each) for each in net.image]
    return Subject(spec.name, module, images(shape), paths)


def spec_subjects(
    specs: Sequence[Spec], settings: Sequence[Setting], *, parts: bool = False
) -> list[Subject]:
    """The networks of `specs`, to be run as all these settings say.

    Raises:
        MeasureError: if they take more memory than this machine has.
    """
    nets = [network(spec) for spec in specs]
    for setting in settings:
        if setting.device == "cpu":
            width = getattr(torch, setting.dtype).itemsize
            refuse_too_large(nets, setting.batch, width)
    return [subject(spec, parts=parts) for spec in specs]


def module_subject(counted: Sides, parts: Sequence[str]) -> Subject:
    """A module of other code, to be run on batches of what it was counted on.

    Numbers are normal ones; whole numbers and truths are zeros, which are in any
    vocabulary.

    Raises:
        MeasureError: if it was counted on more than one image.
    """
    for each in counted.inputs:
        if each.shape[0] != 1:
            side = "x".join(map(str, each.shape))
            raise MeasureError(
                f"{counted.name}: --latency expected an --input of one, 1x..., got "
                f"{side}; --batch says how many"
            )

    def make(batch: int) -> tuple[torch.Tensor, ...]:
        generator = torch.Generator().manual_seed(SEED)
        return tuple(
            torch.randn(batch, *shape[1:], generator=generator)
            if dtype is None or dtype.is_floating_point
            else torch.zeros(batch, *shape[1:], dtype=dtype)
            for shape, dtype in counted.inputs
        )

    return Subject(counted.name, counted.module, make, {name: name for name in parts})


def machine(device: str) -> str:
    """What this device is called, as its maker does."""
    if device.startswith("cuda"):
        return str(torch.cuda.get_device_name(device))
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:  # only Linux has it
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor() or platform.machine()
