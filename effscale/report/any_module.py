"""The answer of `profile` for a module of other code: two counters, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from effscale.cost.conventions import Term
from effscale.module.aten import KINDS, kind, plain
from effscale.quantity import human
from effscale.report import document, rows
from effscale.report.document import Column, Report, Section, percent
from effscale.report.profile import sentence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from effscale.choices import By
    from effscale.module.any_module import Attempt, Counted
    from effscale.module.measure import Measurement
    from effscale.report.document import Units
    from effscale.report.rows import Data

#: Of the other tools' numbers, those that the two counters know.
TOOLS = ("paper", "fvcore", "torch")
#: Operators named in the line of those that are left out.
NAMED = 6


def report(
    found: Counted,
    *,
    by: By = "part",
    depth: int = 1,
    units: Units = "macs",
    tool: str | None = None,
) -> Report:
    """What both counters say of a module, by the tree of its modules or by operator."""
    from effscale.module.inputs import said_of

    answer, inputs = found.answer, said_of(found.inputs, found.keywords)
    leaves = by == "layer"
    named = list(_modules(found, depth if by == "part" else None, leaves=leaves))
    named = _with_own(found, named, leaves=leaves)
    operators, left_out = _operators(found), _left_out(found)
    numbers = _conventions(found)
    total: Data = {
        "module": "total",
        "operator": "total",
        **_totals(found),
        **{str(each.engine): int(each.macs) for each in found.measured},
        "share": None if answer is None else 1.0,
    }
    data = {
        **rows.envelope("profile", found.name),
        "inputs": inputs,
        "totals": _totals(found),
        "modules": named,
        "operators": operators,
        "left_out": left_out,
        "measured": [_measured(each) for each in found.attempts],
        "agrees": _agree(found),
        "faults": found.faults(),
        "answer": None if answer is None else answer.engine,
        "alone": found.alone(),
        "apart": dict(found.best.apart),
        "unused": found.unused,
        "conventions": numbers,
    }
    if tool:
        data["restated"] = {"tool": tool, "total": numbers.get(tool)}
    main = operators if by == "operator" else named
    engines = [each.engine for each in found.attempts]
    sections = [Section(_columns(by, engines, units), main, total=total)]
    if by == "operator" and left_out:
        sections.append(Section(_LEFT_OUT, left_out, "Left out: no MACs"))
    return Report(
        data=data,
        sections=sections,
        heading=_heading(found, inputs, units, tool),
        records=[_record(row) for row in main],
    )


def _heading(
    found: Counted, inputs: Sequence[str], units: Units, tool: str | None
) -> list[tuple[str, str]]:
    """The lines above the table: what it is, what it costs, what was seen of it."""
    unit, factor = document.unit_of(units)
    answer, best = found.answer, found.best
    assumed = " (assumed; --input says another)" if found.assumed else _batch(found)
    params = f"{int(best.params):,} params"
    if best.trainable != best.params:
        params += f" ({best.trainable:,} trainable)"
    if answer is None:
        counted = f"no answer: {_why(found)}; {params}"
    else:
        counted = f"{factor * int(answer.macs):,} {unit}, {params}"
        counted += f", {int(answer.activations):,} activations"
    said = [_coverage(each, same=found.same) for each in found.attempts]
    said += [found.note] if found.note else []
    lines = [
        ("module", f"{found.name}, {type(found.module).__name__}"),
        ("input", f"{', '.join(inputs)}{assumed}"),
        ("counted", counted),
        ("coverage", "; ".join(said) + (" ✓" if _agree(found) else "")),
    ]
    if alone := found.alone():
        lines.append(("answer", "; ".join(alone)))
    if found.unused:
        made = f"{factor * found.unused:,} of them make what is in no output"
        lines.append(("unused", made))
    if best.apart:
        lines.append(("apart", _apart(best.apart, unit, factor)))
    if any(each.of_complex for each in found.measured):
        lines.append(("complex", _OF_COMPLEX))
    if free := _free(found.measured[0], same=found.same):
        lines.append(("not counted", free))
    if elsewhere := _elsewhere(found, tool):
        lines.append(("other tools", elsewhere))
    return lines


_OF_COMPLEX = "a product of complex numbers counts as one, within a convolution too"


def _apart(apart: Mapping[str, int | None], unit: str, factor: int) -> str:
    """What made weights of weights: MACs, and operators of which nobody knows any."""
    known = {plain(name): macs for name, macs in apart.items() if macs is not None}
    unknown = [plain(name) for name, macs in apart.items() if macs is None]
    said = []
    if known:
        macs = factor * sum(known.values())
        names = ", ".join(known)
        said.append(f"{macs:,} {unit} that make weights of weights: {names}")
    if unknown:
        said.append(f"makes weights of weights, of unknown cost: {', '.join(unknown)}")
    return "; ".join(said)


def _elsewhere(found: Counted, asked: str | None) -> str:
    """How a tool's number is made; where nobody asked, fvcore's if it is another."""
    tool = asked or "fvcore"
    terms = _terms(found, tool)
    if found.answer is None or not terms:
        return ""
    missing = int(found.answer.macs) - terms[0].amount
    if len(terms) == 1 and not missing and not asked:
        return ""
    said = sentence(terms) if any(each.amount for each in terms) else "0"
    less = f"; it leaves out {missing:,} of the MACs" if missing else ""
    return f"{tool}'s {said}{less}"


def _agree(found: Counted) -> bool:
    """Whether both engines were asked, knew it all, and say the same."""
    return found.same and not found.faults()


def _totals(found: Counted) -> Data:
    """The figures of the answer; where there is none, the params alone."""
    figures = rows.costs(found.best)
    if found.answer is None:
        figures |= {"macs": None, "activations": None, "products": None}
    return {**figures, "trainable": found.best.trainable}


def _why(found: Counted) -> str:
    """Why there is no answer, in a few words."""
    if not found.is_known:
        return "not every operator is known"
    return "fvcore and torch differ"


def _batch(found: Counted) -> str:
    """That the figures are of several images, where they are."""
    from effscale.module.inputs import leaves

    first = next(leaves([*found.inputs, *found.keywords.values()]), None)
    if first is None or len(first.shape) not in _BATCHED or first.shape[0] == 1:
        return ""
    return f" (a batch of {first.shape[0]}: the figures are of all)"


#: Dimensions of what has its batch first: rows, images, volumes.
_BATCHED = (2, 4, 5)


def _coverage(attempt: Attempt, *, same: bool) -> str:
    """`fvcore 53 of 54 conv and matmul calls (98.1 %), lstm ×1 left out`."""
    measured = attempt.measured
    if measured is None:
        return f"{attempt.engine} none: {attempt.error}"
    calls, skipped = sum(measured.calls.values()), {} if same else measured.skipped
    every = calls + sum(skipped.values())
    said = f"{attempt.engine} {calls} of {every} conv and matmul calls"
    if skipped:
        missed = ", ".join(f"{plain(name)} ×{n}" for name, n in skipped.items())
        said += f" ({percent(calls / every)}), {missed} unknown"
    if measured.taught:
        said += f" (by effscale's formula: {', '.join(measured.taught)})"
    return said


def _free(measured: Measurement, *, same: bool) -> str:
    """The operators that are no convolution or matrix product, most frequent first."""
    skipped = {} if same else measured.skipped
    calls = {plain(name): n for name, n in measured.free.items() if name not in skipped}
    names = sorted(calls, key=lambda name: -calls[name])
    said = [f"{name} ×{calls[name]}" for name in names[:NAMED]]
    said += _besides(measured)
    if len(names) > NAMED:
        said.append(f"{len(names) - NAMED} others")
    return f"{', '.join(said)}: no convolution or matrix product" if said else ""


def _besides(measured: Measurement) -> dict[str, int]:
    """What fvcore counts besides MACs: batch norm, pooling."""
    if measured.engine != "fvcore":
        return {}
    counted = measured.operators.items()
    return {name: n for name, n in counted if name not in measured.calls and n}


def _conventions(found: Counted) -> dict[str, int]:
    """The numbers of tools that are known; those of the counters by themselves."""
    numbers = {} if found.answer is None else {"paper": int(found.answer.macs)}
    for each in found.measured:
        if _AS_FVCORE_CANNOT.intersection(each.taught):
            continue  # what it prints itself is another number, and not asked
        numbers[each.engine] = sum(term.times * term.amount for term in _own(each))
    return numbers


#: What is counted in place of fvcore's own figure.
_AS_FVCORE_CANNOT = {"einsum (by letters)", "matmul (by shapes)"}


def _own(measured: Measurement) -> list[Term]:
    """What a counter adds up where nobody has taught it; it sets no weights apart."""
    times = 2 if measured.engine == "torch" else 1
    untaught = [name for name in measured.calls if name not in measured.taught]
    macs = sum(measured.operators[name] for name in untaught) // times
    of_weights = sum(
        made or 0
        for name, made in measured.apart.items()
        if name not in measured.taught
    )
    terms = [Term("MACs", times, macs)]
    if of_weights:
        terms.append(Term("MACs that make weights", times, of_weights))
    return [*terms, *(Term(name, 1, n) for name, n in _besides(measured).items())]


def _terms(found: Counted, tool: str) -> list[Term]:
    """The terms that a tool's number is the sum of; none where it is not known."""
    if found.answer is None or tool not in _conventions(found):
        return []
    if tool == "paper":
        return [Term("MACs", 1, int(found.answer.macs))]
    return next(_own(each) for each in found.measured if each.engine == tool)


