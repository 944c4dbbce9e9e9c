"""Compound scaling calculator and FLOPS profiler for convolutional networks.

    import effscale as es
    spec = es.load("b0")                        # a built-in name, or a path
    wider = es.scale(spec, es.compound(phi=4))  # Spec -> Spec
    es.count(wider).macs                        # an exact int, without torch
    net = es.build(wider)                       # a torch module, ready to train
    es.measure(net, wider.resolution).macs      # the same int, by fvcore
    print(es.dumps(wider))                      # YAML, loads back equal

Names are imported when they are first used, so that what needs no torch loads none.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from effscale.version import VERSION as __version__  # noqa: N811 - its usual name

if TYPE_CHECKING:
    from effscale.cost.count import Cost, count, counts
    from effscale.errors import EffscaleError, SpecError
    from effscale.growth.growth import at_phi
    from effscale.growth.multipliers import Multipliers, compound, strategy
    from effscale.growth.scale import load, scale, variant
    from effscale.importing.network import from_module
    from effscale.module.anchors import anchors
    from effscale.module.build import Detections, build
    from effscale.module.decode import Decoded, decode
    from effscale.module.formulas import teach
    from effscale.module.mapping import load_weights, mapping
    from effscale.module.measure import Measurement, measure
    from effscale.report.answers import Answer, check, compare, fit, grid, profile
    from effscale.search.explain import explain
    from effscale.spec.dumping import dumps
    from effscale.spec.loading import loads
    from effscale.spec.models import Coefficients, Spec

_HOMES = {
    "Answer": "report.answers",
    "Coefficients": "spec.models",
    "Cost": "cost.count",
    "Decoded": "module.decode",
    "Detections": "module.build",
    "EffscaleError": "errors",
    "Measurement": "module.measure",
    "Multipliers": "growth.multipliers",
    "Spec": "spec.models",
    "SpecError": "errors",
    "anchors": "module.anchors",
    "at_phi": "growth.growth",
    "build": "module.build",
    "check": "report.answers",
    "compare": "report.answers",
    "compound": "growth.multipliers",
    "count": "cost.count",
    "counts": "cost.count",
    "decode": "module.decode",
    "dumps": "spec.dumping",
    "explain": "search.explain",
    "fit": "report.answers",
    "from_module": "importing.network",
    "grid": "report.answers",
    "load": "growth.scale",
    "load_weights": "module.mapping",
    "loads": "spec.loading",
    "mapping": "module.mapping",
    "measure": "module.measure",
    "profile": "report.answers",
    "scale": "growth.scale",
    "strategy": "growth.multipliers",
    "teach": "module.formulas",
    "variant": "growth.scale",
}

__all__ = [
    "Answer",
    "Coefficients",
    "Cost",
    "Decoded",
    "Detections",
    "EffscaleError",
    "Measurement",
    "Multipliers",
    "Spec",
    "SpecError",
    "__version__",
    "anchors",
    "at_phi",
    "build",
    "check",
    "compare",
    "compound",
    "count",
    "counts",
    "decode",
    "dumps",
    "explain",
    "fit",
    "from_module",
    "grid",
    "load",
    "load_weights",
    "loads",
    "mapping",
    "measure",
    "profile",
    "scale",
    "strategy",
    "teach",
    "variant",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any of the names above
    if name not in _HOMES:
        raise AttributeError(f"module 'effscale' has no attribute {name!r}")
    return getattr(import_module(f"effscale.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
