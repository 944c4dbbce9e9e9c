"""Any edit of a file, loading or not: `--fix` keeps its meaning and its comments."""

from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from effscale.checking.catalogue import RULES
from effscale.checking.fix import fixed
from effscale.checking.source import Source
from tests.checking.corpus import FILES, FOLDER

SPECS = sorted((Path(__file__).parents[2] / "specs").glob("*.yaml"))
SMALL_ENOUGH = 4_000
IGNORE = re.compile(r"#[ \t]*effscale:[ \t]*ignore\b")
COMMENTS = (
    *("# why", "# effscale: ignore[EFF206] see ticket 7", "# effscale: ignore[EFF201]"),
    *("# a: b", "# effscale: ignore[EFF206, EFF301] as in #12", "# effscale: ignore"),
    *("# it's {so", "#\u00a0\U0001f600 wide", "# note # effscale: ignore[EFF204] x: y"),
)
PIECES = (
    *("#", " #", "# ", "'", '"', ":", ": ", ",", "{", "}", "[", "]", "- ", "|", ">"),
    *("&a ", "*a", "<<: ", "!!str ", "\t", "\n", "\r\n", " ", "? ", "---\n", "%", "\\"),
    *("0", "-1", "null", "97", "true", "x", "\u00e9", "\U0001f600", "block", "kernal"),
)


def comments(text: str) -> list[str]:
    """What PyYAML's own scanner, in Python, skips between two tokens from a # on."""
    found: list[str] = []
    behind = 0
    try:
        tokens = list(yaml.scan(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError:  # some tabs, which the scanner in C takes
        tokens = list(yaml.scan(text, Loader=yaml.CSafeLoader))
    for token in tokens:
        start = token.start_mark.index
        gap = text[behind:start] if start > behind else ""
        found += [each.strip() for each in re.findall("#[^\r\n\x85\u2028\u2029]*", gap)]
        behind = max(behind, token.end_mark.index)
    return found


def edit(text: str, dice: random.Random) -> str:
    """`text` after one edit of the kinds that hands make."""
    lines = text.split("\n")
    at = dice.randrange(len(text) + 1)
    line = dice.randrange(len(lines))
    words = [match.span() for match in re.finditer(r"[a-z_]{4,}", text)]
    start, end = dice.choice(words) if words else (0, 0)
    match dice.randrange(8):
        case 0 if words:  # two letters change places
            k = dice.randrange(start, end - 1)
            return text[:k] + text[k + 1] + text[k] + text[k + 2 :]
        case 1 if words:  # a letter is lost
            k = dice.randrange(start, end)
            return text[:k] + text[k + 1 :]
        case 2 | 3:
            lines[line] += dice.choice([" ", "  ", ""]) + dice.choice(COMMENTS)
        case 4:
            lines.insert(line, dice.choice(lines))
        case 5:
            del lines[line]
        case 6:
            other = dice.randrange(len(lines))
            lines[line], lines[other] = lines[other], lines[line]
        case _:
            return text[:at] + dice.choice(PIECES) + text[at + dice.randrange(3) :]
    return "\n".join(lines)


def stuck(source: Source) -> int:
    """Faults that no fix mends, those included that are not said beside another."""
    return sum((not each.edits) + each.implies for each in source.faults)


def judge(text: str) -> bool:
    """Whether `--fix` changes the text; it must be for the better."""
    before = Source.of("x.yaml", text)
    after, count = fixed(before, RULES, {"safe"})
    assert (count > 0) == (after.text != text)
    assert fixed(after, RULES, {"safe"}) == (after, 0)
    if not count:
        return False
    kept = Counter(comments(after.text))
    if before.faults:
        assert stuck(after) <= stuck(before) or after.spec is not None
    else:
        assert not after.faults
        assert after.spec == before.spec
        assert yaml.safe_load(after.text) == yaml.safe_load(text)
    lost = Counter(comments(text)) - kept
    assert all(IGNORE.search(each) for each in lost)
    new = kept - Counter(comments(text))
    assert all(any(before.startswith(each[:8]) for before in lost) for each in new)
    for word in re.findall(r"[\w#]+", " ".join(new)):
        assert word in " ".join(lost)
    return True


def texts() -> list[str]:
    found = [path.read_text("utf-8") for path in SPECS]
    found += [(FOLDER / name).read_bytes().decode("utf-8", "replace") for name in FILES]
    return [each for each in found if len(each) < SMALL_ENOUGH]


def run(seeds: range) -> int:
    """How many of so many edited files are mended in part or whole."""
    given, mended = texts(), 0
    for seed in seeds:
        dice = random.Random(seed)  # noqa: S311
        text = dice.choice(given)
        for _ in range(dice.randint(1, 5)):
            text = edit(text, dice)
        mended += judge(text)
    return mended


@pytest.mark.slow
def test_a_fix_keeps_the_meaning_and_the_comments_of_any_edited_file() -> None:
    assert run(range(150)) > 20  # else it tests nothing
