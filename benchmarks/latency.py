"""How well latency is predicted here: a calibration, and networks it has not seen.

    python benchmarks/latency.py --device cpu --threads 1 --runtime onnxruntime
    python benchmarks/latency.py --device cuda --batch 32 --dtype float16

Calibrates the device anew and keeps it, runs scaled networks of families that the
calibration has not, and says how far predictions were from what was measured; then fits
b0 to limits that are shares of its own time, and measures each answer again. On a CPU
networks run in turn with a reference network, as in the calibration, so that it does
not count if the machine has become faster or slower since. Run it on a machine that
does nothing else.
"""

from __future__ import annotations

import argparse
import random
from itertools import cycle
from statistics import median
from typing import TYPE_CHECKING

from scipy.stats import spearmanr

import effscale as es
from effscale.choices import ELEMENT_BYTES, RUNTIMES
from effscale.cost.latency_model import Device, save
from effscale.errors import CandidateError
from effscale.limit import Limit
from effscale.module.calibrate import Bench, by_operator, calibrate, measured, tries
from effscale.quantity import in_seconds
from effscale.search.asked import Asked, Bounds, Goal
from effscale.search.measured import timed_ray

if TYPE_CHECKING:
    from effscale.cost.latency_model import Model

UNSEEN = (
    *("tinynet-a", "mnasnet-b1", "mobilenetv3-small", "resnet34"),
    *("regnety-800mf", "densenet121", "efficientnetv2-b0", "mobilenetv1"),
)


def options() -> argparse.Namespace:
    """What is measured, and how networks run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--dtype", choices=ELEMENT_BYTES, default="float32")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--cuda-graph", action="store_true")
    parser.add_argument("--runtime", choices=RUNTIMES, default="torch")
    parser.add_argument("--seconds", type=float, default=110.0, help="to calibrate for")
    parser.add_argument("--networks", type=int, default=60, help="that are predicted")
    parser.add_argument(
        "--shares",
        type=float,
        nargs="*",
        default=(0.5, 1.0, 2.0),
        help="of the time of b0, to fit it to",
    )
    return parser.parse_args()


def networks(count: int) -> list[es.Spec]:
    """Scaled networks, each family in turn."""
    generator, found = random.Random(1), []  # noqa: S311 - no secret
    for name in cycle(UNSEEN):
        given = es.Multipliers(
            generator.uniform(0.5, 1.5),
            generator.uniform(0.5, 1.3),
            generator.uniform(0.5, 1.1),
        )
        try:
            found.append(es.scale(es.load(name), given))
        except CandidateError:
            continue
        if len(found) == count:
            return found
    return found


def predict(model: Model, bench: Bench | None, specs: list[es.Spec]) -> None:
    """Print how predictions agree with what is measured."""
    unit = bench.unit if bench else 0.0

    def taken(spec: es.Spec) -> float:
        return unit * bench.ratio(spec) if bench else measured(spec, model.device)

    pairs = [(float(model.latency(each)), taken(each)) for each in specs]
    errors = [abs(thought / taken - 1) for thought, taken in pairs]
    near = sum(each <= 0.1 for each in errors) / len(errors)  # noqa: PLR2004 - a tenth
    rank = spearmanr(*zip(*pairs, strict=True)).statistic
    print(
        f"{len(pairs)} networks of other families: median error "
        f"{100 * median(errors):.1f} %, {100 * near:.0f} % within 10 %, rank "
        f"correlation {rank:.3f}",
        flush=True,
    )


def fit(device: Device, seconds: float) -> None:
    """Print which network takes so long at most, measured again."""
    limit = Limit("latency", "<=", seconds)
    asked = Asked(Goal(), (limit,))
    _, answer = timed_ray(
        es.load("b0"), asked, Bounds(), "compound", lambda each: tries(each, device)
    )
    if answer.best is None:
        print(f"{limit}: nothing")
        return
    spec = answer.best.variant.spec
    again = ", ".join(
        f"{in_seconds(taken)} ({taken / limit.value - 1:+.1%})"
        for taken in (measured(spec, device) for _ in range(3))
    )
    print(f"{limit}: {spec.name}, measured again {again}", flush=True)


def main() -> None:
    """Print what was predicted and measured, and how they agree."""
    asked = vars(options())
    seconds, count, shares = map(asked.pop, ("seconds", "networks", "shares"))
    device = Device(**asked)
    bench = Bench(device) if by_operator(device) else None
    model = calibrate(device, seconds=seconds, bench=bench)
    print(f"{model.machine}: {device.said()}; kept at {save(model)}")
    print(f"families left out of the calibration: {model.error.said()}", flush=True)
    predict(model, bench, networks(count))
    whole = measured(es.load("b0"), device)
    for share in shares:
        fit(device, share * whole)


if __name__ == "__main__":
    main()
