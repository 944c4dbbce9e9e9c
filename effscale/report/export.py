"""The answer of `export`: the file, its check, and the call that loads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.cost.count import count
from effscale.quantity import human
from effscale.report import rows
from effscale.report.document import Report, extents

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from effscale.module.export import Export
    from effscale.spec.models import Spec

#: What reads each format, `FILE` being the file.
_LOADS = {
    "torchscript": "torch.jit.load(FILE)",
    "exported": "torch.export.load(FILE).module()",
    "onnx": "onnxruntime.InferenceSession(FILE)",
    "safetensors": "effscale.load_weights(effscale.build(SPEC), FILE)",
    "state-dict": "effscale.build(SPEC).load_state_dict(torch.load(FILE))",
}


def report(
    spec: Spec, written: Export, path: Path, size: int, *, weights: str
) -> Report:
    """The file, the network in it, what goes in and out, and that it was checked."""
    cost = count(spec)
    data = {
        **rows.envelope("export", spec.name),
        "file": str(path),
        "bytes": size,
        "format": written.form,
        "version": written.version,
        "resolution": rows.image(spec),
        **rows.costs(cost),
        "weights": weights,
        "normalisation": _normalisation(written),
        "classes": spec.classes,
        "class_names": None if written.classes is None else list(written.classes),
        "inputs": written.inputs,
        "outputs": written.outputs,
        "output_means": dict(written.means),
        "checked": {"by": written.checked, "difference": written.difference},
    }
    image = extents((spec.image_channels, *spec.resolution))
    apart = f"{written.difference:.0e} of the largest"
    same = f"the same output, to {apart if written.difference else 'the last bit'}"
    load = _LOADS[written.form].replace("FILE", repr(str(path)))
    if spec.deployed:
        load = load.replace("SPEC", "SPEC of deployed: true")
    heading = [
        ("network", f"{spec.name}, {image} px, {int(cost.params):,} params, {weights}"),
        ("written", f"{path}, {human(size)}B, {written.version}"),
        ("input", f"{_said(written.inputs)}{_of_pixels(written)}"),
        *(("output", each) for each in _outputs(written)),
        ("checked", f"{written.checked} reads it and gives {same}"),
        ("load", load),
    ]
    return Report(data=data, sections=[], heading=heading, records=[_flat(data)])


def _normalisation(written: Export) -> rows.Data | None:
    if written.normalisation is None:
        return None
    return dict(zip(("mean", "std"), written.normalisation, strict=True))


def _of_pixels(written: Export) -> str:
    """`, (pixels − 0.5) / 0.5`, where that is known."""
    if written.normalisation is None:
        return ""
    mean, deviation = (
        ", ".join(f"{n:g}" for n in each) for each in written.normalisation
    )
    if len(written.normalisation[0]) > 1:
        mean = f"({mean})"
    if len(written.normalisation[1]) > 1:
        deviation = f"({deviation})"
    return f", (pixels from 0 to 1 − {mean}) / {deviation}"


def _said(tensors: Mapping[str, Sequence[int | None]]) -> str:
    """`image N×3×224×224`: N is any number of images."""
    return ", ".join(
        f"{name} {extents('N' if each is None else each for each in shape)}"
        for name, shape in tensors.items()
    )


def _outputs(written: Export) -> list[str]:
    """Each on a line of its own, where it is known what it is."""
    if not written.means:
        return [_said(written.outputs)]
    return [
        f"{_said({name: shape})}: {written.means[name]}"
        for name, shape in written.outputs.items()
    ]


def together(reports: Sequence[Report]) -> Report:
    """The answers on several files as one; that on one file as it is."""
    if len(reports) == 1:
        return reports[0]
    return Report(
        data={
            **rows.envelope("export"),
            "files": [{**each.data} for each in reports],
        },
        sections=[],
        heading=[line for each in reports for line in each.heading],
        records=[record for each in reports for record in each.records],
    )


def _flat(data: rows.Data) -> rows.Data:
    nested = {"inputs": _said(data["inputs"]), "outputs": _said(data["outputs"])}
    nested["output_means"] = "; ".join(map(": ".join, data["output_means"].items()))
    checked = {f"checked_{key}": value for key, value in data["checked"].items()}
    apart = {"checked", "normalisation"}
    plain = {key: value for key, value in data.items() if key not in apart}
    return {**plain, **nested, **checked}
