"""EFF0 and EFF1: what keeps a file from loading, as loading finds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.check.rule import Edit, Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from effscale.check.source import Source
    from effscale.errors import Fault

SYNTAX = (
    Rule(
        "EFF001",
        "unreadable-file",
        "error",
        "The system does not let the file be read.",
        "A file that CI cannot read is a file that CI does not check. Look at its "
        "permissions, and whether it is a link to something that is gone.",
        "chmod 000 specs/b0.yaml",
        "chmod 644 specs/b0.yaml",
    ),
    Rule(
        "EFF002",
        "not-utf8",
        "error",
        "The file is no UTF-8 text.",
        "YAML files are read as UTF-8 everywhere, whatever the system's own encoding. "
        "Save the file as UTF-8; an image or an archive is no spec.",
        "name: caf\\xe9",
        "name: cafe",
    ),
    Rule(
        "EFF003",
        "too-large",
        "error",
        "The file is larger, deeper, or through its aliases longer than any spec.",
        "A few lines of aliases can stand for billions of values. What no spec needs "
        "is refused before it costs memory or time.",
        "source: [[[[[…]]]]]",
        "source: Tan & Le 2019",
    ),
    Rule(
        "EFF004",
        "not-yaml",
        "error",
        "The text breaks YAML's own rules.",
        "The rest of the file cannot be read before this is mended, so it may hide "
        "more. Tabs that indent, and a bracket that is never closed, are the usual "
        "causes; what is at fault often stands a line above.",
        "stem: {kernel: 3, stride: 2",
        "stem: {kernel: 3, stride: 2}",
    ),
    Rule(
        "EFF005",
        "undefined-alias",
        "error",
        "An alias, *name, has no anchor, &name, above it.",
        "Aliases refer to what stands above them in the same file; a spec can do "
        "without: it is short.",
        "resolution: *size",
        "resolution: 224",
    ),
    Rule(
        "EFF006",
        "second-document",
        "error",
        "The file holds a second YAML document.",
        "A file is one spec, so that a path names one network. Related networks are "
        "variants of one spec, or files of their own.",
        "name: b0\n---\nname: b1",
        "name: b0",
    ),
    Rule(
        "EFF007",
        "tagged-value",
        "error",
        "A value is not plain: its tag asks for something else to be made of it.",
        "Nothing is ever constructed from a spec but numbers, texts, lists and "
        "mappings, so no file can run code. `<<` merges nothing here, either.",
        "kernel: !!python/name:os.getcwd ''",
        "kernel: 3",
    ),
    Rule(
        "EFF008",
        "empty-file",
        "error",
        "The file holds no value at all.",
        "An empty file is most often one that was never written, or that a failed step "
        "of a build left behind.",
        "# nothing but a comment",
        "name: b0",
    ),
)

SCHEMA = (
    Rule(
        "EFF101",
        "missing-key",
        "error",
        "A key is missing that has no default.",
        "There is nothing that the program could assume. README.md has the whole "
        "language on one page.",
        "stem: {stride: 2, channels: 32}",
        "stem: {kernel: 3, stride: 2, channels: 32}",
    ),
    Rule(
        "EFF102",
        "unknown-key",
        "error",
        "A key is none that the language knows there.",
        "An unknown key would be ignored in silence, and the network would be another "
        "than the file says. One that is close to just one known key is mended.",
        "{kernal: 3, stride: 1}",
        "{kernel: 3, stride: 1}",
        applies="safe",
    ),
    Rule(
        "EFF103",
        "duplicate-key",
        "error",
        "A key stands twice in one mapping.",
        "YAML readers take one of the two in silence, and not all the same one.",
        "{kernel: 3, kernel: 5}",
        "{kernel: 5}",
        help="keep one of the two",
    ),
    Rule(
        "EFF104",
        "wrong-value",
        "error",
        "A value is of the wrong kind, or out of its range.",
        "Values are taken as they stand: `true` is no number, 3.0 is no whole one, and "
        "'3' in quotes is a text.",
        "{kernel: 3.0}",
        "{kernel: 3}",
    ),
    Rule(
        "EFF105",
        "unknown-word",
        "error",
        "A word is none of those that are possible there.",
        "The words are those of the papers and of torch. One that is close to just one "
        "of them is mended, if asked to: it decides what the network is.",
        "activation: silou",
        "activation: silu",
        applies="unsafe",
    ),
    Rule(
        "EFF106",
        "key-no-name",
        "error",
        "A key is no word, or no name where a name is asked for.",
        "Keys are looked up by name. A variant's name becomes part of `my.yaml@name`.",
        "variants: {1.5: {resolution: 240}}",
        "variants: {x1.5: {resolution: 240}}",
    ),
    Rule(
        "EFF107",
        "wrong-section",
        "error",
        "A list, or keys and values, are expected where something else stands.",
        "Most often an indentation or a dash is missing, so that what was meant to be "
        "below the key stands beside it.",
        "stem: 3",
        "stem: {kernel: 3, stride: 2, channels: 32}",
    ),
)

RULES = {rule.code: rule for rule in (*SYNTAX, *SCHEMA)}


def findings(source: Source, rules: dict[str, Rule]) -> Iterator[Finding]:
    """Each fault under its rule, of all `rules`."""
    for fault in source.faults:
        rule = rules[fault.code]
        where = f"{fault.place}: " if fault.place else ""
        edits, hint = _meant(source, fault)
        yield Finding(
            fault.path,
            fault.line,
            fault.column,
            fault.end_line or fault.line,
            fault.end_column or fault.column,
            fault.code,
            f"{where}{fault.message}",
            rule.severity,
            hint or rule.help,
            edits,
            rule.applies if edits else None,
        )


def _meant(source: Source, fault: Fault) -> tuple[tuple[Edit, ...], str]:
    """The word that was meant in the place of the one there, and how to say so."""
    word = fault.suggestion or fault.instead
    if not word:
        return (), ""
    start = source.offset(fault.line, fault.column)
    end = source.offset(fault.end_line, fault.end_column)
    return (
        Edit(start, end, word),
    ), f"did you mean {word!r}?" if fault.suggestion else ""
