"""Growth of detectors: EfficientDet's law, and the words in which it is told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

from effscale.arrays import every, is_array, maximum, where
from effscale.choices import MAX_PHI
from effscale.errors import ScaleError
from effscale.growth.growth import Axis, Classifier, Factor, Growth, Reason
from effscale.growth.multipliers import BY_LAW, Multipliers, check_phi
from effscale.growth.scale import stated, value, variant
from effscale.spec.neck import Heads, Neck, Scaling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.arrays import Real
    from effscale.growth.growth import Interval, Macs, Variant
    from effscale.spec.models import Spec

CHANNELS = ("neck", "channels")
REPEATS = ("neck", "repeats")
HEADS = ("heads", "repeats")


@dataclass(frozen=True)
class Detector(Growth):
    """EfficientDet's law (Tan, Pang & Le 2020, arXiv:1911.09070, equations 1 to 3).

    Backbone Bφ, the neck's channels 64·1.35^φ and repeats 3 + φ, the heads' repeats
    3 + ⌊φ/3⌋, sides of 512 + 128·φ pixels. The published detectors leave it here and
    there. Its grid varies the one coefficient that the paper searched for: "a grid
    search on a list of values {1.2, 1.25, 1.3, 1.35, 1.4, 1.45}" (section 4.2).
    """

    neck: Neck
    heads: Heads

    strategies = BY_LAW
    columns = ("backbone", "neck_channels", "neck_repeats", "head_repeats")
    reasons: ClassVar = {
        "target": Reason(
            "1/target",
            "1 / target ratio: where the other factors multiply to the target, the "
            "deviation is 0",
        ),
        "backbone": Reason("backbone", "of the baseline's depth and width"),
        "resolution": Reason("resolution", "pixels, each side a multiple"),
        "neck channels": Reason(
            "neck channels", "of neck and heads, a multiple of the divisor"
        ),
        "neck repeats": Reason("neck repeats", "layers of the feature network"),
        "head repeats": Reason("head repeats", "layers of the class and the box head"),
        "levels": Reason("levels", "feature maps by level"),
    }
    of_deviation = False
    dimensions: ClassVar = {
        "backbone": [(each,) for each in ("backbone", "stem", "stages", "blocks")],
        "resolution": [("resolution",)],
        "neck channels": [CHANNELS],
        "neck repeats": [REPEATS],
        "head repeats": [HEADS],
        "levels": [("neck", "levels")],
        "fusion": [("neck", "fusion")],
        "anchor scale": [("heads", "anchors", "scale")],
    }
    kept = "neck and heads as they are"
    #: At each whole φ the law has its own backbone, and rules that round up meet those
    #: that round down.
    special = tuple(map(float, range(-int(MAX_PHI), int(MAX_PHI) + 1)))

    axes = (Axis("neck_growth", "growth", "neck_width", "neck-width"),)
    points = "growths of the neck"
    meets_target = False
    options = ("neck-width",)
    refusal = "{options}: of classifiers alone; a detector's grid varies --neck-width"
    candidate = (
        *("alpha", "beta", "gamma", "product", "neck_growth"),
        *Classifier.columns,
        *("neck_width_multiplier", "resolution", "channels"),
        *("params", "macs", "activations", "products"),
        *("macs_ratio", "target_ratio", "deviation", "rms_error"),
        *("grid_points", "pareto", "own_coefficients", "measured", "agrees"),
    )
    #: Params and activations rise together with the neck's channels.
    unsaid = ("alpha", "beta", "gamma", "product", "pareto")
    ties = ("neck_growth",)
    marks = "★ the spec's own growth"

    @property
    def scaling(self) -> Scaling:
        """The law's numbers: the file's, or the paper's."""
        return self.spec.scaling or Scaling()

    def at_phi(self, phi: Real, name: str = "compound") -> Multipliers:
        """The whole law, or one dimension of it."""
        check_phi(phi)
        if name not in self.strategies:
            listed = ", ".join(self.strategies)
            expected = f"expected one of {listed} for {self.spec.name}, a detector"
            raise ScaleError(f"strategy: {expected}, got {name!r}")
        law, sides = self.scaling, self.spec.resolution
        depth, width = self._backbone(phi)
        neck, heads = self.neck.repeats, self.heads.repeats
        more = phi // law.heads_every if law.heads_every else 0
        whole = {
            "depth": depth,
            "width": width,
            **_by_side(sides, [maximum(1, s + law.resolution * phi) for s in sides]),
            "neck_width": law.channels**phi,
            "neck_depth": maximum(1, neck + law.repeats * phi) / neck,
            "head_depth": maximum(1, heads + more) / heads,
        }
        if name == "compound":
            return Multipliers(**whole)
        of_several = {
            "backbone": ("depth", "width"),
            "resolution": ("resolution", "image_width"),
        }
        followed = of_several.get(name, (name,))
        return Multipliers(**{each: whole[each] for each in followed if each in whole})

    def _backbone(self, phi: Real) -> tuple[Real, Real]:
        """Depth and width multipliers of the backbone at φ.

        Those of the list at whole numbers, in proportion between them, and beyond its
        ends growing by the coefficients.
        """
        listed, given = list(self.scaling.backbones.values()), self.spec.coefficients
        if not listed:
            return given.alpha**phi, given.beta**phi
        last = len(listed) - 1
        depths = [each.depth_multiplier for each in listed]
        widths = [each.width_multiplier for each in listed]
        beyond = where(phi > last, phi - last, where(phi < 0, phi, 0))
        return (
            _between(depths, phi) * given.alpha**beyond,
            _between(widths, phi) * given.beta**beyond,
        )

    def width_beside(self, height: Any) -> Any:  # noqa: ANN401 - a number, or an array
        """As the law has it: both sides grow by the same number of pixels."""
        before, width = self.spec.resolution
        if not self.scaling.resolution:
            return super().width_beside(height)
        return maximum(1, height + (width - before))

    @property
    def law(self) -> tuple[str, str]:
        """Each dimension's rule, those that do not grow as they are."""
        law = self.scaling
        names = list(law.backbones)
        backbone = f"{names[0]} … {names[-1]}" if names else "α^φ, β^φ"
        every = f" + ⌊φ/{law.heads_every}⌋" if law.heads_every else ""
        sides = dict.fromkeys(self.spec.resolution)
        each = ", each side" if len(sides) > 1 and law.resolution else ""
        wider = f"·{law.channels:g}^φ" if law.channels != 1 else ""
        deeper = f" + {law.repeats:g}·φ" if law.repeats else ""
        larger = f" + {law.resolution}·φ" if law.resolution else ""
        words = [
            f"backbone {backbone}",
            f"neck channels {self.neck.channels}{wider}",
            f"neck repeats {self.neck.repeats}{deeper}",
            f"head repeats {self.heads.repeats}{every}",
            f"{'×'.join(map(str, sides))}{larger} px{each}",
        ]
        return "scaling rule", "; ".join(words)

    def factors(
        self,
        given: Multipliers,  # noqa: ARG002 - `scaled` says it all
        scaled: Spec,
        target: float,
        macs: Macs,
    ) -> list[Factor]:
        """Each is MACs with one more dimension grown, over those before."""
        found = {each.dimension: each.factor for each in self.steps(scaled, macs)}
        found["target"] = 1 / Fraction(target)
        return [
            Factor(name, found.get(name, Fraction(1)), reason.text)
            for name, reason in self.reasons.items()
        ]

    def told(self, variant: Variant) -> dict[str, Any]:
        """Multipliers and numbers of neck and heads, and the backbone's name."""
        spec, given = variant.spec, variant.multipliers
        names = ("neck_width", "neck_depth", "head_depth", "image_width")
        return {
            **{f"{name}_multiplier": float(given.factor(name)) for name in names},
            "backbone": spec.backbone,
            "neck_channels": int(value(spec, CHANNELS)),
            "neck_repeats": int(value(spec, REPEATS)),
            "head_repeats": int(value(spec, HEADS)),
            "levels": list(value(spec, ("neck", "levels"))),
        }

    def unrounded(self, given: Multipliers) -> dict[str, Any]:
        """Sides, and the numbers of neck and heads."""
        height, width = self.spec.resolution
        factors = given.resolution, given.factor("image_width")
        return {
            "resolution": [float(factors[0] * height), float(factors[1] * width)],
            "neck channels": float(given.factor("neck_width") * self.neck.channels),
            "neck repeats": float(given.factor("neck_depth") * self.neck.repeats),
            "head repeats": float(given.factor("head_depth") * self.heads.repeats),
        }

    def published(self, phi: float) -> dict[str, Multipliers]:
        """Those that are meant for φ, by the multipliers that their numbers are."""
        variants = self.spec.variants.items()
        return {name: self.made(name) for name, given in variants if given.phi == phi}

    def made(self, name: str) -> Multipliers:
        """The multipliers that make a published detector of its baseline."""
        spec, given = variant(self.spec, name), self.spec.variants[name]
        return replace(
            stated(self.spec, given),
            **_by_side(self.spec.resolution, spec.resolution),
            neck_width=value(spec, CHANNELS) / self.neck.channels,
            neck_depth=value(spec, REPEATS) / self.neck.repeats,
            head_depth=value(spec, HEADS) / self.heads.repeats,
        )

    @property
    def own(self) -> Sequence[float]:
        return (self.scaling.channels,)

    def ranges(self, target: float) -> Sequence[Interval]:  # noqa: ARG002
        """The paper's list: 1.2, 1.25 … 1.45."""
        return [(Decimal("1.2"), Decimal("1.45"))]

    def at(self, points: Sequence[Real], phi: float) -> Multipliers:
        """The law's, but for the neck's channels; arrays by Python's powers too."""
        growth: Any = points[0]
        exact = growth.astype(object) if is_array(growth) else growth
        return replace(self.at_phi(phi), neck_width=exact**phi)

    def numbers(self, scaled: Spec) -> Sequence[Any]:
        return (value(scaled, CHANNELS),)


def _by_side(before: Sequence[Any], after: Sequence[Any]) -> dict[str, Any]:
    """The multipliers of height and width; the width's where the two may part."""
    height, width = (new / old for old, new in zip(before, after, strict=True))
    square = before[0] == before[1] and every(after[0] == after[1])
    return {"resolution": height} | ({} if square else {"image_width": width})


def _between(values: Sequence[float], phi: Any) -> Any:  # noqa: ANN401
    """The value with number φ, in proportion to its neighbours between two of them."""
    if is_array(phi):
        import numpy as np

        return np.interp(phi, np.arange(len(values)), values)
    at = min(max(phi, 0), len(values) - 1)
    low = min(int(at), len(values) - 2)
    if low < 0:
        return values[0]
    return (values[low + 1] - values[low]) * (at - low) + values[low]
