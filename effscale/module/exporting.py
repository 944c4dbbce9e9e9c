"""Specs to files: built, given weights, exported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from effscale.errors import ExportError
from effscale.module.build import build
from effscale.module.export import export
from effscale.module.proof import refuse_too_large
from effscale.network.staged import network

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import nn

    from effscale.module.export import Export, Form
    from effscale.spec.models import Spec

#: How many names of tensors a message holds.
_SHOWN = 3


def export_spec(  # noqa: PLR0913 - options of the command
    spec: Spec,
    path: Path,
    form: Form,
    *,
    batch: int | None = None,
    seed: int = 0,
    weights: Path | None = None,
    progress: Callable[[str], None] = lambda _what: None,
) -> Export:
    """Write the network of `spec` to `path`, with weights drawn by `seed` or loaded.

    Raises:
        ExportError: if the weights are not those of the network, or it cannot be
            written so.
        MeasureError: if this machine has no memory for it.
    """
    net = network(spec)
    refuse_too_large([net], batch or 1)
    progress("building")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = build(spec, init=weights is None)
    if weights is not None:
        load(module, weights)
    image = [int(each) for each in net.image]
    return export(module, image, path, form, batch=batch, progress=progress)


def load(module: nn.Module, path: Path) -> None:
    """Give `module` the weights of a state dict in the file at `path`.

    Raises:
        ExportError: if it holds none, or those of another network.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # noqa: BLE001 - of any other file, torch raises anything
        state = None
    if not isinstance(state, dict):
        raise ExportError(f"{path}: expected a state dict that torch has saved")
    own = module.state_dict()
    wrong = [
        *(f"no {name}" for name in own if name not in state),
        *(f"{name} besides" for name in state if name not in own),
        *(
            f"{name} of {_shape(state[name])} instead of {_shape(own[name])}"
            for name in own
            if name in state and _shape(state[name]) != _shape(own[name])
        ),
    ]
    if wrong:
        more = f", and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        named = ", ".join(wrong[:_SHOWN])
        raise ExportError(f"{path}: expected this network's weights, got {named}{more}")
    module.load_state_dict(state)


def _shape(value: object) -> str:
    if not isinstance(value, torch.Tensor):
        return type(value).__name__
    return "×".join(map(str, value.shape)) or "one number"
