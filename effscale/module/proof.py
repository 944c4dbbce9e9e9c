"""A spec's network, built for measuring alone and measured."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from effscale.cost.count import layer_costs, part_costs, whole
from effscale.errors import MeasureError
from effscale.module.build import build
from effscale.module.measure import Engine, Measurement, measure
from effscale.network.staged import network
from effscale.quantity import human

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.network.layers import Network
    from effscale.spec.models import Spec

FLOAT_BYTES = 4


def measure_spec(spec: Spec, engine: Engine = "fvcore") -> Measurement:
    """What `engine` measures of the network of `spec`, at the spec's resolution.

    fvcore runs the network on the CPU; torch counts on meta, where nothing is stored.

    Raises:
        MeasureError: if running it takes more memory than this machine has.
    """
    if engine == "fvcore":
        refuse_too_large([network(spec)], hint="; --measure torch needs none")
    device = "meta" if engine == "torch" else "cpu"
    module = build(spec, init=False, device=device)
    channels = int(spec.image_channels)
    return measure(module, spec.resolution, engine=engine, image_channels=channels)


def difference(spec: Spec, measured: Measurement) -> str | None:
    """Where count and measurement part, in a sentence; None if they agree.

    They never should: a difference is a fault of effscale.
    """
    parts = part_costs(network(spec))
    counted = whole(parts)
    for figure in ("macs", "params", "activations"):
        ours, theirs = getattr(counted, figure), getattr(measured, figure)
        if ours != theirs:
            break
    else:
        return None
    text = f"{spec.name}: counted {ours:,} {figure} but {measured.engine} measured "
    for each in parts:
        if each.cost.macs != measured.modules.get(each.part.path, 0):
            return f"{text}{theirs:,}; first difference in {each.part.name}"
    return f"{text}{theirs:,}"


def bytes_to_run(net: Network, batch: int = 1, width: int = FLOAT_BYTES) -> int:
    """Bytes that a batch of images takes: weights, and the feature maps alive at once.

    An estimate: six of the largest map, `width` bytes a number. The peaks measured on
    B4 and B7, operators' scratch memory included, are up to 15 % above it.
    """
    layers = layer_costs(net)
    weights = sum(int(each.cost.params) for each in layers)
    largest = max(int(each.visit.output.elements) for each in layers)
    return width * (weights + 6 * largest * batch)


def refuse_too_large(
    nets: Sequence[Network], batch: int = 1, width: int = FLOAT_BYTES, *, hint: str = ""
) -> None:
    """Refuse to run what this machine has no memory for, all of `nets` together.

    Raises:
        MeasureError: which ends with `hint`.
    """
    needed = sum(bytes_to_run(net, batch, width) for net in nets)
    memory = _physical_memory()
    if memory is not None and needed > memory:
        name = nets[0].name if len(nets) == 1 else f"{len(nets)} networks"
        raise MeasureError(
            f"{name}: running it once takes about {human(needed)}B of memory and "
            f"this machine has {human(memory)}B{hint}"
        )


def _physical_memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not every system tells
        return None
