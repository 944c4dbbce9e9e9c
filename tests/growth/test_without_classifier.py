"""A network without the layer that makes classes."""

from __future__ import annotations

import pytest

import effscale as es
from effscale.errors import ScaleError
from effscale.growth.scale import without_classifier


def test_what_is_left_has_none_of_its_params(b0: es.Spec) -> None:
    bare = without_classifier(b0)
    classifier = 1280 * 1000 + 1000
    assert es.count(bare).params == es.count(b0).params - classifier
    assert es.count(bare).macs == es.count(b0).macs - 1280 * 1000
    assert bare.published is not None
    assert (bare.published.top1, bare.published.params) == (77.1, None)
    assert bare.variants == {}


def test_a_network_that_has_none_is_refused(b0: es.Spec) -> None:
    with pytest.raises(ScaleError, match="expected a linear classifier, got none"):
        without_classifier(without_classifier(b0))
    with pytest.raises(ScaleError, match="d0: expected a linear classifier, got none"):
        without_classifier(es.load("d0"))
