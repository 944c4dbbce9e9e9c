"""What `effscale` offers in Python says what it is, and what it raises."""

from __future__ import annotations

import ast
import inspect
from typing import TYPE_CHECKING, assert_type

import pytest

import effscale as es

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

PUBLIC = [name for name in es.__all__ if not name.startswith("__")]


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_has_a_docstring(name: str) -> None:
    found = getattr(es, name)
    assert inspect.getdoc(found)
    if inspect.isfunction(found):
        signature = inspect.signature(found)
        assert signature.return_annotation is not signature.empty


@pytest.mark.parametrize(
    "name", [name for name in PUBLIC if inspect.isfunction(getattr(es, name))]
)
def test_a_public_function_says_what_it_raises(name: str) -> None:
    """Whatever it raises itself; what it calls may raise more."""
    function = getattr(es, name)
    tree = ast.parse(inspect.getsource(function))
    raised = {
        each.exc.func.id
        for each in ast.walk(tree)
        if isinstance(each, ast.Raise)
        and isinstance(each.exc, ast.Call)
        and isinstance(each.exc.func, ast.Name)
    }
    said = inspect.getdoc(function) or ""
    assert not raised or "Raises:" in said
    assert all(error in said for error in raised)


def test_one_network_costs_ints_and_many_cost_arrays() -> None:
    """As mypy reads it, too, which runs over this file."""
    import numpy as np

    b0 = es.load("b0")
    assert_type(es.count(b0), es.Cost[int])
    macs: int = es.count(b0).macs
    widths = es.Multipliers(width=np.array([1.0, 1.5]))
    together = es.counts(es.scale(b0, widths)).macs
    assert (together[0], together.shape) == (macs, (2,))
    build: Callable[[es.Spec], nn.Module] = es.build
    assert callable(build)
