"""Mending: edits made in the text, and kept only if they make it better."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import Counter
from dataclasses import replace
from difflib import unified_diff
from typing import TYPE_CHECKING

from effscale.checking.catalogue import applies_to
from effscale.checking.cost import BUDGET, latencies
from effscale.checking.ignores import UNUSED
from effscale.checking.order import ORDER
from effscale.checking.run import Checked, Outcome, check
from effscale.errors import Edit
from effscale.spec.nodes import compose

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from effscale.checking.rule import Applies
    from effscale.checking.source import Source
    from effscale.errors import Fault
    from effscale.spec.nodes import Node

#: Findings of one file that are mended one by one; more are mended together or not.
PATIENCE = 20

#: Mended by what changes no value: an order of keys, a comment.
SILENT = {ORDER.code, UNUSED.code}

Weight = tuple[int, int, int, int]


def checked(
    sources: Sequence[Source], enabled: Collection[str], applies: Collection[Applies]
) -> Outcome:
    """What is found in each file, once what may be mended is.

    What was read of one file is gone when the next is read.
    """
    files, unmeasured = [], 0
    for source in sources:
        unread = source.become(source.text)
        after, count = fixed(unread, enabled, applies) if applies else (unread, 0)
        found = tuple(  # what was tried, and left, is for hands
            replace(each, edits=()) if applies_to(each) in applies else each
            for each in check(after, enabled)
        )
        unmeasured += len(latencies(after))
        files.append(Checked(after.become(after.text), found, count))
    return Outcome(tuple(files), unmeasured=unmeasured * (BUDGET.code in enabled))


def changes(before: Sequence[Source], outcome: Outcome) -> Iterator[str]:
    """The lines of a diff of what was mended, each with its end."""
    for old, new in zip(before, (each.source for each in outcome.files), strict=True):
        a, b = (text.splitlines(keepends=True) for text in (old.text, new.text))
        for line in unified_diff(a, b, old.path, new.path):
            missing = "" if line.endswith("\n") else "\n\\ No newline at end of file\n"
            yield f"{line}{missing}"


def fixed(
    source: Source, enabled: Collection[str], applies: Collection[Applies]
) -> tuple[Source, int]:
    """The file with what may be mended mended, and how many findings that were.

    What `applies` says is made, figures last, and kept where it is shown to say what it
    was meant to, and to be better: more of the file can be read, or there are fewer
    faults that keep it from loading, or as many and fewer findings. So it ends, and
    doing it again changes nothing.
    """
    done = 0
    for kinds in ({*applies} - {"update"}, {*applies} & {"update"}):
        source, count = _mended(source, enabled, kinds) if kinds else (source, 0)
        done += count
    return source, done


def _mended(
    source: Source, enabled: Collection[str], applies: set[Applies]
) -> tuple[Source, int]:
    done = 0
    while True:
        found = check(source, enabled)
        wanted = [each for each in found if applies_to(each) in applies]
        better, made = _step(source, found, wanted, enabled)
        if better is source:
            return source, done
        source, done = better, done + made


def _step(
    source: Source,
    found: list[Fault],
    wanted: list[Fault],
    enabled: Collection[str],
) -> tuple[Source, int]:
    """A better file than `source`, if these edits, all or each for itself, make one."""
    if source.faults:  # of what cannot be read whole, nothing else can be judged
        wanted = [each for each in wanted if each in source.faults]
    weight = _weight(source, found)
    batches = [_disjoint(wanted)]
    if len(wanted) <= PATIENCE:
        batches += [[each] for each in wanted]
    for batch in filter(None, batches):
        text = edited(source.text, (edit for each in batch for edit in each.edits))
        after = source.become(text)
        if text == source.text or not _keeps(source, after, batch):
            continue
        if _weight(after, check(after, enabled)) < weight and _opens(source, after):
            return after, len(batch)
    return source, 0


def _keeps(before: Source, after: Source, batch: list[Fault]) -> bool:
    """Whether `after` says what `before` does but for what was to be mended.

    Comments are as they were, and a file that loads still does; safe edits change
    nothing of its spec.
    """
    if after.reading.root is None or _comments(before, batch) != _comments(after, []):
        return False
    edits = [edit for each in batch if each.code not in SILENT for edit in each.edits]
    written = {(edit.start, edit.end): edit.text for edit in edits}
    try:
        if _values(before.root, written) != _values(after.root, {}):
            return False
    except KeyError:
        return False
    if before.faults:
        return True
    safe = all(applies_to(each) == "safe" for each in batch)
    return not after.faults and (not safe or before.spec == after.spec)


def _values(node: Node, written: dict[tuple[int, int], str]) -> object:
    """The data of a node with other words written over some; types tell values apart.

    Raises:
        KeyError: if two keys become one.
    """
    if isinstance(node.value, dict):
        found = {}
        for name, child in node.value.items():
            key = node.keys[name]
            word = written.get((key.start, key.end[2]), name)
            if word in found:
                raise KeyError(word)
            found[word] = _values(child, written)
        return found
    if isinstance(node.value, list):
        return [_values(child, written) for child in node.value]
    value = node.value
    if (word := written.get((node.start, node.end[2]))) is not None:
        root, _ = compose(word, "")
        value = root.value if root else None
    return type(value), "nan" if value != value else value  # noqa: PLR0124


def _comments(source: Source, batch: list[Fault]) -> Counter[str]:
    """The comments of a file less those of the batch that are to go, in any order."""
    cuts = [e for each in batch if each.code == UNUSED.code for e in each.edits]
    found: Counter[str] = Counter()
    for start, end in source.comments:
        here = (
            Edit(max(cut.start, start) - start, min(cut.end, end) - start, cut.text)
            for cut in cuts
            if cut.start < end and start < cut.end
        )
        if left := edited(source.text[start:end], here).strip():
            found[left] += 1
    return found


def _weight(source: Source, found: list[Fault]) -> Weight:
    """How wrong a file is: what nobody looked at, what keeps it from loading, the rest.

    Expected figures come last, since a fix that changes the network changes them.
    """
    figures = sum(finding.code == "EFF301" for finding in found)
    unseen = sum(_unseen(source, fault) for fault in source.faults)
    implied = sum(fault.implies for fault in source.faults)
    return unseen, len(source.faults) + implied, len(found) - figures, figures


def _unseen(source: Source, fault: Fault) -> int:
    """The values that hide behind a misspelt key, or in a line of an unknown block."""
    node = source.root.at(fault.place)
    if fault.code == "EFF102":
        here = fault.line, fault.column
        return sum(
            node.value[name].size
            for name, key in node.keys.items()
            if (key.line, key.column) == here
        )
    if fault.code == "EFF105" and fault.place[-1:] == ("block",):
        return source.root.at(fault.place[:-1]).size
    return 0


def _opens(before: Source, after: Source) -> bool:
    """Whether no more is wrong than was, but for what can be mended in its turn.

    Of a file whose keys and values are right, at last, more may be said.
    """
    was, now = (
        sum((not fault.edits) + fault.implies for fault in each.faults)
        for each in (before, after)
    )
    return after.spec is not None or now <= was


def _disjoint(findings: Iterable[Fault]) -> list[Fault]:
    """Findings whose edits do not touch each other, the first of each conflict."""
    taken: list[tuple[int, int]] = []
    kept = []
    for finding in findings:
        if not any(_touches(edit, taken) for edit in finding.edits):
            kept.append(finding)
            for edit in finding.edits:
                insort(taken, (edit.start, edit.end))
    return kept


def _touches(edit: Edit, taken: list[tuple[int, int]]) -> bool:
    """Whether an edit reaches into one of those sorted ones, or up to it."""
    after = bisect_right(taken, (edit.end, edit.end))
    return after > 0 and taken[after - 1][1] >= edit.start


def edited(text: str, edits: Iterable[Edit]) -> str:
    """`text` with edits made that do not touch each other."""
    pieces, at = [], 0
    for edit in sorted(edits, key=lambda each: each.start):
        pieces += [text[at : edit.start], edit.text]
        at = edit.end
    return "".join([*pieces, text[at:]])
