"""Tests of `effscale.cli.types`: what names a network, or a family of them."""

from __future__ import annotations

import click
import pytest

from effscale.cli.types import FAMILY, SpecReference
from effscale.spec.builtin import families


def completed(start: str) -> list[tuple[str, str]]:
    context = click.Context(click.Command("c"))
    argument = click.Argument(["spec"])
    found = SpecReference().shell_complete(context, argument, start)
    return [(each.value, each.type) for each in found]


def test_specs_complete_to_built_in_names_and_files() -> None:
    assert completed("b1") == [("b1", "plain"), ("b1", "file")]
    assert ("b7", "plain") in completed("b")
    assert completed("specs/b") == [("specs/b", "file")]


def test_a_family_is_one_of_those_built_in() -> None:
    assert FAMILY.convert("resnet", None, None) == "resnet"
    with pytest.raises(click.BadParameter) as caught:
        FAMILY.convert("tinyet", None, None)
    listed = ", ".join(families())
    expected = f"expected one of {listed}, got 'tinyet'; did you mean 'tinynet'?"
    assert caught.value.message == expected


def test_families_complete() -> None:
    context = click.Context(click.Command("c"))
    argument = click.Argument(["families"])
    found = FAMILY.shell_complete(context, argument, "efficientnet-")
    assert [each.value for each in found] == ["efficientnet-lite"]
