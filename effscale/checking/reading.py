"""Rules that keep a file from loading, as loading itself finds them broken."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from effscale.checking.rule import Rule, replaced

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from effscale.checking.source import Source
    from effscale.errors import Fault, Place
    from effscale.spec.nodes import Node

TOO_LARGE = Rule(
    "EFF003",
    "too-large",
    "error",
    "The file is larger, deeper, or through its aliases longer than any spec.",
    "A few lines of aliases can stand for billions of values. What no spec needs "
    "is refused before it costs memory or time.",
    "source: [[[[[…]]]]]",
    "source: Tan & Le 2019",
)

OCTAL = Rule(
    "EFF108",
    "octal-number",
    "warning",
    "YAML reads a number as another than the one that is written, as 8 for 010.",
    "YAML 1.1 takes a leading zero for base 8, so that 064 is 52, and colons for base "
    "60, so that 3:44 is 224; other readers take them otherwise. Write the number as "
    "it is meant; --fix --unsafe-fixes writes what YAML reads.",
    "{channels: 064}",
    "{channels: 52}",
    applies="unsafe",
    help="--fix --unsafe-fixes writes the number that YAML reads",
)

RULES = (
    OCTAL,
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
        "The file is not UTF-8 text.",
        "YAML files are read as UTF-8 everywhere, whatever the system's own encoding. "
        "Save the file as UTF-8; an image or an archive is no spec.",
        "name: caf\\xe9",
        "name: cafe",
    ),
    TOO_LARGE,
    Rule(
        "EFF004",
        "not-yaml",
        "error",
        "The text breaks YAML's own rules.",
        "The rest of the file cannot be read before this is fixed, so it may hide "
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
        "mappings, so no file can run code. Merge keys, `<<`, are not read, either.",
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
        "A key is not one of the language's at that place.",
        "An unknown key would be ignored in silence, and the network would be another "
        "than the file says. One that is close to just one known key is fixed.",
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
        "A word is not one of those that are possible at that place.",
        "The words are those of the papers and of torch. One that is close to just one "
        "of them is fixed, if asked to: it decides what the network is.",
        "activation: silou",
        "activation: silu",
        applies="unsafe",
    ),
    Rule(
        "EFF106",
        "key-no-name",
        "error",
        "A key is not a word, or not a name where a name is expected.",
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
    Rule(
        "EFF202",
        "even-kernel",
        "error",
        "A kernel's side is even.",
        "An even kernel has no middle: the feature map would shift by half a pixel, "
        "and padding by k // 2 would change its size.",
        "{kernel: 4}",
        "{kernel: 5}",
        help="3 and 5 are the usual sides",
    ),
    Rule(
        "EFF203",
        "image-too-small",
        "error",
        "An image side is below the network's total stride: a feature map would shrink "
        "below one pixel.",
        "Each stride divides the feature map. When less than a pixel is left, further "
        "stages see nothing but padding. Raise the resolution, or lower a stride.",
        "resolution: 16    # strides 2, 2, 2, 2, 2",
        "resolution: 32",
        applies="unsafe",
        help="raise the resolution, or lower a stride",
    ),
    Rule(
        "EFF205",
        "broken-chain",
        "error",
        "A stage's c_in is not what the stage before it puts out.",
        "Input channels follow from the stage before, and need not be stated; stated, "
        "they catch a stage that was inserted, moved or widened without its neighbour.",
        "- {channels: 16}\n- {c_in: 24, channels: 32}",
        "- {channels: 16}\n- {c_in: 16, channels: 32}",
        applies="unsafe",
        help="c_in may be left out: it follows from the stage before",
    ),
    Rule(
        "EFF208",
        "lines-misfit",
        "error",
        "Lines are incompatible: in channels, groups, sizes or their own numbers.",
        "Branches that are summed have one width, groups divide the channels, a cell "
        "reads states that are there. The message says what is expected, and of what.",
        "{kernel: 3, channels: 32, groups: 5}",
        "{kernel: 3, channels: 32, groups: 4}",
    ),
    Rule(
        "EFF215",
        "line-misread",
        "error",
        "A line reads what is not there above it, or is read by nothing.",
        "`reads:` names lines above: by their `name`, `stage 3` by number, `stem`, or "
        "`image`. What a line makes is read by another, or is the last.",
        "- {name: up, reads: [p5]}\n- {name: p5, block: upsample, factor: 2}",
        "- {name: p5, block: upsample, factor: 2}\n- {name: up, reads: [p5, stage 3]}",
    ),
    Rule(
        "EFF401",
        "unknown-backbone",
        "error",
        "The backbone cannot be found, or has no variant of that name.",
        "`backbone:` names a built-in baseline, or a classifier's file beside this "
        "one, and brings its stem and stages. Its variants are named in "
        "`scaling.backbones`, in the order of φ.",
        "backbone: b3    # a variant of b0",
        "backbone: b0\nscaling: {backbones: [b0, b1, b2, b3]}",
    ),
    Rule(
        "EFF402",
        "no-such-tap",
        "error",
        "A level of the neck has no backbone stage with that stride.",
        "Level l is 1/2^l of the image. The lowest ones are stages of that stride, the "
        "last of each unless `taps:` names others; higher ones are pooled from the "
        "last.",
        "neck: {levels: [3, 7], taps: [2, 4, 6]}    # of stride 4, 16, 32",
        "neck: {levels: [3, 7], taps: [3, 5, 7]}",
    ),
    Rule(
        "EFF403",
        "levels-misfit",
        "error",
        "A node's level is not one of the neck's, or a wiring needs other levels.",
        "A neck puts out a map for each of its levels, and its nodes are of these. "
        "NAS-FPN is wired for five levels.",
        "neck: {levels: [3, 6], wiring: nas_fpn}",
        "neck: {levels: [3, 7], wiring: nas_fpn}",
    ),
    Rule(
        "EFF404",
        "neck-misfit",
        "error",
        "Nodes or layers of a neck do not fit each other.",
        "A node reads inputs (p3, p4, …) and nodes above it, is read or the last of "
        "its level, and keeps the neck's channels. The message says what is expected.",
        "nodes: {a: {level: 4, reads: [p4, b]}, b: {level: 5, reads: [p5]}}",
        "nodes: {b: {level: 5, reads: [p5]}, a: {level: 4, reads: [p4, b]}}",
    ),
    Rule(
        "EFF405",
        "heads-misfit",
        "error",
        "Layers of the heads are not what levels can share, or what can predict.",
        "The heads' convolutions have one set of weights for all levels, and batch "
        "norms of each. The last convolution becomes the one that predicts.",
        "heads: {layers: [{kernel: 3}, {block: depthwise, kernel: 3}]}",
        "heads: {layers: [{block: depthwise, kernel: 3}, {kernel: 1}]}",
    ),
)


#: Whole numbers of YAML 1.1 in base 8, and numbers in base 60.
BASES = {
    "octal": re.compile(r"[-+]?0[0-7_]*[1-7][0-7_]*"),
    "base 60": re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"),
}


def findings(source: Source) -> Iterator[Fault]:
    """What keeps a file from loading, and numbers that are not what they look like."""
    yield from source.faults
    for place, node in _numbers(source.root, (), set()):
        written = source.text[node.start : node.end[2]]
        for base, pattern in BASES.items():
            if pattern.fullmatch(written):
                message = f"expected a number in base 10, got {written}, which YAML"
                said = f"{message} reads as {base}: {node.value}"
                edits = (replaced(node, node.value),)
                yield OCTAL.at(source, place, said, edits=edits)


def _numbers(node: Node, place: Place, seen: set[int]) -> Iterator[tuple[Place, Node]]:
    """Every number of a file, each once where aliases repeat it."""
    inner: Iterable[tuple[str | int, Node]] = ()
    if isinstance(node.value, dict):
        inner = node.value.items()
    elif isinstance(node.value, list):
        inner = enumerate(node.value)
    elif type(node.value) in {int, float}:
        yield place, node
    for step, child in inner:
        if child.start not in seen:
            seen.add(child.start)
            yield from _numbers(child, (*place, step), seen)
