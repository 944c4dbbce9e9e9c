"""EFF207 and EFF3: networks that cannot be, or cost other than their file says."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from effscale.checking.reading import TOO_LARGE
from effscale.checking.rule import Rule, replaced
from effscale.cost.figures import Running
from effscale.errors import EffscaleError, ScaleError
from effscale.limit import FIGURES, UNITS, parse, title
from effscale.quantity import human, in_seconds
from effscale.spec.models import Budget
from effscale.spec.references import MAX_REPEATED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from effscale.checking.source import Source
    from effscale.cost.count import Counted
    from effscale.errors import Fault, Place
    from effscale.limit import Limit
    from effscale.spec.models import Spec

IMPOSSIBLE = Rule(
    "EFF207",
    "impossible-network",
    "error",
    "The spec, or a variant of it, is not a network that can exist.",
    "Each number is in its range, and yet scaling leaves it, or the layers do not fit. "
    "The message says which.",
    "large: {width_multiplier: 100, resolution: 224}    # of 20,000 channels",
    "large: {width_multiplier: 10, resolution: 224}",
)
EXPECTED = Rule(
    "EFF301",
    "expected-figures",
    "error",
    "The params or MACs that are counted are not those of the file's `expected:`.",
    "`expected:` holds a network to its exact cost, so that no edit changes it "
    "unnoticed. Where the change was meant, --update writes what is counted.",
    "expected: {params: 5288548, macs: 385814753}",
    "expected: {params: 5288548, macs: 385814752}",
    applies="update",
    help="effscale check --update writes what is counted",
)
BUDGET = Rule(
    "EFF302",
    "over-budget",
    "error",
    "A figure is beyond a limit of the file's `budget:`.",
    "A budget is what the network has to run within; here a change that breaks it is "
    "seen before it is merged. Limits are at most, `<= 400M`, at least, or about, "
    "`= 1.5G within 5 %`; of MACs, params, activations, and of memory, `<= 64MB` of "
    "weights and maps for `batch:` images of `dtype:`. `latency: <= 20ms` is of the "
    "`device:` that is named; --verify runs the network there, and measures it.",
    "budget: {macs: <= 380M}    # B0 has 385,814,752",
    "budget: {macs: <= 400M}",
)
PHI = Rule(
    "EFF303",
    "off-phi",
    "error",
    "A variant's MACs are further from 2^φ times the baseline's than `tolerance:`.",
    "A variant that states its `phi:` is meant for that budget. Rounding and "
    "coefficients move it: effscale scale --phi shows by which factors, effscale fit "
    "finds multipliers that land.",
    "tolerance: 0.05\nvariants: {b1: {phi: 1, depth_multiplier: 1.1, resolution: 240}}",
    "tolerance: 0.15\nvariants: {b1: {phi: 1, depth_multiplier: 1.1, resolution: 240}}",
)
PRODUCT = Rule(
    "EFF304",
    "coefficient-product",
    "warning",
    "α·β²·γ² is more than 5 % away from 2.",
    "A unit of φ is meant to double the cost (Tan & Le 2019, equation 3), and budgets "
    "are stated as 2^φ. With another product every step misses, and misses more as φ "
    "grows. effscale grid lists the coefficients that hit.",
    "coefficients: {alpha: 1.3, beta: 1.2, gamma: 1.15}",
    "coefficients: {alpha: 1.2, beta: 1.1, gamma: 1.15}",
)
SAME = Rule(
    "EFF305",
    "same-network",
    "warning",
    "Two variants are the same network, or one is the baseline.",
    "Rounding makes one network of close multipliers. Two names for it look like a "
    "choice that is none.",
    "{s: {width_multiplier: 1.01, resolution: 224}, m: {resolution: 224}}",
    "{s: {width_multiplier: 0.75, resolution: 224}, l: {resolution: 256}}",
)
SHRINKS = Rule(
    "EFF306",
    "family-shrinks",
    "warning",
    "A variant costs less than the one before it in its family.",
    "A family is listed from small to large, so that its names can be read as an "
    "order; one that costs less than its neighbour has a slip in a multiplier or a "
    "resolution, or stands in the wrong place.",
    "variants: {b1: {resolution: 240}, b2: {resolution: 224}}",
    "variants: {b1: {resolution: 240}, b2: {resolution: 260}}",
)
DIFFERS = Rule(
    "EFF307",
    "count-differs",
    "error",
    "Counting and measuring the built network give different figures (--verify).",
    "They never should: it is a fault of effscale. Please report it with the file.",
    "effscale check --verify",
    "effscale check --verify",
    help="a fault of effscale: please report it",
)
RULES = (IMPOSSIBLE, EXPECTED, BUDGET, PHI, PRODUCT, SAME, SHRINKS, DIFFERS)

TARGET, OFF = 2.0, 0.05


def findings(source: Source) -> Iterator[Fault]:
    """What is wrong about the cost of a spec that loads."""
    spec = source.spec
    if spec is None or source.faults:
        return
    if not source.is_countable:
        message = f"expected at most {MAX_REPEATED:,} lines in all variants together"
        section = "variants" if spec.variants else "stages"
        yield TOO_LARGE.at(source, (section,), message, key=True)
        return
    yield from _product(source, spec)
    sound: list[tuple[Place, Counted]] = []
    seen: dict[object, str] = {}
    for place, each in source.networks.items():
        if isinstance(each, EffscaleError):
            said = each.message if isinstance(each, ScaleError) else str(each)
            yield IMPOSSIBLE.at(source, place, said)
            continue
        sound.append((place, each))
        yield from _figures(source, place, each)
        key = tuple((p.input, p.output, p.part.repeats, p.cost) for p in each.parts)
        if key in seen:
            message = f"expected another network than {seen[key]}"
            yield SAME.at(source, place, message, key=True)
        seen.setdefault(key, str(place[-1]) if place else "the baseline")
    yield from _off_phi(source, spec, sound)
    yield from _shrinking(source, sound)


def _figures(source: Source, place: Place, counted: Counted) -> Iterator[Fault]:
    """One network against the figures and limits that the file states of it."""
    spec, cost = counted.spec, counted.cost
    for name in ("params", "macs"):
        stated = getattr(spec.expected, name, None)
        found = int(getattr(cost, name))
        if stated is not None and stated != found:
            where = (*place, "expected", name)
            edits = (replaced(source.root.at(where), found),)
            message = f"expected {stated:,} (the file's own figure), counted {found:,}"
            yield EXPECTED.at(source, where, message, edits=edits)
    for each in held(source, spec):
        if each.limit.figure != "latency":
            value = int(each.running.figure(each.limit.figure, spec, cost))
            yield from each.judged(source, place, value)


class Held(NamedTuple):
    """A limit that a network is held to: its own, or what the run asks for."""

    limit: Limit
    running: Running
    own: bool

    def judged(self, source: Source, place: Place, found: float) -> Iterator[Fault]:
        """What is wrong with a figure, if something is."""
        limit, device = self.limit, self.running.device
        if limit.admits(found):
            return
        whose = "" if self.own else " (asked for)"
        timed = limit.figure == "latency" and device is not None
        on = f" on {device.said()}" if timed and device is not None else ""
        known = "measured" if timed else "counted"
        wanted = f"expected {_wanted(limit)}{on}{whose}"
        message = f"{wanted}, {known} {_beside(found, limit)}"
        if not self.own:
            message = f"{title(limit.figure)}: {message}"
        where = (*place, "budget", limit.figure) if self.own else place
        yield BUDGET.at(source, where, message, key=not self.own)


def held(source: Source, spec: Spec) -> list[Held]:
    """All limits of a network of a file."""
    own = [Held(each, how, own=True) for each, how in budgeted(spec)]
    return own + [Held(each, source.running, own=False) for each in source.limits]


def latencies(source: Source) -> list[tuple[Place, Held, Spec]]:
    """All limits of latency of a file's networks, which nothing but a run can judge."""
    return [
        (place, each, counted.spec)
        for place, counted in source.networks.items()
        if not isinstance(counted, EffscaleError)
        for each in held(source, counted.spec)
        if each.limit.figure == "latency"
    ]


