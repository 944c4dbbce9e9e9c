"""Measured times in an answer: medians, their spread, and ratios of networks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from effscale.glossary import word
from effscale.quantity import in_seconds
from effscale.report import document, rows
from effscale.report.compare import times
from effscale.report.document import Column, Section, percent, several

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from effscale.cost.latency_model import Model
    from effscale.module.latency import Latency, Timing
    from effscale.report.document import Report, Row, Units
    from effscale.report.rows import Data
    from effscale.spec.models import Spec

#: The keys by which settings differ.
_SETTING = (
    "batch",
    "threads",
    "dtype",
    "device",
    "channels_last",
    "compiled",
    "cuda_graph",
    "runtime",
)


def by_part(
    answer: Report,
    found: Sequence[Latency],
    parts: Mapping[str, int],
    machine: str,
    *,
    units: Units = "macs",
) -> Report:
    """The answer of `profile`, and how long the network takes, part by part.

    `parts` are the MACs of each part.
    """
    macs = answer.data["totals"]["macs"]
    entries = [_entry(each, macs, parts) for each in found]
    columns = [*_varying(entries), *_measured(units)]
    sections = _parts(entries, units)
    return replace(
        answer,
        data={**answer.data, "machine": machine, "latency": entries},
        sections=[
            *answer.sections,
            Section(columns, entries, f"Latency, {_common(entries)}"),
            *sections,
        ],
        heading=[*answer.heading, ("machine", machine)],
        notes=[*answer.notes, _legend(entries, parts=bool(sections))],
        records=rows.by_part(answer.records, entries, _cells),
    )


def predicted(answer: Report, models: Sequence[Model], spec: Spec) -> Report:
    """What models predict of each part beside what was timed, a table a setting."""
    sections, entries, notes = [], [], []
    for model, entry in zip(models, answer.data["latency"], strict=True):
        thought = model.parts(spec)
        timed = {part["part"]: part["seconds"] for part in entry["parts"]}
        table = [
            {"part": name, "predicted": thought[name], "measured": taken}
            for name, taken in timed.items()
        ]
        whole = {
            "part": "the whole",
            "predicted": sum(thought.values()),
            "measured": entry["seconds"],
        }
        title = f"Predicted, {model.device.said()}"
        sections.append(Section(_PREDICTED, table, title, whole))
        entries.append({**entry, "predicted": thought})
        notes.append(f"predictions: error {model.error.said()}")
    return replace(
        answer,
        data={**answer.data, "latency": entries},
        sections=[*answer.sections, *sections],
        notes=[*answer.notes, *notes],
    )


_PREDICTED = [
    Column.words("part"),
    Column("predicted", "predicted", in_seconds),
    Column("measured", "measured", in_seconds),
    Column(word("deviation"), "", lambda row: _off(row["predicted"], row["measured"])),
]


def _off(thought: float, taken: float) -> str:
    return document.signed_percent(thought / taken - 1)


def beside(
    answer: Report,
    found: Sequence[Sequence[Latency]],
    rivals: Sequence[int | None],
    machine: str,
    *,
    units: Units = "macs",
) -> Report:
    """The answer of `compare`, and the networks' latencies with ratios to `rivals`.

    `found` has for each setting the latency of each row, `rivals` the index of the row
    that a row's ratios are to.
    """
    table: list[Data] = []
    data = [{**row, "latency": []} for row in answer.data["rows"]]
    for group in found:
        for row, each, rival in zip(data, group, rivals, strict=True):
            measured = {
                **_entry(each, row["macs"]),
                **_ratio(each, None if rival is None else group[rival]),
            }
            row["latency"].append(measured)
            table.append({"name": row["name"], **measured})
    columns = [
        Column.words("network", "name"),
        *_varying(table),
        *_measured(units),
        Column("time ×", "", _times),
    ]
    section = Section(columns, table, f"Latency, {_common(table)}")
    records = [
        {**row, **_flat(measured["latency"][group])}
        for group in range(len(found))
        for row, measured in zip(answer.records, data, strict=True)
    ]
    return replace(
        answer,
        data={**answer.data, "machine": machine, "rows": data},
        sections=[*answer.sections, section],
        notes=[*answer.notes, f"{_legend(table)}; on {machine}"],
        records=records,
    )


def _entry(found: Latency, macs: int, parts: Mapping[str, int] | None = None) -> Data:
    """One measured latency; `macs` of one image, `parts` those of each part."""
    batch = found.setting.batch
    measured = {
        **{key: getattr(found.setting, key) for key in _SETTING},
        **_timing(found.whole),
        "images_per_second": found.images_per_second,
        "macs_per_second": batch * macs / found.whole.median,
    }
    if parts is None:
        return measured
    total = sum(each.median for each in found.parts.values())
    measured["parts"] = [
        {
            "part": name,
            **_timing(found.parts[name]),
            "share": found.parts[name].median / total,
            "macs_share": part_macs / max(macs, 1),
            "macs_per_second": batch * part_macs / found.parts[name].median,
        }
        for name, part_macs in parts.items()
        if name in found.parts
    ]
    return measured


def _timing(found: Timing) -> Data:
    return {
        "seconds": found.median,
        "quartiles": list(found.quartiles),
        "relative_iqr": found.spread,
        "runs": len(found.runs),
    }


def _ratio(each: Latency, rival: Latency | None) -> Data:
    if rival is None:
        return {"time_ratio": None, "time_ratio_quartiles": None}
    middle, low, high = each.ratio(rival)
    return {"time_ratio": middle, "time_ratio_quartiles": [low, high]}


def _cells(entry: Data, part: Data) -> Data:
    return _flat({**{key: entry[key] for key in _SETTING}, **part})


def _flat(entry: Data) -> Data:
    """Keys for a CSV that no other key of its row has."""
    return {f"latency_{key}": value for key, value in entry.items() if key != "part"}


def _parts(entries: Sequence[Data], units: Units) -> list[Section]:
    """A table of the parts for each setting; none where no part was timed."""
    columns = [
        Column.words("part"),
        Column("median", "seconds", in_seconds),
        Column("IQR", "relative_iqr", percent),
        Column("of time", "share", percent),
        Column(f"of {document.unit_of(units)[0]}", "macs_share", percent),
        document.macs_column(units, "macs_per_second", suffix="/s"),
    ]
    found = []
    for each in entries:
        if not each["parts"]:
            continue
        named = ", ".join(_said(key, each[key]) for key in _differing(entries))
        total = {
            "part": "together",
            "seconds": sum(part["seconds"] for part in each["parts"]),
            "share": 1.0,
            "macs_share": sum(part["macs_share"] for part in each["parts"]),
        }
        title = f"Latency by part{named and f', {named}'}"
        found.append(Section(columns, each["parts"], title, total))
    return found


def _measured(units: Units) -> list[Column]:
    return [
        Column("median", "seconds", in_seconds),
        Column("IQR", "relative_iqr", percent),
        Column("images/s", "images_per_second", lambda n: f"{n:.3g}"),
        document.macs_column(units, "macs_per_second", suffix="/s"),
    ]


def _times(row: Row) -> str:
    if row["time_ratio"] is None:
        return ""
    low, high = map(times, row["time_ratio_quartiles"])
    middle = times(row["time_ratio"])
    return middle if low == high == middle else f"{middle} ({low} to {high})"


def _varying(entries: Sequence[Row]) -> list[Column]:
    """Columns of what is not the same in all settings."""
    return [Column(key, key) for key in _differing(entries)]


def _common(entries: Sequence[Row]) -> str:
    """What all settings have in common: `batch 1, 2 threads, float32, cpu`."""
    several, first = _differing(entries), entries[0]
    named = [_said(key, first[key]) for key in _SETTING if key not in several]
    return ", ".join(filter(None, named))


def _differing(entries: Sequence[Row]) -> list[str]:
    return [key for key in _SETTING if len({each[key] for each in entries}) > 1]


def _said(key: str, value: Any) -> str:  # noqa: ANN401 - of a setting
    """A value of a setting in words; none of what is not asked for."""
    match key:
        case "batch":
            return f"batch {value}"
        case "threads":
            return several(value, "thread")
        case "channels_last" | "compiled" | "cuda_graph":
            return key.replace("_", " ").replace("cuda", "CUDA") if value else ""
        case "runtime":
            return "" if value == "torch" else str(value)
        case _:
            return str(value)


def _legend(entries: Sequence[Row], *, parts: bool = False) -> str:
    runs = sorted({each["runs"] for each in entries})
    number = str(runs[0]) if len(runs) == 1 else f"{runs[0]} to {runs[-1]}"
    text = f"median of {number} runs; IQR: interquartile range over the median"
    if parts:
        return f"{text}; parts run alone, on what the network gives them"
    if "time_ratio" in entries[0]:
        return f"{text}; time ×: in the same round, and its quartiles"
    return text
