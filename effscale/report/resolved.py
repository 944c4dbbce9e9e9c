"""A scaled network as a spec of its own, which says where it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.cost.count import count
from effscale.spec.dumping import dumps
from effscale.spec.models import Expected
from effscale.version import VERSION

if TYPE_CHECKING:
    from effscale.scaling.family import Variant
    from effscale.spec.models import Spec


def resolved(baseline: Spec, variant: Variant) -> str:
    """YAML of the scaled spec, with its multipliers in a comment and exact figures."""
    cost, m, c = count(variant.spec), variant.multipliers, baseline.coefficients
    expected = Expected(params=int(cost.params), macs=int(cost.macs))
    spec = variant.spec.model_copy(update={"expected": expected, "variants": {}})
    how = variant.strategy
    how += "" if variant.phi is None else f", phi {variant.phi:g}"
    if how.startswith("compound") and baseline.neck is None:
        how += f", alpha {c.alpha:g}, beta {c.beta:g}, gamma {c.gamma:g}"
    given = [f"{name}_multiplier {value!r}" for name, value in m.given.items()]
    comment = (
        f"{variant.spec.name}: {baseline.name} scaled by effscale {VERSION}\n"
        f"{how}\n"
        f"{', '.join(given)}"
    )
    return dumps(spec, comment)
