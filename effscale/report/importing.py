"""The answer of `import`: the file as text, the names of its weights, the proof."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from effscale.quantity import human
from effscale.report import rows
from effscale.report.document import Column, Report, Section, extents, several
from effscale.spec.dumping import dumps
from effscale.version import VERSION

if TYPE_CHECKING:
    from pathlib import Path

    from effscale.importing.network import Imported
    from effscale.importing.proof import Proof


def text(made: Imported, reference: str) -> str:
    """The YAML file, which says where it is from and what is proved of it."""
    return dumps(made.spec, f"Imported from {reference}.\n{said(made.proof)}")


def said(proof: Proof) -> str:
    """In a line, what is proved, or that nothing is."""
    if not proof.holds:
        return f"NOT PROVED to be the same network: {'; '.join(proof.faults)}"
    names = ", ".join(each.name for each in proof.figures)
    more = f"; {_outputs(proof)}" if proof.of_module else ""
    return f"Proved: {names} equal by count and {_measured(proof)}{more}."


def _measured(proof: Proof) -> str:
    """What measured the figures; each by name where an engine could not."""
    found = {who for each in proof.figures for who in each.measured}
    networks = 2 if proof.of_module else 1
    return "both engines" if len(found) == 2 * networks else ", ".join(sorted(found))


def _outputs(proof: Proof) -> str:
    if proof.apart is None:
        return "outputs not compared"
    close = "to the last bit" if proof.apart == 0 else f"to {proof.apart:.0e}"
    return f"outputs with its weights equal {close} in double precision"


def weights(made: Imported, reference: str) -> str:
    """The JSON file by which weights of the original load into the spec's network."""
    data = {
        "effscale": VERSION,
        "spec": made.spec.name,
        "from": reference,
        "tensors": _mapping(made),
    }
    return json.dumps(data, indent=1) + "\n"


def _mapping(made: Imported) -> dict[str, Any]:
    """The original's name of each tensor, or names and how they are laid."""
    return {
        name: each if isinstance(each, str) else each.said
        for name, each in made.mapping.items()
    }


def report(
    made: Imported, reference: str, output: Path | None, mapped: Path | None
) -> Report:
    """What was imported, where it is, and each figure as counted and as measured."""
    spec, proof = made.spec, made.proof
    figures = [
        {
            "figure": each.name,
            "counted": each.counted,
            "measured_by": dict(each.measured),
            "same": each.same,
        }
        for each in proof.figures
    ]
    data = {
        **rows.envelope("import", spec.name),
        "from": reference,
        "file": None if output is None else str(output),
        "weights": None if mapped is None else str(mapped),
        "resolution": rows.image(spec),
        "stages": len(spec.stages),
        "blocks": [*spec.blocks],
        "figures": figures,
        "outputs_apart": proof.apart,
        "unread": dict(proof.unread),
        "proved": proof.holds,
        "faults": [*proof.faults],
        "mapping": _mapping(made),
    }
    image = extents((spec.image_channels, *spec.resolution))
    own = f", {several(len(spec.blocks), 'block')} of its own" if spec.blocks else ""
    heading = [
        (
            "network",
            f"{spec.name}, {image} px, {several(len(spec.stages), 'stage')}{own}",
        ),
        ("from", reference),
    ]
    if output is not None and mapped is not None:
        lines = len(text(made, reference).splitlines())
        heading.append(("written", f"{output}, {several(lines, 'line')}"))
        if made.mapping:
            named = f"{mapped}, {several(len(made.mapping), 'tensor')} by name"
            heading.append(("weights", named))
    heading.append(
        ("proved", said(proof).removeprefix("Proved: ") if proof.holds else said(proof))
    )
    flat = [
        {"figure": each.name, "counted": each.counted, **each.measured}
        | {"same": each.same}
        for each in proof.figures
    ]
    whose = sorted({who for each in proof.figures for who in each.measured})
    columns = [
        Column.words("figure"),
        Column("counted", "counted", _exact),
        *(Column(who, who, _exact) for who in whose),
    ]
    return Report(
        data=data,
        sections=[Section(columns, flat)] if flat else [],
        heading=heading,
        notes=_notes(proof),
        records=flat,
    )


def _exact(value: Any) -> str:  # noqa: ANN401 - a whole number
    return f"{value:,}"


def _notes(proof: Proof) -> list[str]:
    """What the proof leaves out."""
    if not proof.unread:
        return []
    parts = ", ".join(f"{name} ({human(n)})" for name, n in proof.unread.items())
    return [f"params without those that no call reads in evaluation: {parts}"]