def budgeted(spec: Spec) -> list[tuple[Limit, Running]]:
    """What a network's own budget limits, and how it is meant to run."""
    budget = spec.budget or Budget()
    texts = {name: getattr(budget, name, "") for name in FIGURES}
    how = running(budget)
    return [(parse(name, text), how) for name, text in texts.items() if text]


def running(budget: Budget) -> Running:
    """How a budget's network is meant to run."""
    batch, dtype = budget.batch or 1, budget.dtype or "float32"
    if budget.device is None:
        return Running(batch, dtype)
    from effscale.cost.latency_model import Device

    device = Device(
        budget.device,
        budget.threads or 1,
        batch,
        dtype,
        channels_last=bool(budget.channels_last),
        compiled=bool(budget.compiled),
        cuda_graph=bool(budget.cuda_graph),
        runtime=budget.runtime or "torch",
    )
    return Running(batch, dtype, device=device)


def _wanted(limit: Limit) -> str:
    """What a limit expects, in words: `at most 400 M`."""
    show = UNITS[limit.figure].show
    words = {"<=": "at most ", ">=": "at least ", "=": ""}
    within = "" if limit.within is None else f" within {100 * limit.within:g} %"
    return f"{words[limit.sign]}{show(limit.value)}{within}"


def _beside(found: float, limit: Limit) -> str:
    """A figure, and how far it is from what a limit states."""
    said = in_seconds(found) if limit.figure == "latency" else f"{found:,}"
    if found >= 2 * limit.value:
        return said
    return f"{said} ({100 * (found / limit.value - 1):+.2g} %)"


