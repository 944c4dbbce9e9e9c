"""Where a training runs, and in what precision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from effscale.errors import TrainError

if TYPE_CHECKING:
    from effscale.module.train.recipe import Precision


def device_of(name: str) -> torch.device:
    """The device of that name; `auto` is CUDA where there is one.

    Raises:
        TrainError: if there is no such device.
    """
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda" if found else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= found:
        known = " or ".join(["cpu", *(f"cuda:{k}" for k in range(found))])
        raise TrainError(f"device: expected {known} on this machine, got {name!r}")
    return device


def precision_of(name: str, device: torch.device) -> Precision:
    """The precision of that name; `auto` is bfloat16 where CUDA computes in it.

    (float16 would need its losses scaled, and is nowhere faster than bfloat16.)
    """
    if name == "auto":
        native = device.type == "cuda" and torch.cuda.is_bf16_supported(
            including_emulation=False
        )
        return "bfloat16" if native else "float32"
    return "bfloat16" if name == "bfloat16" else "float32"


def use_threads(number: int | None) -> None:
    """Have torch compute with so many threads of the CPU, or with what it chooses."""
    if number is not None:
        torch.set_num_threads(number)
