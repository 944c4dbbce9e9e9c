"""A prediction of latency, linear in what a network's operators do, for one device.

What is known of an operator without running it: its MACs, the bytes that it moves, and
that it is called. Each kind of operator has a coefficient for each, none below 0, that
a calibration has found on that device (`effscale.module.calibrate`). The same sums take
one network or arrays of candidates.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from effscale.arrays import ONE
from effscale.atomic_write import whole
from effscale.choices import ELEMENT_BYTES
from effscale.cost.count import leaf_cost, visited
from effscale.errors import MeasureError
from effscale.network.network import network
from effscale.network.operators.convolution import Conv

if TYPE_CHECKING:
    from collections.abc import Mapping

    from effscale.arrays import Real
    from effscale.cost.count import Visit
    from effscale.network.operators.operator import Operator
    from effscale.spec.models import Spec

#: Of the file's form and of the features; another version is calibrated anew.
VERSION = 1


@dataclass(frozen=True)
class Device:
    """What is run on, and how: one calibration each."""

    device: str = "cpu"
    threads: int = 1
    batch: int = 1
    dtype: str = "float32"
    channels_last: bool = False
    compiled: bool = False

    def said(self) -> str:
        """In a line: `cpu, 1 thread, batch 1, float32`."""
        threads = f"{self.threads} thread{'s' * (self.threads != 1)}"
        more = ["channels last"] * self.channels_last + ["compiled"] * self.compiled
        return ", ".join(
            [self.device, threads, f"batch {self.batch}", self.dtype, *more]
        )


@dataclass(frozen=True)
class Error:
    """How far predictions were from what was measured, of networks not calibrated on.

    Relative to the measured time.
    """

    median: float
    within_tenth: float  #: share of networks within 10 %
    networks: int

    def said(self) -> str:
        """In words: `median 4.1 %, 92 % within 10 %, of 60 networks`."""
        near = f"{100 * self.within_tenth:.0f} % within 10 %"
        of = f"of {self.networks} networks"
        return f"median {100 * self.median:.1f} %, {near}, {of}"


@dataclass(frozen=True)
class Model:
    """Coefficients of one device, and how well they predict."""

    device: Device
    machine: str  #: the name that its maker has given to it
    seconds: Mapping[str, float]  #: by feature
    #: Of each family of networks, predicted by all others.
    errors: Mapping[str, Error]
    #: Of all of these together.
    error: Error

    def latency(self, spec: Spec) -> Real:
        """Seconds that `spec` takes; of arrays in the spec, an array."""
        seconds: Real = self.of(features(spec, self.device))
        return seconds

    def of(self, found: Mapping[str, Any]) -> Any:  # noqa: ANN401 - seconds
        """Seconds of these features."""
        return sum(
            (self.seconds.get(name, 0.0) * value for name, value in found.items()),
            start=0.0,
        )

    def parts(self, spec: Spec) -> dict[str, float]:
        """Seconds of each part of one network."""
        return {
            each.part.name: float(self.of(_features(each.visits, self.device)))
            for each in visited(network(spec))
        }


def features(spec: Spec, device: Device) -> dict[str, Any]:
    """MACs, bytes and calls of each kind of operator; of arrays in the spec, arrays."""
    visits = [step for each in visited(network(spec)) for step in each.visits]
    return _features(visits, device)


def _features(visits: list[Visit], device: Device) -> dict[str, Any]:
    size = ELEMENT_BYTES[device.dtype]
    found: dict[str, Any] = {}
    for step in visits:
        cost, kind = leaf_cost(step), kind_of(step.leaf)
        maps = step.input.elements + step.output.elements
        done = {
            f"{kind} MACs": device.batch * cost.macs,
            f"{kind} bytes": size * (device.batch * maps + cost.params),
            f"{kind} calls": 1,
        }
        for name, value in done.items():
            found[name] = found.get(name, 0) + value * step.times
    return found


def kind_of(leaf: Operator) -> str:
    """The kind of an operator, which is the same for all candidates."""
    if not isinstance(leaf, Conv):
        return type(leaf).__name__.lower()
    if leaf.groups is not ONE:
        return f"grouped {max(leaf.kernel)}" if leaf.kernel != (1, 1) else "grouped 1"
    return "pointwise" if leaf.kernel == (1, 1) else "conv"


def file_of(device: Device) -> Path:
    """Where the calibration of a device is kept, in the user's cache folder."""
    home = os.environ.get("EFFSCALE_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home) if home else Path(base) / "effscale"
    named = json.dumps([VERSION, asdict(device)], sort_keys=True)
    short = hashlib.sha256(named.encode()).hexdigest()[:12]
    return folder / f"latency-{device.device.replace(':', '')}-{short}.json"


def save(model: Model) -> Path:
    """Keep a calibration; where it is."""
    path = file_of(model.device)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as file:
        text = json.dumps({"version": VERSION, **asdict(model)}, indent=2)
        file.write(text.encode())
    return path


def load(device: Device) -> Model:
    """The calibration of a device.

    Raises:
        MeasureError: if there is none, or another version's.
    """
    path = file_of(device)
    hint = "effscale calibrate makes one"
    try:
        data = json.loads(path.read_text("utf-8"))
        if data.pop("version") != VERSION:
            raise MeasureError(f"{path}: expected version {VERSION}; {hint}")
        return Model(
            Device(**data["device"]),
            data["machine"],
            data["seconds"],
            {name: Error(**each) for name, each in data["errors"].items()},
            Error(**data["error"]),
        )
    except FileNotFoundError:
        message = f"expected a calibration of {device.said()}, found none; {hint}"
        raise MeasureError(message) from None
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise MeasureError(f"{path}: no calibration: {error}; {hint}") from None