def _modules(found: Counted, depth: int | None, *, leaves: bool) -> Iterator[Data]:
    """The modules that cost something, those that hold others before what they hold."""
    whole = max(int(found.best.macs), 1)
    alone = next(found.module.children(), None) is None
    for path, module in found.module.named_modules():
        level = path.count(".") + 1
        inner = next(module.children(), None) is not None
        if not path and not alone:
            continue
        if (depth is not None and level > depth) or (leaves and inner):
            continue
        macs: Data = {each.engine: each.modules.get(path, 0) for each in found.measured}
        params = sum(p.numel() for p in module.parameters())
        if params or any(macs.values()):
            ours = found.best.modules.get(path, 0)
            yield {
                "module": path or "whole",
                "level": 1 if leaves else level,
                "type": type(module).__name__,
                "params": params,
                "macs": ours,
                **macs,
                "share": None if found.answer is None else ours / whole,
            }


def _with_own(found: Counted, named: list[Data], *, leaves: bool) -> list[Data]:
    """The rows, and one more for what code and parameters outside of them cost."""
    parts = [row for row in named if row["level"] == 1]
    if not parts or parts[0]["module"] == "whole":
        return named
    own = {
        str(each.engine): int(each.macs) - sum(row[each.engine] for row in parts)
        for each in found.measured
    }
    _, *modules = found.module.modules()
    if leaves:
        modules = [each for each in modules if next(each.children(), None) is None]
    inside = {id(p) for each in modules for p in each.parameters()}
    params = [p.numel() for p in found.module.parameters() if id(p) not in inside]
    if not (params or any(own.values())):
        return named
    macs = own[found.best.engine]
    whole = max(int(found.best.macs), 1)
    row: Data = {
        "module": "(own)",
        "level": 1,
        "type": type(found.module).__name__,
        "params": sum(params),
        "macs": macs,
        **own,
        "share": None if found.answer is None else macs / whole,
    }
    return [*named, row]


