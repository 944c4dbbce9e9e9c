"""Scaling, Spec to Spec: the output is again a legal input."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from effscale.errors import ScaleError
from effscale.scaling.multipliers import Multipliers
from effscale.scaling.rounding import Rules
from effscale.spec import builtin
from effscale.spec.structure import too_small

if TYPE_CHECKING:
    from pathlib import Path

    from effscale.arrays import Int, Real
    from effscale.spec.models import Spec


def scale(spec: Spec, multipliers: Multipliers, *, rules: Rules | None = None) -> Spec:
    """`spec` deeper, wider and at a higher resolution, rounded by its own rules.

    Stem and head widths scale too; classes and image channels do not. Dropout and
    stochastic depth stay. Figures and variants speak of the baseline and are left out.
    Arrays of multipliers give a spec of arrays. Multipliers of 1 give `spec` itself.

    Raises:
        ScaleError: if a number leaves its range, or the image becomes too small.
    """
    if multipliers.is_identity:
        return spec
    rules = rules or Rules.of(spec.rounding)
    d, w, r = multipliers.depth, multipliers.width, multipliers.resolution

    def wider(layer: Any) -> dict[str, Int]:  # noqa: ANN401 - stem, stage or head
        return {"channels": rules.channels(layer.channels, w)}

    stages = tuple(
        stage.model_copy(
            update={
                **wider(stage),
                "c_in": None,
                "repeats": rules.repeats(stage.repeats, d),
            }
        )
        for stage in spec.stages
    )
    update = {
        "stem": spec.stem.model_copy(update=wider(spec.stem)),
        "stages": stages,
        "head": spec.head.model_copy(update=wider(spec.head)),
    }
    height, width = spec.resolution
    resolution = rules.resolution(height, r), rules.resolution(width, r)
    return at_resolution(spec.model_copy(update=update), resolution)


def at_resolution(spec: Spec, resolution: tuple[Int, Int]) -> Spec:
    """`spec` for images of (height, width) pixels, without its figures and variants.

    Raises:
        ScaleError: if a side is below the network's total stride.
    """
    for side in resolution:
        on_paper = isinstance(side, Fraction)
        if not on_paper and (fault := too_small(side, spec.total_stride)):
            raise ScaleError(f"resolution: {fault}")
    return _changed(spec, resolution=resolution)


def leaves_an_image(spec: Spec, resolution_multiplier: Real) -> Any:  # noqa: ANN401
    """Whether the rounded image is as large as the network's total stride asks for."""
    rule, least = Rules.of(spec.rounding).resolution, spec.total_stride
    height, width = (rule(side, resolution_multiplier) for side in spec.resolution)
    return (height >= least) & (width >= least)


def with_classes(spec: Spec, classes: int) -> Spec:
    """`spec` with another number of classes, without its figures and variants."""
    return _changed(spec, head=spec.head.model_copy(update={"classes": classes}))


def _changed(spec: Spec, **update: object) -> Spec:
    """A copy that is another network, of which the file's figures say nothing."""
    figures: dict[str, object] = {"expected": None, "published": None, "variants": {}}
    return spec.model_copy(update={**figures, **update})


def variant(spec: Spec, name: str) -> Spec:
    """The published variant `name` of `spec`: its multipliers, resolution, dropout."""
    given = spec.variants[name]
    multipliers = Multipliers(given.depth_multiplier, given.width_multiplier)
    scaled = scale(spec, multipliers)
    dropout = spec.head.dropout if given.dropout is None else given.dropout
    head = scaled.head.model_copy(update={"dropout": dropout})
    figures = {"expected": given.expected, "published": given.published}
    resized = at_resolution(scaled, given.resolution)
    return resized.model_copy(update={"name": name, "head": head, **figures})


def load(reference: str | Path) -> Spec:
    """The spec that `reference` names: `b0`, `b4`, `my.yaml`, `my.yaml@large`, `-`.

    Raises:
        SpecError: with each thing that is wrong, in the order of the file.
    """
    spec, name = builtin.find(str(reference))
    return variant(spec, name) if name else spec
