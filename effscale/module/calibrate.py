"""Calibration: what this device takes for what, by networks that are run on it.

Networks of several families, scaled at random, are timed as wholes, each where its
operators meet the caches as they do in use. Non-negative least squares of relative
errors finds what an operator of each kind takes for a MAC, a byte and a call.
"""

from __future__ import annotations

import math
import random
import time
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import nnls

from effscale.cost.latency_model import Error, Model, features
from effscale.errors import CandidateError, MeasureError
from effscale.growth.multipliers import Multipliers
from effscale.growth.scale import load, scale
from effscale.module.latency import Setting, latencies, machine, spec_subjects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from effscale.cost.latency_model import Device
    from effscale.spec.models import Spec

#: Baselines of the families that a calibration runs.
FAMILIES = (
    *("b0", "mobilenetv3-large", "resnet18", "regnety-400mf"),
    *("efficientnet-lite0", "mnasnet-a1", "resnet50", "mobilenetv2"),
)
#: Networks of each family at least, without which nothing can be said of its error.
LEAST = 2
#: Two times this far apart are of a machine that has not settled.
SETTLED = 0.03
#: How a network is timed: seconds for each try, and tries until two agree.
TRY, TRIES = 0.15, 8

#: A network, its family, and how long it took.
Timed = tuple[str, dict[str, float], float]


def setting_of(device: Device) -> Setting:
    """The way in which networks are run on a device."""
    return Setting(
        device.batch,
        device.threads,
        device.dtype,
        device.device,
        device.channels_last,
        device.compiled,
    )


def measured(spec: Spec, device: Device) -> float:
    """Seconds that a network takes, once two tries in a row agree.

    The first rounds after compiling, and on a device that is still cold, are slower.
    """
    setting = setting_of(device)
    (subject,) = spec_subjects([spec], [setting])
    before = math.inf
    for _ in range(TRIES):
        (found,) = latencies([subject], setting, seconds=TRY, rounds=3)
        now = found.whole.median
        if abs(now / before - 1) <= SETTLED:
            return min(now, before)
        before = now
    return before


def drawn(seed: int = 0) -> Iterator[tuple[str, Spec]]:
    """Networks to run, without end: each family in turn, scaled at random."""
    generator = random.Random(seed)  # noqa: S311 - no secret
    baselines = {name: load(name) for name in FAMILIES}
    while True:
        for name, spec in baselines.items():
            given = Multipliers(
                generator.uniform(0.5, 1.6),
                generator.uniform(0.4, 1.4),
                generator.uniform(0.4, 1.1),
            )
            try:
                yield name, scale(spec, given)
            except CandidateError:
                continue


def calibrate(
    device: Device,
    *,
    seconds: float,
    timed: Callable[[Spec, Device], float] = measured,
    clock: Callable[[], float] = time.monotonic,
    progress: Callable[[float, str], None] = lambda _share, _what: None,
) -> Model:
    """The model of a device, from as many networks as fit into so many seconds.

    At least two of each family are run, whatever they take.
    """
    start, found = clock(), list[Timed]()
    for name, spec in drawn():
        enough = len(found) >= LEAST * len(FAMILIES)
        if enough and clock() - start >= seconds:
            break
        taken = timed(spec, device)
        found.append((name, _plain(features(spec, device)), taken))
        progress((clock() - start) / seconds, f"{spec.name}, {len(found)} networks")
    return fitted(device, found, machine(device.device))


def _plain(given: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in given.items()}


def fitted(device: Device, found: Sequence[Timed], name: str) -> Model:
    """The model that explains these times best, and how it does without each family.

    Raises:
        MeasureError: if there is nothing to learn from.
    """
    if not found:
        raise MeasureError("calibrate: expected networks to have been run, got none")
    errors: dict[str, list[float]] = {}
    for family in dict.fromkeys(each[0] for each in found):
        others = [each for each in found if each[0] != family]
        seconds = coefficients(others or found)
        errors[family] = [
            abs(_sum(seconds, each[1]) / each[2] - 1)
            for each in found
            if each[0] == family
        ]
    every = [error for each in errors.values() for error in each]
    by_family = {family: _error(each) for family, each in errors.items()}
    return Model(device, name, coefficients(found), by_family, _error(every))


def _sum(seconds: Mapping[str, float], given: Mapping[str, float]) -> float:
    return sum(seconds.get(name, 0.0) * value for name, value in given.items())


def _error(errors: Sequence[float]) -> Error:
    near = sum(each <= 0.1 for each in errors)  # noqa: PLR2004 - a tenth
    return Error(median(errors), near / len(errors), len(errors))


def coefficients(found: Sequence[Timed]) -> dict[str, float]:
    """Seconds of each feature, none below 0, that miss the times least, relatively."""
    names = sorted({name for _, given, _ in found for name in given})
    rows = np.array([[given.get(n, 0.0) for n in names] for _, given, _ in found])
    times = np.array([taken for *_, taken in found])
    scales = np.maximum(rows.max(axis=0), 1e-30)
    solved, _ = nnls(rows / scales / times[:, None], np.ones(len(found)))
    values = (solved / scales).tolist()
    return {name: value for name, value in zip(names, values, strict=True) if value}
