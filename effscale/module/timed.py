"""The networks of specs, built to be timed; and the machine that they are timed on."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from effscale.module.build import build
from effscale.module.latency import latencies
from effscale.module.proof import refuse_too_large
from effscale.module.running import SEED, Subject, images
from effscale.network.staged import network

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.module.latency import Latency, Progress
    from effscale.module.running import Setting
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


def time_specs(
    specs: Sequence[Spec],
    settings: Sequence[Setting],
    *,
    seconds: float,
    parts: bool = False,
    progress: Progress = lambda _what, _done: None,
) -> list[list[Latency]]:
    """For each setting, how long the network of each spec takes.

    Raises:
        MeasureError: if a network takes more memory than this machine has, or cannot
            be run so.
    """
    nets = [network(spec) for spec in specs]
    for setting in settings:
        if setting.device == "cpu":
            width = getattr(torch, setting.dtype).itemsize
            refuse_too_large(nets, setting.batch, width)
    subjects = [subject(spec, parts=parts) for spec in specs]
    return [
        latencies(subjects, setting, seconds=seconds, progress=progress)
        for setting in settings
    ]


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
