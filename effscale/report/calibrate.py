"""The answer of `calibrate`: what predicts latency here, and how well.

Beside it, how other answers say on what and how latency is known.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from effscale.report import rows
from effscale.report.document import Column, Report, Section, percent

if TYPE_CHECKING:
    from pathlib import Path

    from effscale.cost.figures import Running
    from effscale.cost.latency_model import Kind, Model
    from effscale.report.rows import Data


def report(model: Model, path: Path) -> Report:
    """The error on each family of networks, predicted by the others."""
    table = [{"family": name, **asdict(each)} for name, each in model.errors.items()]
    columns = [
        Column.words("family"),
        Column("networks", "networks"),
        Column("median error", "median", percent),
        Column("within 10 %", "within_tenth", percent),
    ]
    whole = {"family": "together", **asdict(model.error)}
    data = {
        **rows.envelope("calibrate"),
        "file": str(path),
        "machine": model.machine,
        "setting": asdict(model.device),
        "families": table,
        "error": asdict(model.error),
        "kinds": {name: _seconds(kind) for name, kind in model.kinds.items() if name},
    }
    return Report(
        data=data,
        sections=[
            Section(columns, table, "Each family, predicted by the others", whole)
        ],
        heading=[
            ("device", f"{model.machine}: {model.device.said()}"),
            ("kept", str(path)),
        ],
        records=table,
    )


def _seconds(kind: Kind) -> dict[str, float | int]:
    names = ("mac", "element", "param", "call")
    return {**dict(zip(names, kind.seconds, strict=True)), "timed": len(kind.seen)}


def predicted(model: Model) -> str:
    """That latency is predicted, of what, and how well."""
    return f"predicted for {model.device.said()}; error {model.error.said()}"


def known(running: Running) -> list[tuple[str, str]]:
    """How latency is known, for a heading; nothing where it is not asked for."""
    if running.device is None:
        return []
    if running.model is None:
        return [("latency", f"measured on {running.device.said()}")]
    return [("latency", predicted(running.model))]


def setting(running: Running) -> Data:
    """What latency is of, for JSON; nothing where it is not asked for."""
    return {} if running.device is None else {"setting": asdict(running.device)}
