"""The figures that limits speak of, counted: of one network, or of many candidates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from effscale.cost.count import Cost, count
from effscale.cost.memory import at_once

if TYPE_CHECKING:
    from effscale.cost.latency_model import Device, Model
    from effscale.limit import Figure
    from effscale.spec.models import Spec


@dataclass(frozen=True)
class Running:
    """How a network is meant to run: what its memory and latency depend on."""

    batch: int = 1
    dtype: str = "float32"  #: a key of `STORED_BYTES`
    model: Model | None = None  #: what predicts latency, where it is predicted
    device: Device | None = None  #: what latency is of, where it is asked for

    def figure(self, name: Figure, spec: Spec, cost: Cost | None = None) -> Any:  # noqa: ANN401
        """The figure of that name; `cost` is what `spec` costs, where it is known.

        Raises:
            ValueError: for what is measured and cannot be counted.
        """
        if name == "latency":
            if self.model is None:
                raise ValueError("latency is measured, and nothing predicts it")
            return self.model.latency(spec)
        if name in {"memory", "training_memory"}:
            training = name == "training_memory"
            return at_once(spec, self.batch, self.dtype, training=training)
        return getattr(cost or count(spec), name)
