"""Tests of `effscale.report.family`: networks of a family as a file."""

from __future__ import annotations

import effscale as es
from effscale.growth.growth import Variant
from effscale.report.family import readable, written


def of(spec: es.Spec, given: es.Multipliers, phi: float | None = None) -> Variant:
    made = es.scale(spec, given).model_copy(update={"name": "made"})
    return Variant(made, "compound", phi, given, 4.0)


def test_multipliers_are_written_as_people_write_them() -> None:
    b0 = es.load("b0")
    made = of(b0, es.compound(phi=2), 2.0)
    assert repr(made.multipliers.width) == "1.2100000000000002"
    text, _ = written(b0, [made], {})
    assert "width_multiplier: 1.21\n" in text
    assert es.count(es.variant(es.loads(text), "made")) == es.count(made.spec)


def test_but_not_where_they_would_make_another_network() -> None:
    b0, given = es.load("b0"), es.Multipliers(width=1.18749999999996)
    assert readable(b0, of(b0, given)) == given  # 19 channels are not 16, but 24
