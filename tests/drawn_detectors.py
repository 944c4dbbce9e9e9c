"""Random detectors, as a file would write them: backbone, neck, heads by level."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, get_args

from hypothesis import strategies as st

from effscale.spec.neck import Fusion, Wiring
from effscale.spec.values import Init
from tests.drawn_lines import CHANNELS, FLAGS, ODD, Data, blocks, cells, keeping

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

FUSIONS = st.sampled_from(get_args(Fusion))
WIRINGS = st.sampled_from(get_args(Wiring))
#: How many levels a wiring is for, where it is not for any number from 2 up.
EXACTLY = {"nas_fpn": 5}
LEAST = {"retinanet": 3}
#: Lines by which a feature map becomes half as large, but for `blocks` and cells.
HALVING: st.SearchStrategy[Data] = st.sampled_from(
    [
        {"block": "max_pool", "kernel": 3, "stride": 2},
        {"block": "avg_pool", "kernel": 2, "stride": 2},
        {"block": "depthwise", "kernel": 5, "stride": 2},
        {"block": "conv", "kernel": 3, "stride": 2, "channels": 8},
    ]
)
#: Lines behind the highest tap, which no detector has.
BEYOND: st.SearchStrategy[Data] = st.sampled_from(
    [
        {"block": "conv", "kernel": 3, "stride": [1, 2], "channels": 12},
        {"block": "avg_pool", "kernel": 3, "stride": 3},
    ]
)


class Drawn(NamedTuple):
    """A backbone: the file's keys for it, and its levels in order."""

    data: Data
    taps: dict[int, list[int]]  #: stages by level, counted from 1


@st.composite
def halving(draw: DrawFn) -> Data:
    """A stage of stride 2."""
    return draw(
        HALVING | blocks().filter(_has_stride).map(lambda b: {**b, "stride": 2})
    )


def _has_stride(line: Data) -> bool:
    return "stride" in line


@st.composite
def keeping_stages(draw: DrawFn) -> Data:
    """A stage that keeps the size."""
    flat = blocks().filter(lambda b: b["block"] != "transition")
    block = flat.map(lambda b: {**b, "stride": 1} if "stride" in b else b)
    step = keeping().map(lambda s: {"block": "conv", "channels": 8, **s})
    convs = step.map(
        lambda s: s if s["block"] == "conv" else {**s, "channels": None}
    ).map(lambda s: {key: value for key, value in s.items() if value is not None})
    return draw(block | convs)


@st.composite
def backbones(draw: DrawFn, low: int, taps: int) -> Drawn:
    """Stages of the levels from `low` on, each of one stage or more."""
    first = draw(st.integers(0, 1))  # the level of what the stem puts out
    stem: Data = {"kernel": 3, "stride": 1 + first, "channels": draw(CHANNELS)}
    stages: list[Data] = []
    found: dict[int, list[int]] = {}
    for level in range(1, low + taps):
        if level > first:
            stages.append(draw(halving()))
            found[level] = [len(stages)]
        if level == first or draw(FLAGS):
            stages.append(draw(keeping_stages()))
            found.setdefault(level, []).append(len(stages))
    data: Data = {"stem": [stem], "stages": stages}
    if draw(FLAGS):
        stages += draw(st.lists(BEYOND, max_size=1))
    return Drawn(data, found)


@st.composite
def wired(draw: DrawFn, low: int, high: int) -> dict[str, Data]:
    """Nodes of a file's own, each of which is read, or the last of its level."""
    level_of = {f"p{level}": level for level in range(low, high + 1)}
    found: dict[str, Data] = {}
    for k in range(draw(st.integers(1, 5))):
        level = draw(st.integers(low, high))
        several = st.sampled_from([*level_of])
        merge = draw(st.sampled_from([None, "sum", "attention"]))
        most, least = (2, 2) if merge == "attention" else (3, 1)
        reads = draw(st.lists(several, min_size=least, max_size=most, unique=True))
        node: Data = {"level": level, "reads": reads}
        node |= {} if merge is None else {"merge": merge}
        alike = [name for name, each in level_of.items() if each == level]
        others = [name for name in alike if name not in reads]
        if draw(FLAGS) and others:
            node["adds"] = draw(
                st.lists(st.sampled_from(others), unique=True, max_size=2)
            )
        if draw(FLAGS):
            node["layers"] = draw(neck_layers())
        found[f"n{k}"] = node
        level_of[f"n{k}"] = level
    read = {each for node in found.values() for each in _read(node)}
    last = {node["level"]: name for name, node in found.items()}
    lost = [
        name
        for name, level in level_of.items()
        if name not in read and last.get(level, name) != name
    ]
    if lost:  # whoever comes last reads them too
        *_, end = found.values()
        end["reads"] = [*end["reads"], *lost]
        end.pop("merge", None)
    return found


