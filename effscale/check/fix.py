"""Mending: edits made in the text, and kept only if they make it better."""

from __future__ import annotations

from bisect import bisect_right, insort
from difflib import unified_diff
from typing import TYPE_CHECKING

from effscale.check.catalogue import applies_to
from effscale.check.run import Checked, Outcome, check

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from effscale.check.rule import Applies
    from effscale.check.source import Source
    from effscale.errors import Edit, Fault

#: Findings of one file that are mended one by one; more are mended together or not.
PATIENCE = 20

Weight = tuple[int, int, int]


def checked(
    sources: Sequence[Source], enabled: Collection[str], applies: Collection[Applies]
) -> Outcome:
    """What is found in each file, once what may be mended is."""
    files = []
    for source in sources:
        after, count = fixed(source, enabled, applies) if applies else (source, 0)
        files.append(Checked(after, tuple(check(after, enabled)), count))
    return Outcome(tuple(files))


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

    What `applies` says is made, figures last; every step leaves fewer faults that keep
    the file from loading, or as many and fewer findings. So it ends, and doing it again
    changes nothing.
    """
    done = 0
    for kinds in ({*applies} - {"update"}, {*applies} & {"update"}):
        source, count = _mended(source, enabled, kinds)
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
    weight = _weight(source, found)
    batches = [_disjoint(wanted)]
    if len(wanted) <= PATIENCE:
        batches += [[each] for each in wanted]
    for batch in filter(None, batches):
        text = edited(source.text, (edit for each in batch for edit in each.edits))
        after = source.become(text)
        safe = all(applies_to(each) == "safe" for each in batch)
        if text == source.text or (safe and not _same(source, after)):
            continue
        if _weight(after, check(after, enabled)) < weight:
            return after, len(batch)
    return source, 0


def _same(before: Source, after: Source) -> bool:
    return bool(before.faults) or before.spec == after.spec


def _weight(source: Source, found: list[Fault]) -> Weight:
    """How wrong a file is: what keeps it from loading, other findings, its figures.

    Expected figures come last, since a fix that changes the network changes them.
    """
    figures = sum(finding.code == "EFF301" for finding in found)
    return len(source.faults), len(found) - figures, figures


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
