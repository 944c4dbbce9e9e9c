"""`effscale export`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from effscale.atomic_write import replacing
from effscale.cli import options
from effscale.cli.help import OUTPUT, Command, titled
from effscale.cli.latency import MAX_BATCH
from effscale.cli.options import Request
from effscale.cli.progress import Bar
from effscale.cli.types import Parsed, Range, Target

if TYPE_CHECKING:
    from effscale.module.export import Form
    from effscale.report.document import Report
    from effscale.spec.models import Spec

FORMS = ("torchscript", "exported", "onnx", "state-dict")
#: The format that a file's name asks for.
_SUFFIXES = {".onnx": "onnx", ".pt2": "exported", ".ts": "torchscript"}
_SUFFIXES |= dict.fromkeys((".pt", ".pth"), "state-dict")


def batch(text: str) -> int | None:
    """`8`, or `dynamic` for any number, None."""
    if text == "dynamic":
        return None
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= MAX_BATCH):
        raise ValueError(f"dynamic, or a whole number from 1 to {MAX_BATCH}")
    return int(text)


@click.command("export", cls=Command)
@options.spec_argument()
@titled(OUTPUT)
@click.option(
    "--to",
    "kind",
    type=click.Choice(FORMS),
    help="What to write.  [default: by the suffix: .onnx, .pt2 (exported), .ts "
    "(torchscript), .pt or .pth (state-dict)]",
)
@click.option(
    "--output", type=Target(), required=True, help="The file, written whole or not."
)
@click.option(
    "--all",
    "every",
    is_flag=True,
    help="Each network of a family's file: {name} in --output is the network's.",
)
@options.force_option
@titled("Network")
@click.option(
    "--phi",
    type=Range(-50, 50),
    help="SPEC scaled by this φ first, as effscale scale does.",
)
@click.option(
    "--batch",
    type=Parsed("N|dynamic", batch),
    default="dynamic",
    help="Images that the network takes at once: any number, or just N.",
)
@options.seed_option("The weights are drawn as the reference draws them, by this seed.")
@click.option(
    "--weights",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A state dict to take the weights from instead, or a checkpoint of effscale "
    "train: those that you trained.",
)
@click.option(
    "--decode",
    is_flag=True,
    help="Of a detector: boxes in pixels, y1 x1 y2 x2, and scores of each class, "
    "instead of logits and codes relative to anchors.",
)
@options.network_options
@options.format_option("what was written")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@options.gathered(request=Request)
def command(  # noqa: PLR0913 - options
    *,
    spec: str,
    kind: str | None,
    output: Path,
    every: bool,
    phi: float | None,
    batch: int | None,
    seed: int,
    weights: Path | None,
    decode: bool,
    request: Request,
) -> None:
    """Write the network of SPEC to a file, to be trained or shipped.

    SPEC is a file (my.yaml, or what effscale scale --output has written), - for
    standard input, or a built-in name. What is written is read back and run, ONNX by
    onnxruntime, and is there only if it gives the network's own output.

    \b
      effscale export b4 --output b4.onnx
      effscale export b0 --phi 1.5 --classes 10 --to state-dict --output start.pth
      effscale export b0-x4.yaml --weights trained.pth --output model.pt2
      effscale export b0 --to torchscript --batch 1 --output b0.ts
      effscale export d0 --decode --output d0.onnx
      effscale export family.yaml --all --output '{name}.onnx'

    ONNX needs onnx, onnxscript and onnxruntime: pip install 'effscale[onnx]'.
    """
    chosen = kind or _kind_of(output)
    if decode and chosen == "state-dict":
        message = "--decode: a state dict has weights alone; --to another format"
        raise click.UsageError(message)
    if chosen == "onnx":
        from effscale.extras import needed

        needed("onnx", output)
    if every:
        options.refuse({"--weights": weights, "--phi": phi is not None}, "is of one")
        networks = [request.read(each) for each in _relatives(spec)]
        paths = _named(output, [each.name for each in networks], force=request.force)
    else:
        networks, paths = [_scaled(request.read(spec), phi)], [output]

    how = How(chosen, batch, seed, weights, decode)  # type: ignore[arg-type]  # click checked it
    from effscale.report import export

    reports = [
        _written(network, path, how, quiet=request.quiet)
        for network, path in zip(networks, paths, strict=True)
    ]
    request.deliver(export.together(reports), to_file=False)


@dataclass(frozen=True)
class How:
    """What is written of a network."""

    form: Form
    batch: int | None
    seed: int
    weights: Path | None
    decode: bool


def _written(network: Spec, path: Path, how: How, *, quiet: bool) -> Report:
    """Write a network to a file, and say so."""
    from effscale.report import export

    with Bar(3, quiet=quiet) as bar:
        bar.advance(0, f"{network.name}: loading torch")
        from effscale.module.export import export_spec

        with replacing(path, f"{network.name}.pt2") as new:
            written = export_spec(
                network,
                new,
                how.form,
                batch=how.batch,
                seed=how.seed,
                weights=how.weights,
                decode=how.decode,
                progress=lambda what: bar.advance(1, f"{network.name}: {what}"),
            )
            size = new.stat().st_size
    drawn = f"untrained, drawn by seed {how.seed}"
    said = f"weights of {how.weights}" if how.weights else drawn
    return export.report(network, written, path, size, weights=said)


def _relatives(spec: str) -> list[str]:
    """References to the network of a file, and to each of its variants."""
    from effscale.growth.scale import load

    return [spec, *(f"{spec}@{name}" for name in load(spec).variants)]


def _named(output: Path, names: list[str], *, force: bool) -> list[Path]:
    """The file of each network."""
    if "{name}" not in output.name:
        message = f"expected {{name}} in it with --all, got {output.name!r}"
        raise click.BadParameter(message, param_hint="'--output'")
    paths = [output.with_name(output.name.replace("{name}", each)) for each in names]
    for path in paths:
        if path.exists() and not force:
            message = f"{str(path)!r} exists; --force replaces it"
            raise click.BadParameter(message, param_hint="'--output'")
    return paths


def _kind_of(output: Path) -> str:
    if output.suffix in _SUFFIXES:
        return _SUFFIXES[output.suffix]
    message = f"expected one of {', '.join(FORMS)}, or a suffix that says so"
    raise click.BadParameter(f"{message}, got {output.name!r}", param_hint="'--to'")


def _scaled(spec: Spec, phi: float | None) -> Spec:
    if phi is None:
        return spec
    from effscale.growth.growth import family

    whole = int(phi) if phi == int(phi) else phi
    return family(spec, [whole])[0].spec
