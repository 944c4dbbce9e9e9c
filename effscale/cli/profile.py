"""`effscale profile`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from effscale.cli import foreign, latency, options, proof, sizing, timing

#: `effscale.cost.conventions.TOOLS`, which would have to be loaded for --help.
TOOLS = ("paper", "fvcore", "torch", "torchinfo", "ptflops", "thop", "calflops")

if TYPE_CHECKING:
    from pathlib import Path

    from effscale.cli.timing import Timed
    from effscale.cost.conventions import Tool
    from effscale.report.document import Units
    from effscale.report.profile import By


@click.command("profile")
@options.spec_argument()
@click.option(
    "--by",
    type=click.Choice(["part", "layer", "operator", "level"]),
    default="part",
    show_default=True,
    help="A row for each stage, each layer, each kind of layer, or each level of a "
    "detector.",
)
@click.option(
    "--as",
    "tool",
    type=click.Choice(TOOLS),
    help="Restate the cost as that tool prints it, in a column and in a sum.",
)
@foreign.module_options
@options.network_options
@options.measure_option()
@sizing.memory_options
@timing.timing_options()
@options.plot_option("the cost by part and the feature maps")
@options.output_options
@options.verbosity
def command(  # noqa: PLR0913 - options
    *,
    spec: str,
    by: By,
    tool: Tool | None,
    depth: int,
    arguments: list[tuple[str, str]],
    inputs: list[tuple[tuple[int, ...], str | None]],
    resolution: tuple[int, int] | None,
    classes: int | None,
    engine: str,
    memory: bool,
    balance: float | None,
    batch: list[int],
    dtype: list[str],
    timed: Timed | None,
    plot: Path | None,
    form: str | None,
    output: Path | None,
    force: bool,
    units: Units,
    quiet: bool,
    verbose: bool,
) -> None:
    """Show where the cost of SPEC is.

    SPEC is a file (my.yaml, my.yaml@variant), - for standard input, or a built-in name
    (see effscale specs). The figures are counted by arithmetic; the same network is
    built and measured beside them; exits 1 if the two differ. Where the file expects
    other figures of itself, that is noted, and effscale check fails.

    SPEC may be a module, too: MODULE:CALLABLE is imported, from the current folder as
    well, and called (timm:NAME is a model of timm); a .pt2 file of torch.export or a
    TorchScript file (.pt, .pth, .ts, .torchscript) is loaded. It is counted by fvcore
    and by torch, side by side, by its tree of modules; exits 1 if one of them missed
    something that multiplies, or the two differ. What has a slash or ends in .yaml
    behind a colon is git's: HEAD~1:specs/b0.yaml.

    \b
      effscale profile b4
      effscale profile b0 --resolution 480x640 --classes 10
      effscale profile my.yaml --by layer --measure none --format csv
      effscale profile b0 --as thop
      effscale profile b4 --memory --batch 32 --dtype bfloat16
      effscale profile torchvision.models:resnet50 --arg num_classes=10
      effscale profile my_pkg.nets:make_net --input 1x3x64x64 --input 1x8:int64
    """
    if foreign.is_module(spec):
        foreign.show(
            spec,
            arguments=arguments,
            inputs=inputs,
            resolution=resolution,
            engine=engine,
            by=by,
            depth=depth,
            tool=tool,
            timed=timed,
            units=units,
            form=form,
            output=output,
            force=force,
            quiet=quiet,
        )
        return
    from effscale.cost.count import count
    from effscale.report import profile

    sizing.refuse_unused(
        memory=memory,
        balance=balance,
        timed=timed is not None,
        batch=batch,
        dtype=dtype,
    )
    options.unused(output, force=force)
    picture = options.drawable(plot, force=force)
    network = options.read(spec, resolution, classes)
    cost = count(network)
    (measured,) = proof.measurements([network], engine, quiet=quiet)
    report = profile.report(
        network, cost, by=by, measured=measured, units=units, tool=tool
    )
    report = sizing.with_memory(
        report, network, memory=memory, balance=balance, batch=batch, dtype=dtype
    )
    if timed is not None:
        report = latency.by_part(report, network, timed, units, quiet=quiet)
    image = b""
    if picture:
        from effscale.report import portraits

        image = portraits.network(portraits.timed(report.data), network.name, picture)
    options.deliver(report, form, output)
    if plot is not None:
        options.write(plot, image)
    if verbose:
        proof.explain([measured])
    proof.verify([network], [measured])
    if not quiet:
        proof.note_expected(network, int(cost.macs), int(cost.params))
