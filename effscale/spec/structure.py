"""Faults of a spec whose every value is right: lines that do not fit each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from effscale.errors import Fault
from effscale.spec.lines import Block, Dense, Transition
from effscale.spec.neck_faults import faults_of_detector, faults_without_neck
from effscale.spec.sizes import least_sides, lines_of, too_small
from effscale.spec.steps import Activate, Conv, Normalise, Pool
from effscale.spec.walk import Map, Walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from effscale.errors import Place
    from effscale.spec.models import Spec


def fits_by_itself(spec: Spec) -> bool:
    """Whether its lines fit each other whatever their widths: blocks in a row."""
    return spec.neck is None and all(
        isinstance(line, Block | Dense | Transition | Pool | Normalise | Activate)
        or (isinstance(line, Conv) and line.groups == 1)
        for line in lines_of(spec)
    )


def faults(spec: Spec) -> Iterator[Fault]:
    """Lines that cannot follow the one before them, resolutions too small."""
    sizes: dict[Place, Any] = {("resolution",): spec.resolution}
    for name, variant in spec.variants.items():
        sizes["variants", name, "resolution"] = variant.resolution
        yield from _overrides(spec, name)
    sides = least_sides(spec)
    for place, resolution in sizes.items():
        for axis, message, least in too_small(spec, resolution, sides):
            yield Fault((*place, axis), message, "EFF203", instead=str(least))
    if too_small(spec, spec.resolution, sides):
        return
    walk = Walk(spec, stated=True)
    image = Map(int(spec.image_channels), *(int(side) for side in spec.resolution))
    here = walk.through(spec.stem, image, ("stem",))
    stages = walk.along(spec.stages, here, ("stages",))
    for place, lines in spec.head_lines.items():
        walk.through(lines, stages[-1], place)
    yield from walk.faults
    if spec.neck is None or spec.heads is None:
        yield from faults_without_neck(spec)
    else:
        yield from faults_of_detector(spec, spec.neck, spec.heads, stages)


def _overrides(spec: Spec, name: str) -> Iterator[Fault]:
    """A variant's own list of repeats has one for each stage that repeats."""
    given = spec.variants[name].repeats
    stages = [each for each in spec.stages if each.times is not None]
    if given is not None and len(given) != len(stages):
        message = f"expected {len(stages)}, one for each stage with repeats, got"
        yield Fault(("variants", name, "repeats"), f"{message} {len(given)}")
