"""How a network grows by φ: a classifier by coefficients, a detector by its own law.

EfficientDet's (Tan, Pang & Le 2020, arXiv:1911.09070, equations 1 to 3): backbone Bφ,
the neck's channels 64·1.35^φ and repeats 3 + φ, the heads' repeats 3 + ⌊φ/3⌋, sides of
512 + 128·φ pixels. The published detectors leave it here and there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from effscale.arrays import is_array, maximum, where
from effscale.errors import ScaleError
from effscale.growth.multipliers import SINGLE, Multipliers, check_phi, strategy
from effscale.spec.neck import Scaling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.arrays import Real
    from effscale.spec.models import Coefficients, Spec

#: A detector's strategies: the whole law, or one dimension of it.
DETECTOR = (
    *("compound", "backbone", "resolution"),
    *("neck_width", "neck_depth", "head_depth"),
)


def at_phi(spec: Spec, phi: Real, name: str = "compound") -> Multipliers:
    """The multipliers by which strategy `name` scales `spec` to φ.

    Raises:
        ScaleError: if φ is beyond all networks, or `spec` knows no such strategy.
    """
    if spec.neck is None or spec.heads is None:
        return strategy(name, phi, spec.coefficients)
    check_phi(phi)
    if name not in DETECTOR:
        listed = ", ".join(DETECTOR)
        raise ScaleError(f"strategy: expected one of {listed}, got {name!r}")
    law = spec.scaling or Scaling()
    depth, width = _backbone(law, spec.coefficients, phi)
    neck, heads = spec.neck.repeats, spec.heads.repeats
    side = spec.resolution[0]
    more = phi // law.heads_every if law.heads_every else 0
    whole = {
        "depth": depth,
        "width": width,
        "resolution": maximum(1, side + law.resolution * phi) / side,
        "neck_width": law.channels**phi,
        "neck_depth": maximum(1, neck + law.repeats * phi) / neck,
        "head_depth": maximum(1, heads + more) / heads,
    }
    followed = {"backbone": ("depth", "width")}.get(name, (name,))
    kept = {
        each: whole[each] for each in whole if name == "compound" or each in followed
    }
    return Multipliers(**kept)


def strategies_of(spec: Spec) -> Sequence[str]:
    """What `all` stands for: the paper's four, or a detector's dimensions too."""
    return SINGLE if spec.neck is None else DETECTOR


def _backbone(law: Scaling, given: Coefficients, phi: Real) -> tuple[Real, Real]:
    """Depth and width multipliers of the backbone at φ.

    Those of the list at whole numbers, in proportion between them, and beyond its ends
    growing by the coefficients.
    """
    listed = list(law.backbones.values())
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


def backbone_called(spec: Spec, multipliers: Multipliers) -> str | None:
    """The listed backbone that a detector has at these multipliers, if it is one."""
    asked = multipliers.depth, multipliers.width
    if any(map(is_array, asked)):
        return None
    listed = {} if spec.scaling is None else spec.scaling.backbones
    for name, each in listed.items():
        if asked == (each.depth_multiplier, each.width_multiplier):
            return name
    return spec.backbone if asked == (1, 1) else None