def _product(source: Source, spec: Spec) -> Iterator[Fault]:
    """Coefficients that the file states, and that do not double the cost."""
    product = spec.coefficients.product
    if "coefficients" in source.root.value and abs(product / TARGET - 1) > OFF:
        message = (
            f"expected α·β²·γ² within {100 * OFF:g} % of {TARGET:g}, got {product:.4g}"
        )
        yield PRODUCT.at(source, ("coefficients",), message)


def _off_phi(
    source: Source, spec: Spec, sound: list[tuple[Place, Counted]]
) -> Iterator[Fault]:
    """Variants that miss 2^φ times the baseline's MACs by more than the tolerance."""
    base = int(sound[0][1].cost.macs) if sound and not sound[0][0] else 0
    for place, each in sound if base else []:
        phi = spec.variants[str(place[-1])].phi if place else None
        if phi is None or spec.tolerance is None:
            continue
        macs, budget = int(each.cost.macs), base * 2.0**phi
        if abs(macs / budget - 1) > spec.tolerance:
            message = (
                f"expected {human(budget)} MACs (2^{phi:g} times the baseline's) "
                f"within {100 * spec.tolerance:g} %, counted {human(macs)} "
                f"({100 * (macs / budget - 1):+.3g} %)"
            )
            yield PHI.at(source, (*place, "phi"), message)


def _shrinking(source: Source, sound: list[tuple[Place, Counted]]) -> Iterator[Fault]:
    """Variants that cost less than the one before them in their family."""
    variants = [(place, each) for place, each in sound if place]
    for (_, before), (place, after) in pairwise(variants):
        less, more = int(before.cost.macs), int(after.cost.macs)
        if after.spec.family == before.spec.family and more < less:
            named = f"{before.spec.name} has ({human(less)})"
            message = f"expected more MACs than {named}, counted {human(more)}"
            yield SHRINKS.at(source, place, message, key=True)
