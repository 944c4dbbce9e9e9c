"""Bytes in an answer: what a network takes of memory and moves through it, by part."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from effscale.quantity import in_bytes
from effscale.report import rows
from effscale.report.document import Column, Section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.cost.memory import Memory, PartMemory
    from effscale.report.document import Report, Row
    from effscale.report.rows import Data

_BYTES = ("weights", "activations", "peak", "moved")


def by_part(answer: Report, found: Sequence[Memory], balance: float) -> Report:
    """The answer of `profile`, and its bytes for each batch size and type."""
    entries = [_entry(each, balance) for each in found]
    heading = [*answer.heading]
    if len(found) > 1:
        section = Section([*_SETTING, *_WHOLE], entries, "Memory")
    else:
        heading.append(_line(found[0]))
        title = f"Memory, batch {found[0].batch}, {found[0].dtype}"
        parts, total = entries[0]["parts"], {**entries[0], "part": "total"}
        section = Section(_PARTS, parts, title, total=total, emphasis=_emphasis)
    return replace(
        answer,
        data={**answer.data, "balance": balance, "memory": entries},
        sections=[*answer.sections, section],
        heading=heading,
        notes=[*answer.notes, _note(balance)],
        records=rows.by_part(answer.records, entries, _cells),
    )


def _entry(each: Memory, balance: float) -> Data:
    return {
        "batch": each.batch,
        "dtype": each.dtype,
        "weights": each.weights,
        "activations": each.activations,
        "peak": each.peak,
        "training_peak": each.training_peak,
        "moved": each.moved,
        "macs_per_byte": each.macs_per_byte,
        "parts": [_part(part, balance) for part in each.parts],
    }


def _part(each: PartMemory, balance: float) -> Data:
    return {
        "part": each.name,
        **{key: getattr(each, key) for key in _BYTES},
        "macs_per_byte": each.macs_per_byte,
        "memory_bound": each.macs_per_byte < balance,
    }


def _cells(entry: Data, part: Data) -> Data:
    return {
        "memory_batch": entry["batch"],
        "memory_dtype": entry["dtype"],
        **{f"bytes_{key}": part[key] for key in _BYTES},
        "macs_per_byte": part["macs_per_byte"],
        "memory_bound": part["memory_bound"],
    }


def _line(each: Memory) -> tuple[str, str]:
    weights, peak = in_bytes(each.weights), in_bytes(each.peak)
    training = f"in training {in_bytes(each.training_peak)} with gradients"
    return "memory", f"{weights} weights, at once {peak} feature maps, {training}"


def _note(balance: float) -> str:
    return (
        "at once: the most that feature maps take while the part runs, those held for "
        "later included. moved: what all operators read and write, none of them fused. "
        f"Below {balance:g} MACs for each byte (--balance) a part is bound by memory."
    )


def _emphasis(row: Row) -> str:
    return "yellow" if row.get("memory_bound") else ""


_SETTING = [
    Column("batch", "batch"),
    Column.words("dtype"),
]
_SIZES = [
    Column("weights", "weights", in_bytes),
    Column("outputs", "activations", in_bytes),
    Column("at once", "peak", in_bytes),
]
_FLOW = [
    Column("moved", "moved", in_bytes),
    Column("MACs/B", "macs_per_byte", lambda value: f"{value:#.3g}"),
]
_WHOLE = [*_SIZES, Column("in training", "training_peak", in_bytes), *_FLOW]
_PARTS = [
    Column.words("part"),
    *_SIZES,
    *_FLOW,
    Column("bound by", "memory_bound", lambda bound: "memory" if bound else "MACs"),
]
