"""Tests of `effscale.cli.options`: options that a command gets as objects."""

from __future__ import annotations

from dataclasses import dataclass

import click
from click.testing import CliRunner

from effscale.cli import options


@dataclass(frozen=True)
class Box:
    """Some sides."""

    width: int
    height: int
    depth: int = 3


def volume(*, width: int, height: int) -> int:
    """Of a box as deep as high; it has none if it is as high as 9."""
    if height == 9:
        raise click.UsageError("too high")
    return width * height**2


@click.command()
@options.every(
    click.option("--width", type=int, default=1),
    click.option("--height", type=int, default=2),
)
@click.option("--name", default="box")
@options.gathered(volume=volume, box=Box)
def command(*, name: str, width: int, volume: int, box: Box) -> None:
    """Show what it gets."""
    click.echo(f"{name} {width} {volume} {box}")


def test_options_are_handed_on_as_what_is_made_of_them() -> None:
    result = CliRunner().invoke(command, ["--width", "5"])
    assert result.output == "box 5 20 Box(width=5, height=2, depth=3)\n"


def test_who_makes_an_object_may_refuse_its_options() -> None:
    result = CliRunner().invoke(command, ["--height", "9"])
    assert (result.exit_code, result.output.splitlines()[-1]) == (2, "Error: too high")


def test_options_stand_in_the_order_of_the_code() -> None:
    assert [each.name for each in command.params] == ["width", "height", "name"]
