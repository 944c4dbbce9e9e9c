"""Random networks whose lines read each other, as a file would write them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hypothesis import strategies as st

from effscale.spec.outputs import OUTPUTS
from tests.drawn_lines import ACTIVATIONS, CHANNELS, FLAGS, ODD, SOME_NORMS, Data

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

MODES = st.sampled_from(["nearest", "bilinear"])
KINDS = st.sampled_from(
    [
        *("conv", "halve", "upsample", "like", "transposed_conv", "pixel_shuffle"),
        *("join", "apart"),
    ]
)


class Line(NamedTuple):
    """What a line makes: what it is called, its channels, and which size it is of."""

    called: str
    channels: int
    size: int  #: equal numbers are equal sizes


class Drawing:
    """The lines so far, and which of them nothing reads yet."""

    def __init__(self, stem: Line) -> None:
        self.lines: list[Data] = []
        self.made, self.sizes = [stem], 1
        self.unread: dict[str, Line] = {}

    def add(self, data: Data, channels: int, size: int | None) -> None:
        """A line of a size that there is, or of a new one."""
        self.sizes += size is None
        found = Line(
            data.get("name", f"stage {len(self.lines) + 1}"),
            channels,
            self.sizes if size is None else size,
        )
        before = self.made[-1].called
        reads: list[str] = [*data.get("reads", [before]), data.get("like", "")]
        for read in reads:
            self.unread.pop(read, None)
        self.lines.append(data)
        self.made.append(found)
        self.unread[found.called] = found


@st.composite
def graph_files(draw: DrawFn) -> Data:
    """A file of lines that read others, less its resolution; all of them are read."""
    channels = draw(CHANNELS)
    drawing = Drawing(Line("stem", channels, 0))
    for index in range(draw(st.integers(2, 6))):
        named: Data = {"name": f"l{index}"} if draw(FLAGS) else {}
        read = draw(st.sampled_from(drawing.made))
        if read is not drawing.made[-1]:
            named["reads"] = [read.called]
        _line(draw, drawing, draw(KINDS), read, named)
    last = drawing.made[-1]
    loose = [each for each in drawing.unread.values() if each != last]
    ends = [last.called]
    for each in loose:
        data = {"block": "upsample", "like": last.called, "mode": draw(MODES)}
        drawing.add({"reads": [each.called], **data}, each.channels, last.size)
        ends.append(drawing.made[-1].called)
    if loose:
        width = sum(each.channels for each in loose) + last.channels
        drawing.add({"block": "join", "reads": ends}, width, last.size)
    stem = {"kernel": draw(ODD), "stride": draw(st.integers(1, 2))}
    found: Data = {"stem": [{**stem, "channels": channels}], "stages": drawing.lines}
    if draw(FLAGS):
        more = draw(st.sampled_from(drawing.made))
        kinds: list[Data] = [draw(outputs(last)) for last in (drawing.made[-1], more)]
        return {**found, "outputs": {f"o{k}": each for k, each in enumerate(kinds)}}
    head = {"classes": draw(st.integers(1, 5)), "channels": draw(st.none() | CHANNELS)}
    return {**found, "head": head}


@st.composite
def outputs(draw: DrawFn, read: Line) -> Data:
    """An output of any kind that reads this line."""
    found: Data = {"kind": draw(st.sampled_from([*OUTPUTS])), "reads": read.called}
    found["classes"] = draw(st.integers(1, 5))
    match found["kind"]:
        case "segment" if draw(FLAGS):
            found |= {"reads": [read.called, read.called], "mode": draw(MODES)}
        case "segment":
            found |= {"layers": [{"kernel": draw(ODD)}], "mode": draw(MODES)}
        case "detect":
            found |= {"anchors": draw(st.integers(1, 3)), "kernel": draw(ODD)}
            beside = draw(st.sampled_from(["", "centerness", "objectness"]))
            found |= {"shared": draw(FLAGS), **({beside: True} if beside else {})}
            layers = [{"kernel": draw(ODD)}, {"block": "depthwise", "kernel": 3}]
            found["layers"] = layers[: draw(st.integers(0, 2))]
            found["repeats"] = draw(st.integers(1, 2))
        case "yolo":
            found["bins"] = draw(st.sampled_from([1, 4, 16]))
            found |= {"separable": draw(FLAGS), "one_to_one": draw(FLAGS)}
            found |= {"angle": True} if draw(FLAGS) else {}
            found |= {"keypoints": [draw(ODD), 3]} if draw(FLAGS) else {}
            wide = {"masks": draw(CHANNELS), "channels": draw(CHANNELS)}
            found |= wide if draw(FLAGS) else {}
        case "yolo_anchors":
            found["anchors"] = draw(st.integers(1, 3))
        case "keypoints":
            found["channels"] = draw(CHANNELS)
        case _:
            found["hidden"] = draw(st.none() | CHANNELS)
    return found


@st.composite
def transposed_convs(draw: DrawFn, c_in: int) -> tuple[Data, int]:
    """One behind so many channels, and how many it puts out."""
    stride = [draw(st.integers(1, 3)), draw(st.integers(1, 2))]
    kernel = [s + draw(st.integers(0, 2)) * (1 + (s == 1)) for s in stride]
    line: Data = {"block": "transposed_conv", "kernel": kernel, "stride": stride}
    line["bias"] = draw(FLAGS)
    line |= draw(st.sampled_from([{"groups": 1}, {"groups": 2}, {"group_width": 2}]))
    if draw(FLAGS):
        line |= {"norm": draw(SOME_NORMS), "activation": draw(ACTIVATIONS)}
    if c_in % 4 == 0 and draw(FLAGS):
        ratio = draw(st.sampled_from([0.5, 1, 1.5]))
        return {**line, "ratio": ratio}, int(c_in * ratio)
    wide = draw(CHANNELS)
    return {**line, "channels": wide}, wide


def _line(draw: DrawFn, drawing: Drawing, kind: str, read: Line, named: Data) -> None:
    """Add a line that reads this one, and others where it joins."""
    wide = draw(CHANNELS)
    match kind:
        case "conv":
            drawing.add(
                {**named, "block": "conv", "kernel": draw(ODD), "channels": wide},
                wide,
                read.size,
            )
        case "halve":
            block = {"block": "conv", "kernel": 3, "stride": 2, "channels": wide}
            drawing.add({**named, **block}, wide, None)
        case "upsample":
            block = {
                "block": kind,
                "factor": draw(st.integers(2, 3)),
                "mode": draw(MODES),
            }
            drawing.add({**named, **block}, read.channels, None)
        case "like":
            other = draw(st.sampled_from(drawing.made))
            block = {"block": "upsample", "like": other.called, "mode": draw(MODES)}
            width = read.channels
            if draw(FLAGS):  # of several maps, merged before
                alike = [each for each in drawing.made if each.size == read.size]
                block["reads"] = [each.called for each in alike]
                width = sum(each.channels for each in alike)
            drawing.add({**named, **block}, width, other.size)
        case "transposed_conv":
            line, width = draw(transposed_convs(read.channels))
            drawing.add({**named, **line}, width, None)
        case "apart":
            others = [each for each in drawing.made if each.size == read.size]
            other = draw(st.sampled_from(others))
            summed = draw(FLAGS)
            own = {"kernel": draw(ODD), "channels": read.channels if summed else wide}
            width = read.channels if summed else read.channels + wide
            block = {"block": "sum" if summed else "concat", "branches": [[], [own]]}
            block |= {"reads": [read.called, other.called], "merge": kind}
            drawing.add({**named, **block}, width, read.size)
        case "pixel_shuffle" if read.channels % 4 == 0:
            drawing.add({**named, "block": kind}, read.channels // 4, None)
        case _:
            others = [each for each in drawing.made if each.size == read.size]
            alike = [each for each in others if each.channels == read.channels]
            summed = draw(FLAGS)
            reads = alike if summed else others
            width = read.channels if summed else sum(each.channels for each in reads)
            block = {"block": "join", "reads": [each.called for each in reads]}
            block |= {"merge": "sum"} if summed and len(reads) > 1 else {}
            drawing.add({**named, **block}, width, read.size)
