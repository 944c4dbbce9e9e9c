"""EFF2: what a network's numbers must be to each other."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from effscale.arrays import nearest
from effscale.check.rule import Edit, Finding, Rule
from effscale.check.source import Counted
from effscale.spec.sizes import least_sides, pads_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    from effscale.check.source import Source
    from effscale.spec.models import Spec
    from effscale.spec.nodes import Node, Place

CHANNELS = Rule(
    "EFF201",
    "channel-multiple",
    "warning",
    "Channels are no multiple of the spec's channel_divisor.",
    "Kernels for GPUs and phones work on channels by the eight; a width in between "
    "costs what the next multiple does, and scaling would round it away. "
    "--unsafe-fixes takes the nearest multiple. A network that is meant so "
    "states its own `rounding: {channel_divisor: …}`. What is `published:`, and still "
    "as it is `expected:`, is a matter of record and left alone.",
    "stem: {kernel: 3, stride: 2, channels: 30}",
    "stem: {kernel: 3, stride: 2, channels: 32}",
    applies="unsafe",
)
KERNEL = Rule(
    "EFF202",
    "even-kernel",
    "error",
    "A kernel's side is even.",
    "An even kernel has no middle: the feature map would shift by half a pixel, and "
    "padding by k // 2 would change its size.",
    "{kernel: 4}",
    "{kernel: 5}",
    help="3 and 5 are the usual sides",
)
IMAGE = Rule(
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
)
CHAIN = Rule(
    "EFF205",
    "broken-chain",
    "error",
    "A stage's c_in is not what the stage before it puts out.",
    "Input channels follow from the stage before, and need not be stated; stated, they "
    "catch a stage that was inserted, moved or widened without its neighbour.",
    "- {channels: 16}\n- {c_in: 24, channels: 32}",
    "- {channels: 16}\n- {c_in: 16, channels: 32}",
    applies="unsafe",
    help="c_in may be left out: it follows from the stage before",
)
STRIDE = Rule(
    "EFF206",
    "resolution-multiple",
    "warning",
    "An image side is no multiple of the network's total stride.",
    "A stride on an odd side rounds up, so the last feature maps cost as much as those "
    "of the next multiple (effscale scale --sweep resolution=… shows the steps). What "
    "is `published:`, and still as it is `expected:`, is a matter of record and left "
    "alone. --unsafe-fixes takes the nearest multiple.",
    "resolution: 230    # total stride 32",
    "resolution: 224",
    applies="unsafe",
)
IMPOSSIBLE = Rule(
    "EFF207",
    "impossible-network",
    "error",
    "The spec, or a variant of it, is no network that can exist.",
    "Each number is in its range, and yet scaling leaves it, or the layers do not fit. "
    "The message says which.",
    "large: {width_multiplier: 100, resolution: 224}    # of 20,000 channels",
    "large: {width_multiplier: 10, resolution: 224}",
)
MISFIT = Rule(
    "EFF208",
    "lines-misfit",
    "error",
    "Lines of the network do not fit each other, or a line its own numbers.",
    "Branches that are summed have one width, groups divide the channels, a cell reads "
    "states that are there. The message says what is expected, and of what.",
    "{kernel: 3, channels: 32, groups: 5}",
    "{kernel: 3, channels: 32, groups: 4}",
)
RULES = (CHANNELS, KERNEL, IMAGE, CHAIN, STRIDE, IMPOSSIBLE, MISFIT)

#: Sections whose `channels` are a network's widths.
WIDTHS = ("blocks", "stem", "stages", "head", "neck")


def findings(source: Source) -> Iterator[Finding]:
    """What is odd about the structure of a spec whose every value is right."""
    spec = source.spec
    if spec is None:
        return
    divisor = spec.rounding.channel_divisor
    for place, node in _widths(source.root):
        if int(node.value) % divisor and not _of_record(source, ()):
            yield _snapped(source, place, node, divisor)
    yield from _resolutions(source, spec)


def _widths(node: Node, place: Place = ()) -> Iterator[tuple[Place, Node]]:
    """Every number of channels that the file states for its network, in order."""
    if isinstance(node.value, dict):
        names = [name for name in WIDTHS if name in node.value]
        for name in node.value if place else names:
            yield from _widths(node.value[name], (*place, name))
    elif isinstance(node.value, list):
        for index, child in enumerate(node.value):
            yield from _widths(child, (*place, index))
    elif "channels" in place[-2:] and type(node.value) is int:
        yield place, node


def _of_record(source: Source, place: Place) -> bool:
    counted = source.networks.get(place)
    return isinstance(counted, Counted) and counted.is_of_record


def _snapped(source: Source, place: Place, node: Node, divisor: int) -> Finding:
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


def _resolutions(source: Source, spec: Spec) -> Iterator[Finding]:
    """Sides that waste part of a stride."""
    if not pads_all(spec):
        return  # its sizes follow from kernels, too
    if spec.neck is not None:
        return  # its levels ask for more
    what = "the network's total stride"
    yield from unlike_multiples(source, spec, STRIDE, least_sides(spec), what)


def unlike_multiples(
    source: Source, spec: Spec, rule: Rule, strides: tuple[int, int], what: str
) -> Iterator[Finding]:
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


def replaced(node: Node, value: object) -> Edit:
    """The edit that writes `value` over what `node` says."""
    return Edit(node.start, node.end[2], str(value))
