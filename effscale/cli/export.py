"""`effscale export`."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from effscale.atomic_write import replacing
from effscale.choices import MAX_BATCH, MOST_BOXES
from effscale.cli import options
from effscale.cli.help import OUTPUT, Command, titled
from effscale.cli.options import Request
from effscale.cli.progress import Bar
from effscale.cli.types import Parsed, Range, Target, Whole
from effscale.errors import LayerError, WeightsError, refusal

if TYPE_CHECKING:
    from effscale.module.export import Form
    from effscale.module.weights import Original
    from effscale.report.document import Report
    from effscale.spec.models import Spec

FORMS = ("torchscript", "exported", "onnx", "state-dict", "safetensors")
#: The format that a file's name asks for.
_SUFFIXES: dict[str, Form] = {".onnx": "onnx", ".pt2": "exported", ".ts": "torchscript"}
_SUFFIXES |= {".pt": "state-dict", ".pth": "state-dict", ".safetensors": "safetensors"}
#: Opsets of ONNX that torch writes.
_OPSETS = 18, 23
#: What boxes may overlap by and how many there are, unless it is said.
_OVERLAP, _BOXES = 0.5, 100


def batch(text: str) -> int | None:
    """`8`, or `dynamic` for any number, None."""
    if text == "dynamic":
        return None
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= MAX_BATCH):
        raise ValueError(f"dynamic, or a whole number from 1 to {MAX_BATCH}")
    return int(text)


@dataclass(frozen=True)
class How:
    """What is written of a network."""

    form: Form
    batch: int | None
    seed: int
    decode: tuple[float | None, int] | None
    opset: int | None
    weights: Path | Original | None = None


def _kind_of(output: Path) -> Form:
    if output.suffix in _SUFFIXES:
        return _SUFFIXES[output.suffix]
    message = f"expected one of {', '.join(FORMS)}, or a suffix that says so"
    raise click.BadParameter(f"{message}, got {output.name!r}", param_hint="'--output'")


def _decoded(chosen: str, nms: float | None, boxes: int) -> tuple[float | None, int]:
    """What boxes may overlap by, and how many are put out, in a format that can."""
    if chosen in {"state-dict", "safetensors"}:
        option = "--decode" if nms is None else "--nms"
        message = f"{option}: a state dict has weights alone; --file-format another"
        raise click.UsageError(message)
    return nms, boxes


def _how(  # noqa: PLR0913 - options
    *,
    kind: Form | None,
    output: Path,
    batch: int | None,
    seed: int,
    decode: bool,
    nms: float | None,
    boxes: int | None,
    opset: int | None,
) -> How:
    """What the options ask for, of a format that can have it."""
    form = kind or _kind_of(output)
    options.refuse({"--boxes": boxes is not None and nms is None}, "is of --nms")
    decoded = None
    if decode or nms is not None:
        decoded = _decoded(form, nms, boxes or _BOXES)
    if opset is not None and form != "onnx":
        raise click.UsageError(f"--opset is of ONNX, got {form}")
    if form == "onnx":
        from effscale.extras import needed

        needed("onnx", output)
    return How(form, batch, seed, decoded, opset)


@click.command("export", cls=Command)
@options.spec_argument()
@titled(OUTPUT)
@click.option(
    "--file-format",
    "kind",
    type=click.Choice(FORMS),
    help="What kind of file to write.  [default: by the suffix: .onnx, .pt2 "
    "(exported), .ts (torchscript), .pt or .pth (state-dict), .safetensors]",
)
@click.option(
    "--output",
    type=Target(),
    required=True,
    help="Write the network to this file, atomically.",
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
    metavar="PHI",
    help="Scale SPEC by this φ first, as effscale scale does.",
)
@options.network_options
@options.deploy_option
@titled("Weights")
@options.seed_option("Random seed of the initial weights.")
@click.option(
    "--weights",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Write the weights of this file, not initial ones: .pth, .safetensors, or a "
    "checkpoint of effscale train; those of other libraries as effscale weights reads "
    "them.",
)
@titled("Boxes and classes")
@click.option(
    "--decode",
    is_flag=True,
    help="For a detector: give boxes in pixels (y1 x1 y2 x2) and scores of each "
    "class, not logits and codes. For segmentation: give the class of each pixel.",
)
@click.option(
    "--nms",
    type=Range(0, 1, min_open=True),
    metavar="[IOU]",
    is_flag=False,
    flag_value=_OVERLAP,
    help="For a detector: give the best boxes of each image, decoded, with scores and "
    "classes. A box that overlaps a better one of its class by more than IOU is left "
    f"out.  [default: {_OVERLAP}]",
)
@click.option(
    "--boxes",
    type=Whole(1, MOST_BOXES),
    help=f"With --nms: boxes for each image.  [default: {_BOXES}]",
)
@titled(OUTPUT)
@click.option(
    "--batch",
    type=Parsed("N|dynamic", batch),
    default="dynamic",
    help="Batch size that the file accepts: any, or N alone.",
)
@click.option(
    "--opset",
    type=Whole(*_OPSETS),
    help="Opset of the ONNX file.  [default: torch's own choice]",
)
@options.format_option("what was written")
@options.quiet_option
@options.gathered(how=_how, request=Request)
def command(  # noqa: PLR0913 - options
    *,
    spec: str,
    output: Path,
    every: bool,
    phi: float | None,
    weights: Path | None,
    how: How,
    request: Request,
) -> None:
    """Write the network of SPEC to a file, to be trained or shipped.

    \b
      effscale export b4 --output b4.onnx
      effscale export b0 --phi 1.5 --classes 10 --output start.pth
      effscale export b0-x4.yaml --weights trained.pth --output model.pt2
      effscale export trained.json --output model.onnx --opset 18
      effscale export b0 --file-format torchscript --batch 1 --output b0.pt
      effscale export d0 --nms 0.5 --output d0.onnx
      effscale export family.yaml --all --output '{name}.onnx'

    SPEC is a file (my.yaml, or what effscale scale --output has written), - for
    standard input, or a built-in name; the .json that effscale train has written is
    its network with the weights of its checkpoint. What is written is read back and
    run, ONNX by onnxruntime, and is there only if it gives the network's own output.

    ONNX needs onnx, onnxscript and onnxruntime: pip install 'effscale[onnx]'.
    """
    if every:
        options.refuse({"--weights": weights, "--phi": phi is not None}, "is of one")
        networks = [request.read(each) for each in _relatives(spec)]
        paths = _named(output, [each.name for each in networks], force=request.force)
    elif spec.endswith(".json"):
        options.refuse({"--weights": weights, "--phi": phi is not None}, "is of a SPEC")
        network, weights = _trained(Path(spec))
        networks, paths = [network], [output]
    else:
        networks, paths = [_scaled(request.read(spec), phi)], [output]

    from effscale.report import export

    how = replace(how, weights=options.weights_of(spec, weights))
    reports = [
        _written(network, path, how, quiet=request.quiet)
        for network, path in zip(networks, paths, strict=True)
    ]
    request.deliver(export.together(reports), to_file=False)


def _written(network: Spec, path: Path, how: How, *, quiet: bool) -> Report:
    """Write a network to a file, and say so."""
    from effscale.report import export

    with Bar(3, quiet=quiet) as bar:
        bar.advance(0, f"{network.name}: loading torch")
        from effscale.module.export import Decode, export_spec

        decode = Decode(*how.decode) if how.decode else None
        if decode is not None:
            try:
                decode.check(network)
            except LayerError as error:
                raise click.UsageError(str(error)) from None
        with replacing(path, f"{network.name}.pt2") as new:
            written = export_spec(
                network,
                new,
                how.form,
                batch=how.batch,
                seed=how.seed,
                weights=how.weights,
                decode=decode,
                opset=how.opset,
                progress=lambda what: bar.advance(1, f"{network.name}: {what}"),
            )
            size = new.stat().st_size
    file = getattr(how.weights, "weights", how.weights)  # with names, or alone
    drawn = f"untrained, drawn by seed {how.seed}"
    said = drawn if file is None else f"weights of {file}"
    return export.report(network, written, path, size, weights=said)


def _trained(path: Path) -> tuple[Spec, Path]:
    """The network that a training has written, and the file of its weights.

    Raises:
        WeightsError: if it is no result of a training, or its weights are gone.
    """
    from effscale.module.weights import read
    from effscale.spec.loading import loads

    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: cannot be read: {refusal(error)}") from None
    kept = found.get("checkpoint") if isinstance(found, dict) else None
    if not isinstance(kept, str) or found.get("command") != "train":
        message = "expected what effscale train has written, with its checkpoint"
        raise WeightsError(f"{path}: {message}, got another file")
    beside = path.with_name(Path(kept).name)
    weights = beside if beside.exists() else Path(kept)
    held = read(weights)
    if held.spec is None:
        raise WeightsError(f"{weights}: expected a checkpoint of effscale train")
    return loads(held.spec, str(weights)), weights


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


def _scaled(spec: Spec, phi: float | None) -> Spec:
    if phi is None:
        return spec
    from effscale.growth.growth import family

    whole = int(phi) if phi == int(phi) else phi
    return family(spec, [whole])[0].spec