def _read(node: Data) -> list[str]:
    return [*node["reads"], *node.get("adds", [])]


@st.composite
def neck_layers(draw: DrawFn) -> list[Data]:
    """Layers that keep channels and size, none among them."""
    return draw(st.lists(keeping(), max_size=2))


@st.composite
def laterals(draw: DrawFn) -> list[Data]:
    """A convolution, and something before or after it."""
    line: Data = {"kernel": draw(ODD), "bias": draw(FLAGS), "norm": draw(FLAGS)}
    around = st.lists(keeping().filter(lambda s: "block" in s), max_size=1)
    return [*draw(around), line, *draw(around)]


@st.composite
def necks(draw: DrawFn, low: int, high: int, taps: dict[int, list[int]]) -> Data:
    """Any neck of these levels."""
    found: Data = {"levels": [low, high], "channels": draw(CHANNELS)}
    found["repeats"] = draw(st.integers(1, 3))
    count = high - low + 1
    fitting = WIRINGS.filter(
        lambda name: EXACTLY.get(name, count) == count and count >= LEAST.get(name, 2)
    )
    if draw(FLAGS):
        found["nodes"] = draw(wired(low, high))
    else:
        found["wiring"] = draw(fitting)
    found |= {"fusion": draw(FUSIONS), "per_channel": draw(FLAGS)}
    if draw(FLAGS):
        found["taps"] = [draw(st.sampled_from(each)) for each in taps.values()]
    if draw(FLAGS):
        found["layers"] = draw(neck_layers())
    if draw(FLAGS):
        found["lateral"] = draw(laterals())
    found["laterals"] = draw(st.sampled_from(["each", "once"]))
    found["pools"] = draw(st.sampled_from(["overlapping", "apart"]))
    return found


@st.composite
def heads(draw: DrawFn) -> Data:
    """Any class and box head."""
    found: Data = {
        "repeats": draw(st.integers(1, 3)),
        "classes": draw(st.integers(1, 4)),
    }
    if draw(FLAGS):
        ratio = st.sampled_from([0.5, 1.0, 2.0, [1.4, 0.7]])
        sizes = st.lists(st.sampled_from([1.0, 1.25, 1.5]), min_size=1, max_size=3)
        found["anchors"] = {
            "scales": draw(st.integers(1, 3) | sizes),
            "ratios": draw(st.lists(ratio, min_size=1, max_size=3)),
        }
    if draw(FLAGS):
        found["init"] = draw(st.sampled_from(get_args(Init)))
    if draw(FLAGS):
        kinds = keeping().filter(
            lambda s: (
                s.get("block", "conv") in {"conv", "depthwise", "norm", "activation"}
            )
        )
        before = draw(st.lists(kinds, max_size=2))
        after = st.lists(
            st.sampled_from([{"block": "norm"}, {"block": "activation"}]), max_size=1
        )
        found["layers"] = [*before, {"kernel": draw(ODD)}, *draw(after)]
    found["prior"] = draw(st.sampled_from([0.01, 0.5, 1.0]))
    return found


@st.composite
def detector_files(draw: DrawFn) -> Data:
    """A detector's file, less its name."""
    low, taps = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    least = max(2, taps)
    high = low - 1 + draw(st.integers(least, least + 3))
    drawn = draw(backbones(low, taps))
    levels = {level: found for level, found in drawn.taps.items() if level >= low}
    found: Data = {**drawn.data, "neck": draw(necks(low, high, levels))}
    found["heads"] = draw(heads())
    if draw(FLAGS):
        found["cells"], _ = draw(cells())
        line: Data = {"block": "cell", "cell": "a", "channels": draw(CHANNELS)}
        at = draw(st.integers(0, len(found["stages"]) - 1))
        if found["stages"][at].get("stride") == 2:
            found["stages"][at] = {**line, "stride": 2}
    for line in found["stages"]:
        line.setdefault("block", "conv")
    return found