def _operators(found: Counted) -> list[Data]:
    """Convolutions and matrix products, with each engine's names of them."""
    whole = max(int(found.best.macs), 1)
    table = []
    for name in KINDS:
        row: Data = {"operator": name}
        for each in found.measured:
            row[each.engine] = each.by_kind()[name]
            calls = {op: n for op, n in each.calls.items() if kind(op) == name}
            row[f"{each.engine}_calls"] = calls
        if any(row[f"{each.engine}_calls"] for each in found.measured):
            best = row[found.best.engine]
            share = None if found.answer is None else best / whole
            table.append({**row, "macs": best, "share": share})
    return table


def _left_out(found: Counted) -> list[Data]:
    """Operators that are no MACs; what fvcore counts of them all the same."""
    table: dict[str, Data] = {}
    for each in found.measured:
        more = _besides(each)
        for name, calls in {**dict.fromkeys(more), **each.free}.items():
            row = table.setdefault(plain(name), {"operator": plain(name)})
            row[f"{each.engine}_calls"] = calls
            row["fvcore_counts"] = more.get(name, row.get("fvcore_counts"))
            row["multiplies"] = name in each.skipped or row.get("multiplies", False)
    return sorted(table.values(), key=lambda row: -(row.get("fvcore_counts") or 0))


def _measured(attempt: Attempt) -> Data:
    """What an engine said, with all its calls, for JSON."""
    measured = attempt.measured
    if measured is None:
        return {"engine": attempt.engine, "error": attempt.error}
    return {
        **(rows.measured(measured) or {}),
        "calls": dict(measured.calls),
        "taught": dict(measured.taught),
        "skipped": measured.skipped,
        "free": dict(measured.free),
    }


def _columns(by: By, engines: Sequence[str], units: Units) -> list[Column]:
    if by == "operator":
        what = [
            Column.words("operator"),
            *(Column(f"{each} calls", f"{each}_calls", _calls) for each in engines),
        ]
    else:
        what = [
            Column("module", "", _indented, justify="left"),
            Column.words("type"),
            document.PARAMS,
        ]
    return [
        *what,
        *(document.macs_column(units, each, suffix=f" by {each}") for each in engines),
        document.SHARE,
    ]


def _indented(row: Mapping[str, Any]) -> str:
    level, path = row.get("level", 1), str(row["module"])
    return path if level == 1 else "  " * (level - 1) + path.rpartition(".")[2]


def _calls(calls: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ×{n}" for name, n in calls.items())


_LEFT_OUT = [
    Column.words("operator"),
    Column("calls by fvcore", "fvcore_calls"),
    Column("calls by torch", "torch_calls"),
    Column("fvcore counts", "fvcore_counts", human),
]


def _record(row: Data) -> Data:
    """A row for a CSV: calls in words."""
    return {
        key: _calls(value) if isinstance(value, dict) else value
        for key, value in row.items()
        if key != "level"
    }
