"""EFF204 and EFF209: widths inside blocks, against those that come in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.check.rule import Finding, Rule
from effscale.check.source import Counted
from effscale.spec.lines import MBConv
from effscale.spec.types import of_block

if TYPE_CHECKING:
    from collections.abc import Iterator

    from effscale.check.source import Source

SQUEEZE = Rule(
    "EFF204",
    "narrow-squeeze",
    "warning",
    "se_ratio leaves less than one channel of a block's input.",
    "Squeeze-and-excitation would squeeze to a fraction of a channel, which is taken "
    "as one: the ratio is then not the one that the file states. Raise it, or leave it "
    "out for none.",
    "{channels: 8, se_ratio: 0.05}",
    "{channels: 8, se_ratio: 0.25}",
)
EXPANSION = Rule(
    "EFF209",
    "expansion-to-same",
    "warning",
    "An MBConv stage expands to as many channels as come in.",
    "Where a paper's table has an expanded width that is the input's own, its block "
    "has no expansion at all (MobileNetV3's first). `c_mid` states a convolution; "
    "`expand_ratio: 1` leaves it out.",
    "stem: {channels: 16}\nstages: [{block: mbconv, c_mid: 16}]",
    "stem: {channels: 16}\nstages: [{block: mbconv, expand_ratio: 1}]",
    help="expand_ratio: 1 leaves the expansion out",
)
RULES = (SQUEEZE, EXPANSION)


def findings(source: Source) -> Iterator[Finding]:
    """What is odd about the inside of blocks, in a network that can be counted."""
    counted = source.networks.get(()) if source.spec is not None else None
    if isinstance(counted, Counted):
        yield from _squeezes(source, counted)
        yield from _expansions(source, counted)


def _squeezes(source: Source, counted: Counted) -> Iterator[Finding]:
    """Stages whose narrowest block has less than a channel to squeeze to."""
    spec = counted.spec
    for each in counted.parts:
        section, _, index = each.part.path.partition(".")
        if section != "stages" or not index.isdigit():
            continue
        stage = spec.stages[int(index)]
        of_input = spec.squeeze_excite.of == "input"
        ratio = getattr(stage, "se_ratio", 0) if of_input else 0
        several = int(each.part.repeats) > 1
        widths = [each.input.channels, *([each.part.channels] if several else [])]
        narrow = min(int(width) for width in widths)
        if ratio and narrow * ratio < 1:
            place = ("stages", int(index), "se_ratio")
            message = (
                f"expected at least {1 / narrow:.4g} (one of the {narrow} channels of "
                f"a block's input), got {ratio:g}"
            )
            yield SQUEEZE.at(source, place, message)


def _expansions(source: Source, counted: Counted) -> Iterator[Finding]:
    """Stages whose first block expands to the width that it takes in."""
    stages = [each for each in counted.parts if each.part.path.startswith("stages.")]
    for index, each in enumerate(stages):
        stage = counted.spec.stages[index]
        c_in = int(each.input.channels)
        if isinstance(stage, MBConv) and of_block(stage.c_mid, 0) == c_in:
            message = (
                f"expected other than the {c_in} channels that come in, got {c_in}"
            )
            yield EXPANSION.at(source, ("stages", index, "c_mid"), message)
