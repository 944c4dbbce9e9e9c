"""A family as a file: a baseline, and networks that were made of it as its variants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.cost.count import count
from effscale.errors import ScaleError
from effscale.growth.scale import ROLES, numbers, scale, value
from effscale.growth.scale import variant as made
from effscale.spec.dumping import dumps
from effscale.spec.models import Budget, Expected, Spec
from effscale.spec.models import Variant as Stated
from effscale.spec.neck import HeadsChange, NeckChange
from effscale.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from effscale.errors import Fault
    from effscale.growth.growth import Variant
    from effscale.growth.multipliers import Multipliers

#: Rules on sides that no stride divides: what a search has chosen, it has chosen.
SIDES = {"EFF206", "EFF406"}


def written(
    baseline: Spec, variants: Sequence[Variant], budgets: Mapping[str, Budget]
) -> tuple[str, list[str]]:
    """YAML of the family, cheapest first, and the names that are not in it.

    Of networks that are the same, or the baseline, the first alone is. `budgets` are
    what variants are held to, by name; a network without one has the φ that it is of.

    Raises:
        ScaleError: if multipliers of depth and width and a resolution do not make one.
    """
    ordered = sorted(variants, key=lambda each: int(count(each.spec).macs))
    seen, stated, dropped = {_key(baseline)}, {}, []
    own: dict[str, object] = {"expected": _expected(baseline)}
    for each in ordered:
        if _key(each.spec) in seen:
            dropped.append(each.spec.name)
            if _key(each.spec) == _key(baseline):
                own["budget"] = budgets.get(each.spec.name)
            continue
        seen.add(_key(each.spec))
        stated[each.spec.name] = _stated(baseline, each, budgets.get(each.spec.name))
    family = baseline.model_copy(update={**own, "variants": stated})
    for each in ordered:
        if each.spec.name in stated and _key(made(family, each.spec.name)) != _key(
            each.spec
        ):
            message = "expected a network that depth, width and resolution make"
            raise ScaleError(f"{each.spec.name}: {message}, in a file of a family")
    comment = f"{baseline.name}, and a family of it by effscale {VERSION}"
    text = dumps(family, comment)
    if faults := _unread(text):
        why = f"as no command would read it: {faults[0].said}"
        raise ScaleError(f"{baseline.name}: cannot be written, {why}")
    return passing(text), dropped


def _key(spec: Spec) -> tuple[int, ...]:
    """What tells networks of one baseline apart."""
    return tuple(int(number) for number in (*numbers(spec, *ROLES), *spec.resolution))


def readable(baseline: Spec, variant: Variant) -> Multipliers:
    """A variant's multipliers as people write them, if these make the same network."""
    plain = variant.multipliers.plain
    same = _key(scale(baseline, plain)) == _key(variant.spec)
    return plain if same else variant.multipliers


def _expected(spec: Spec) -> Expected:
    cost = count(spec)
    return Expected(params=int(cost.params), macs=int(cost.macs))


def _stated(baseline: Spec, variant: Variant, budget: Budget | None) -> Stated:
    spec, given = variant.spec, readable(baseline, variant)
    phi = None if budget is not None or variant.phi is None else float(variant.phi)
    neck = heads = None
    if baseline.detector:
        neck = NeckChange(
            channels=int(value(spec, ("neck", "channels"))),
            repeats=int(value(spec, ("neck", "repeats"))),
        )
        heads = HeadsChange(repeats=int(value(spec, ("heads", "repeats"))))
    height, width = (int(side) for side in spec.resolution)
    return Stated(
        depth_multiplier=float(given.depth),
        width_multiplier=float(given.width),
        resolution=(height, width),
        neck=neck,
        heads=heads,
        phi=phi,
        expected=_expected(spec),
        budget=budget if budget is not None and budget.model_fields_set else None,
    )


def _unread(text: str) -> list[Fault]:
    """Why no command would read it: its faults, or that it takes too long to count."""
    # Only who writes a file waits for the rules.
    from effscale.checking.reading import TOO_LARGE
    from effscale.checking.run import check
    from effscale.checking.source import Source

    source = Source.of("<text>", text)
    return [*source.faults, *check(source, {TOO_LARGE.code})]


def passing(text: str) -> str:
    """The text of a spec in order, its odd sides excused where a check would warn."""
    # Only who writes a file waits for the rules.
    from effscale.checking.run import check
    from effscale.checking.source import Source

    unordered = check(Source.of("<text>", text), {"EFF110"})
    edits = [edit for each in unordered for edit in each.edits]
    for edit in sorted(edits, key=lambda each: -each.start):
        text = text[: edit.start] + edit.text + text[edit.end :]
    found = check(Source.of("<text>", text), SIDES)
    lines = text.splitlines()
    for line in {each.line: each for each in found}:
        codes = sorted({each.code for each in found if each.line == line})
        lines[line - 1] += f"  # effscale: ignore[{','.join(codes)}] as it was searched"
    return "\n".join([*lines, ""])
