"""The road of a spec: load, check, count, scale, write, read, explain; and build.

Some are printed as well, by a command that is drawn.
"""

from __future__ import annotations

from fractions import Fraction
from math import prod
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from click.testing import CliRunner

from effscale.checking.catalogue import FINDERS
from effscale.checking.source import Source
from effscale.choices import TOOLS
from effscale.cli import main
from effscale.cost.conventions import conventions
from effscale.cost.count import Cost, count
from effscale.cost.memory import memory
from effscale.errors import ScaleError, SpecError, UnexplainedError
from effscale.growth.growth import Variant, growth_of
from effscale.growth.multipliers import STRATEGIES
from effscale.growth.scale import scale, variant
from effscale.network.network import network
from effscale.report.scaling import resolved
from effscale.search.explain import explain, hint
from effscale.spec.geometry import covering, uncovered
from effscale.spec.loading import loads
from tests.fuzz.mutants import mutant

if TYPE_CHECKING:
    from effscale.network.parts import Network
    from effscale.spec.models import Spec

#: The most MACs and lines of a network that is built as well.
BUILT_MACS, BUILT_REPEATS = 10**9, 30
#: One of so many is printed.
PRINTED = 8
#: What commands are asked of a file, whatever it holds: 0 or 1, and no fault of ours.
ASKED = (
    "profile FILE --measure none",
    "profile FILE --measure none --memory --batch 2 --dtype float16 --format markdown",
    "profile FILE --measure none --as thop --format json",
    "scale FILE --phi 1.5 --measure none --strategy all",
    "scale FILE --phi -1 --measure none --format csv",
    "fit FILE --macs 20M",
    "grid FILE --phi 1 --step 0.1 --top 2",
    "compare FILE b0 --format markdown",
    "scale FILE --phi 0..2 --measure none --format markdown",
    "check FILE --format json",
)


class LostError(Exception):
    """An answer that is wrong or none."""


def drawn(seed: int, index: int) -> Random:
    """The numbers of one mutant, the same on every machine."""
    return Random(f"{seed}:{index}")  # noqa: S311 - mutants are no secret


def journey(seed: int, index: int, built: list[int] | None = None) -> str:
    """How far mutant number `index` came; anything but a fault of its own raises.

    Where `built` is given, a network that is small enough is built and measured as
    well, and its number noted there.
    """
    random = drawn(seed, index)
    text = mutant(random)
    try:
        spec = loads(text)
    except SpecError as error:
        if not error.faults or not all(each.line for each in error.faults):
            raise LostError(f"no place: {error}") from None
        _checked(text)
        return "refused"
    _checked(text)
    if index % PRINTED == 0:
        _printed(text, random.choice(ASKED))
    if spec.variants and random.random() < 0.5:
        try:
            spec = variant(spec, random.choice([*spec.variants]))
        except ScaleError:
            return "not scaled"
    cost = count(spec)
    _told(network(spec))
    if built is not None and _buildable(spec, cost):
        _measured(spec, cost)
        built.append(index)
    if not int(cost.macs):
        return "without MACs"
    phi = random.choice((-4.0, -2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 3.0, 4.0, 7.0))
    name = "compound"
    if not spec.detector:
        name = random.choice((*STRATEGIES, "d1_w8_g8_r1", "fast:0.5"))
    try:
        given = growth_of(spec).at_phi(phi, name)
        scaled = scale(spec, given)
    except ScaleError:
        return "not scaled"
    _written(spec, Variant(scaled, name, phi, given, 2.0**phi))
    uncovered(covering(spec), scaled)
    hint(spec, scaled)
    return _explained(spec, Variant(scaled, name, phi, given, 2.0**phi))


def _checked(text: str) -> None:
    source = Source.of("mutant.yaml", text)
    for finder in FINDERS:
        for fault in finder.findings(source):
            if not fault.line or "\n" in str(fault):
                raise LostError(f"no place, or several lines: {fault!r}")


def _printed(text: str, asked: str) -> None:
    """A command that gives an answer, or a fault that is the file's."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "mutant.yaml")
        path.write_text(text, encoding="utf-8")
        arguments = asked.replace("FILE", str(path)).split()
        done = CliRunner().invoke(main, arguments, prog_name="effscale")
    if done.exit_code not in {0, 1}:
        raise LostError(f"{asked}: exit {done.exit_code}: {done.output[-300:]!r}")


def _told(net: Network) -> None:
    """Figures that are told of a network beside its cost."""
    said = conventions(net)
    if set(said) != {*TOOLS} or min(said.values()) < 0:
        raise LostError(f"as other tools print it: {said}")
    found = memory(net)
    if found.peak > found.training_peak or min(found.peak, found.moved) < 1:
        raise LostError(f"bytes: {found}")


def _written(spec: Spec, variant: Variant) -> None:
    """What is written is read again, and is the same network."""
    try:
        text = resolved(spec, variant)
    except ScaleError as error:
        if "50,000 lines" in str(error):
            return
        raise
    again = loads(text)
    if count(again) != count(variant.spec):
        raise LostError("read again, it costs something else")
    same: dict[str, object] = {"expected": None, "variants": {}}
    if again.model_copy(update=same) != variant.spec.model_copy(update=same):
        raise LostError("read again, it is another spec")


def _explained(spec: Spec, variant: Variant) -> str:
    budget = Fraction(variant.target_ratio)
    ratio = Fraction(int(count(variant.spec).macs), int(count(spec).macs))
    try:
        factors = explain(spec, variant.multipliers, variant.target_ratio, variant.spec)
    except UnexplainedError:
        return "unexplained"
    if prod(each.value for each in factors) != ratio / budget:
        raise LostError("factors that do not multiply to the miss")
    return "explained"


def _buildable(spec: Spec, cost: Cost) -> bool:
    deep = sum(int(line.times or 1) for line in spec.stages)
    return int(cost.macs) < BUILT_MACS and deep < BUILT_REPEATS


def _measured(spec: Spec, cost: Cost) -> None:
    """What is built costs what is counted, by torch's own counter."""
    from effscale.module.measure import measure_spec

    found = measure_spec(spec, "torch")
    if (found.macs, found.params) != (cost.macs, cost.params):
        raise LostError(f"counted {cost}, measured {found}")
