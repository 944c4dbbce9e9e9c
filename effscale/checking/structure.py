"""EFF2 and EFF406: widths and sides that are legal, and most likely not meant."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from effscale.arrays import nearest
from effscale.checking.rule import Rule, replaced
from effscale.cost.count import Counted
from effscale.errors import dotted
from effscale.spec.geometry import covering, least_sides, pads_all, uncovered
from effscale.spec.lines import MBConv
from effscale.spec.values import of_block

if TYPE_CHECKING:
    from collections.abc import Iterator

    from effscale.checking.source import Source
    from effscale.cost.count import PartCost
    from effscale.errors import Fault, Place
    from effscale.spec.line import Line
    from effscale.spec.models import Spec
    from effscale.spec.nodes import Node

CHANNELS = Rule(
    "EFF201",
    "channel-multiple",
    "warning",
    "Channels are not a multiple of the spec's channel_divisor.",
    "Kernels for GPUs and phones work on channels by the eight; a width in between "
    "costs what the next multiple does, and scaling would round it away. "
    "--unsafe-fixes takes the nearest multiple. A network that is meant so "
    "states its own `rounding: {channel_divisor: …}`. What is `published:`, and still "
    "as it is `expected:`, is a matter of record and left alone.",
    "stem: {kernel: 3, stride: 2, channels: 30}",
    "stem: {kernel: 3, stride: 2, channels: 32}",
    applies="unsafe",
)
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
STRIDE = Rule(
    "EFF206",
    "resolution-multiple",
    "warning",
    "An image side is not a multiple of the network's total stride.",
    "A stride on an odd side rounds up, so the last feature maps cost as much as those "
    "of the next multiple (effscale scale --sweep resolution=… shows the steps). What "
    "is `published:`, and still as it is `expected:`, is a matter of record and left "
    "alone. --unsafe-fixes takes the nearest multiple.",
    "resolution: 230    # total stride 32",
    "resolution: 224",
    applies="unsafe",
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
UNCOVERED = Rule(
    "EFF210",
    "window-uncovered",
    "warning",
    "A window without padding covers a whole map, but in a variant only a part.",
    "A 7×7 pool of a 7×7 map makes one position of it; of an 8×8 map it makes four, "
    "and the variant is another network behind it. A head pools the whole map by "
    "itself, whatever its size; or the variant keeps the resolution.",
    "resolution: 224    # 1/32 is 7×7\nhead: {layers: [{block: avg_pool, kernel: 7, "
    "padding: valid}]}\nvariants: {large: {resolution: 256}}",
    "resolution: 224\nhead: {}\nvariants: {large: {resolution: 256}}",
)
MULTIPLE = Rule(
    "EFF406",
    "level-multiple",
    "warning",
    "An image side is not a multiple of the highest level's stride.",
    "Maps are halved from level to level and brought back to twice their size; where a "
    "side was odd, the two no longer lie over each other. Five levels from P3 ask for "
    "multiples of 128. What is `published:`, and still as it is `expected:`, is a "
    "matter of record and left alone. --unsafe-fixes takes the nearest multiple.",
    "resolution: 600    # P7 is 1/128",
    "resolution: 640",
    applies="unsafe",
)
RULES = (CHANNELS, SQUEEZE, STRIDE, EXPANSION, UNCOVERED, MULTIPLE)

#: Sections whose `channels` are a network's widths.
WIDTHS = ("blocks", "stem", "stages", "head", "neck")


def findings(source: Source) -> Iterator[Fault]:
    """What is odd about the structure of a spec whose every value is right."""
    spec = source.spec
    if spec is None:
        return
    divisor = spec.rounding.channel_divisor
    for place, node in _widths(source.root):
        if int(node.value) % divisor and not _of_record(source, ()):
            yield _snapped(source, place, node, divisor)
    yield from _resolutions(source, spec)
    counted = source.networks.get(())
    if isinstance(counted, Counted):
        yield from _squeezes(source, counted)
        yield from _expansions(source, counted)
        yield from _uncovered(source, counted.spec)


def _widths(node: Node, place: Place = ()) -> Iterator[tuple[Place, Node]]:
    """Every number of channels that scaling rounds, in the order of the file."""
    if isinstance(node.value, dict):
        names = [name for name in WIDTHS if name in node.value]
        stays = "fixed" in node.value and node.value["fixed"].value is True
        for name in node.value if place else names:
            if not (stays and name == "channels"):
                yield from _widths(node.value[name], (*place, name))
    elif isinstance(node.value, list):
        for index, child in enumerate(node.value):
            yield from _widths(child, (*place, index))
    elif "channels" in place[-2:] and type(node.value) is int:
        yield place, node


def _of_record(source: Source, place: Place) -> bool:
    counted = source.networks.get(place)
    return isinstance(counted, Counted) and counted.is_of_record


def _snapped(source: Source, place: Place, node: Node, divisor: int) -> Fault:
    channels = int(node.value)
    near = max(divisor, nearest(channels / divisor) * divisor)
    edits = [replaced(node, near)]
    after = source.root.at(_following(place))
    if after.value == channels and after.start != node.start:
        edits.append(replaced(after, near))
    message = f"expected a multiple of {divisor} (channel_divisor), got {channels}"
    return CHANNELS.at(
        source, place, message, hint=f"the nearest is {near}", edits=tuple(edits)
    )


def _following(place: Place) -> Place:
    """Where the stage after this width may state it as its c_in."""
    match place:
        case ("stem", *_):
            return ("stages", 0, "c_in")
        case ("stages", int(index), "channels"):
            return ("stages", index + 1, "c_in")
        case _:
            return ()


def _resolutions(source: Source, spec: Spec) -> Iterator[Fault]:
    """Sides that waste part of a stride, or of the highest level."""
    if spec.detector:
        if not source.faults:
            neck, _ = spec.detector
            highest = neck.levels[1]
            side = 2**highest
            what = f"1/{side} is the highest level, P{highest}"
            yield from _unlike(source, spec, MULTIPLE, (side, side), what)
    elif pads_all(spec):  # else its sizes follow from kernels, too
        what = "the network's total stride"
        yield from _unlike(source, spec, STRIDE, least_sides(spec), what)


def _unlike(
    source: Source, spec: Spec, rule: Rule, strides: tuple[int, int], what: str
) -> Iterator[Fault]:
    """Sides that are no multiple of these; what is published is as it is."""
    stated: list[Place] = [("resolution",)]
    stated += [("variants", name, "resolution") for name in spec.variants]
    for place in stated:
        node = source.root.at(place)
        sides = node.value if isinstance(node.value, list) else [node]
        recorded = partial(_of_record, source, place[:-1])
        for index, side in enumerate(sides):
            total = strides[index] if len(sides) > 1 else max(strides)
            if side.value > total and side.value % total and not recorded():
                where = (*place, index) if len(sides) > 1 else place
                near = max(total, nearest(side.value / total) * total)
                message = f"expected a multiple of {total} ({what}), got {side.value}"
                edits = (replaced(side, near),)
                hint = f"the nearest is {near}"
                yield rule.at(source, where, message, hint=hint, edits=edits)


def _stages(counted: Counted) -> Iterator[tuple[int, Line, PartCost]]:
    """Each stage by its index, and what was counted of it."""
    for each in counted.parts:
        section, _, index = each.part.path.partition(".")
        if section == "stages" and index.isdigit():
            yield int(index), counted.spec.stages[int(index)], each


def _squeezes(source: Source, counted: Counted) -> Iterator[Fault]:
    """Stages whose narrowest block has less than a channel to squeeze to."""
    if counted.spec.squeeze_excite.of != "input":
        return
    for index, stage, each in _stages(counted):
        ratio = stage.said.get("se_ratio", 0)
        several = int(each.part.repeats) > 1
        widths = [each.input.channels, *([each.part.channels] if several else [])]
        narrow = min(int(width) for width in widths)
        if ratio and narrow * ratio < 1:
            of = f"one of the {narrow} channels of a block's input"
            message = f"expected at least {1 / narrow:.4g} ({of}), got {ratio:g}"
            yield SQUEEZE.at(source, ("stages", index, "se_ratio"), message)


def _expansions(source: Source, counted: Counted) -> Iterator[Fault]:
    """Stages whose first block expands to the width that it takes in."""
    for index, stage, each in _stages(counted):
        c_in = int(each.input.channels)
        if isinstance(stage, MBConv) and of_block(stage.c_mid, 0) == c_in:
            message = f"expected other than the {c_in} channels that come in"
            at = ("stages", index, "c_mid")
            yield EXPANSION.at(source, at, f"{message}, got {c_in}")


def _uncovered(source: Source, spec: Spec) -> Iterator[Fault]:
    """Variants of another size than a window that covered a whole map."""
    whole = covering(spec) if spec.variants else {}
    for name in spec.variants:
        counted = source.networks.get(("variants", name))
        if not isinstance(counted, Counted):
            continue
        for place, what in uncovered(whole, counted.spec).items():
            at = ("variants", name, "resolution")
            yield UNCOVERED.at(source, at, f"{dotted(place)}: {what}")
