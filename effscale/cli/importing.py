"""`effscale import`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from effscale.choices import SPECS
from effscale.cli import options
from effscale.cli.code import aside
from effscale.cli.help import OUTPUT, Command, titled
from effscale.cli.options import Request
from effscale.cli.types import Parsed, Target, argument, entering
from effscale.errors import TranslationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from effscale.importing.network import Imported
    from effscale.module.inputs import Asked


@click.command("import", cls=Command)
@click.argument("module")
@titled("Module")
@click.option(
    "--arg",
    "arguments",
    type=Parsed("KEY=VALUE", argument),
    multiple=True,
    help="Argument for the module's constructor: a Python literal, or text.",
)
@click.option(
    "--input",
    "inputs",
    type=Parsed("[NAME=]SIDES[:TYPE]", entering),
    multiple=True,
    help="The image that goes in, 1x3x224x224; image=1x3x64x64 goes in by that name.",
)
@click.option("--name", help="Name of the spec.  [default: the callable's name]")
@titled(OUTPUT)
@click.option(
    "--output",
    type=Target(),
    help="The YAML file; its weights' names go beside it, my.weights.json for my.yaml.",
)
@options.force_option
@click.option(
    "--unproven",
    is_flag=True,
    help="Write the spec even if it is not proved to be the same network; the file "
    "says so.",
)
@options.format_option("what was proved")
@click.option("-q", "--quiet", is_flag=True, help="No notes.")
@options.gathered(request=Request)
def command(  # noqa: PLR0913 - options
    *,
    module: str,
    arguments: Sequence[tuple[str, str]],
    inputs: Sequence[Asked],
    name: str | None,
    unproven: bool,
    output: Path | None,
    request: Request,
) -> None:
    """Write a network of other code as a spec, and prove that it is the same.

    \b
      effscale import timm:resnet50 --output my.yaml
      effscale import my_pkg.nets:make_net --arg width=2 --input 1x3x64x64
      effscale import torchvision.models:mobilenet_v2 | effscale scale - --phi 1
      effscale import RegNetY-800MF_dds_8gpu.yaml --output my.yaml

    MODULE:CALLABLE is imported, from the current folder as well, and called (timm:NAME
    is a model of timm); a .pt2 file of torch.export is loaded; a .yaml file of pycls or
    ultralytics (yolov8.yaml@s) is read. A module is traced once, without computing. Its
    operators become lines, some of them the blocks that papers name (mbconv,
    bottleneck, dense), others blocks of the file's own; equal ones in a row are one
    line with repeats. What no spec says is refused by its place.

    The spec is proved before it is written: params, MACs and activations are those of
    the module to the last integer, by count and by both engines, and with the module's
    own weights its network puts out the same, in double precision. Without --output the
    file is printed.
    """
    mapped = None if output is None else output.with_suffix(options.NAMES)
    request.refuse_existing(mapped, "--output")
    from effscale.importing import network
    from effscale.module import any_module
    from effscale.module.inputs import given
    from effscale.report import importing

    if module.partition("@")[0].endswith(SPECS):
        options.refuse(
            {"--arg": arguments, "--input": inputs}, "is for code, not a file"
        )
        made = network.of_file(module, name=name)
    else:
        with aside():
            found = any_module.load(module, dict(arguments))
            placed, named = given(found.module, inputs)
            made = network.imported(found, placed, named, name=name)
    if not (made.proof.holds or unproven):
        raise TranslationError(_unproved(module, made))
    text = importing.text(made, module)
    answer = importing.report(made, module, output, mapped)
    if output is None or mapped is None:
        request.write(text)
        for line in answer.notes:
            options.note(line, quiet=request.quiet)
        return
    options.write(output, text, quiet=request.quiet)
    if made.mapping:
        options.write(mapped, importing.weights(made, module), quiet=request.quiet)
    request.deliver(answer, to_file=False)


def _unproved(module: str, made: Imported) -> str:
    """Each thing that is wrong, and how to have the file nevertheless."""
    lines = [f"{module}: not proved: {each}" for each in made.proof.faults]
    return "\n".join([*lines, "--unproven writes it, marked as that"])
