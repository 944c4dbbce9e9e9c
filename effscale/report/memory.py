"""Bytes in an answer: what a network takes of memory and moves through it, by part."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from effscale.choices import is_cuda
from effscale.quantity import in_bytes
from effscale.report import rows
from effscale.report.document import Column, Section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.cost.memory import Memory, PartMemory
    from effscale.report.document import Report, Row
    from effscale.report.rows import Data

#: What a part takes in bytes, by its key in JSON.
_BYTES = {
    "weight_bytes": "weights",
    "output_bytes": "activations",
    "peak_bytes": "peak",
    "bytes_moved": "moved",
}


#: Bytes that torch's allocator holds on CUDA beside all that is counted, in inference:
#: measured on an H100.
WORKSPACE = 66 * 1024**2


def by_part(
    answer: Report, found: Sequence[Memory], balance: float, device: str = "cpu"
) -> Report:
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
        data={**answer.data, "machine_balance": balance, "memory": entries},
        sections=[*answer.sections, section],
        heading=heading,
        notes=[*answer.notes, _note(balance) + _workspace(device)],
        records=rows.by_part(answer.records, entries, _cells),
    )


def _entry(each: Memory, balance: float) -> Data:
    return {
        "batch": each.batch,
        "dtype": each.dtype,
        **_in_bytes(each),
        "training_peak_bytes": each.training_peak,
        "macs_per_byte": each.macs_per_byte,
        "parts": [_part(part, balance) for part in each.parts],
    }


def _part(each: PartMemory, balance: float) -> Data:
    return {
        "part": each.name,
        **_in_bytes(each),
        "macs_per_byte": each.macs_per_byte,
        "memory_bound": each.macs_per_byte < balance,
    }


def _in_bytes(each: Memory | PartMemory) -> Data:
    return {key: getattr(each, name) for key, name in _BYTES.items()}


def _cells(entry: Data, part: Data) -> Data:
    return {
        "memory_batch": entry["batch"],
        "memory_dtype": entry["dtype"],
        **{key: part[key] for key in _BYTES},
        "macs_per_byte": part["macs_per_byte"],
        "memory_bound": part["memory_bound"],
    }


def _line(each: Memory) -> tuple[str, str]:
    weights, peak = in_bytes(each.weights), in_bytes(each.peak)
    training = f"training peak {in_bytes(each.training_peak)} (feature maps and "
    left = "gradients, without weights and optimizer state)"
    held = f"weights {weights}, peak feature maps {peak} (inference)"
    return "memory", f"{held}, {training}{left}"


def _note(balance: float) -> str:
    return (
        "peak: the most that feature maps take at one time while the part runs, those "
        "held for later included. moved: bytes that all operators read and write, none "
        f"of them fused. Below {balance:g} MACs per byte (--balance), the machine's "
        "balance, a part is memory-bound."
    )


def _workspace(device: str) -> str:
    """What a device's allocator holds beside that, where that is known."""
    if not is_cuda(device):
        return ""
    return (
        f" On CUDA torch's allocator holds a constant workspace beside that: "
        f"{WORKSPACE // 1024**2} MiB in inference, measured on an H100."
    )


def _emphasis(row: Row) -> str:
    return "yellow" if row.get("memory_bound") else ""


_SETTING = [
    Column("batch", "batch"),
    Column.words("dtype"),
]
_SIZES = [
    Column("weights", "weight_bytes", in_bytes),
    Column("outputs", "output_bytes", in_bytes),
    Column("peak", "peak_bytes", in_bytes),
]
_FLOW = [
    Column("moved", "bytes_moved", in_bytes),
    Column("MACs/B", "macs_per_byte", lambda value: f"{value:#.3g}"),
]
_WHOLE = [*_SIZES, Column("training peak", "training_peak_bytes", in_bytes), *_FLOW]
_PARTS = [
    Column.words("part"),
    *_SIZES,
    *_FLOW,
    Column("bound by", "memory_bound", lambda bound: "memory" if bound else "MACs"),
]
