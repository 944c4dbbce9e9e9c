"""Random lines of every kind, as a file would write them, small and fit to follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, get_args

from hypothesis import strategies as st

from effscale.spec.lines import OPERATORS
from effscale.spec.values import Activation, Interpolation

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

Data: TypeAlias = dict[str, Any]

ODD = st.sampled_from([1, 3, 5])
WINDOWS = ODD | st.tuples(ODD, ODD).map(list)
CHANNELS = st.integers(1, 3).map(lambda quarter: 4 * quarter)
RATIOS = st.sampled_from([0.0, 0.01, 0.25, 0.5, 1.0])
ACTIVATIONS = st.sampled_from([*get_args(Activation), "leaky_relu(0.2)"])
FLAGS = st.booleans()

#: Norms of any map, as that of instances is not: of any number of channels; and of a
#: multiple of four.
SOME_NORMS = st.sampled_from([True, False, "batch", "layer", "rms"])
NORMS = st.sampled_from(
    [
        *(True, False, "batch", "layer", "rms"),
        *({"kind": "group", "groups": 2}, {"kind": "group", "group_width": 4}),
        *({"kind": "layer", "shift": False},),
        *({"kind": "group", "groups": 2, "shift": False},),
    ]
)

#: Pools of 2×2 are for states that a cell strides over, and tried there alone.
TRIED = [name for name in OPERATORS if not name.endswith("2x2")]

#: Windows in which a feature map becomes smaller: what all branches then have.
SHRINKING: st.SearchStrategy[Data] = st.sampled_from(
    [
        {"kernel": 3, "stride": 2},
        {"kernel": 3, "stride": 2, "padding": "valid"},
        {"kernel": [2, 1], "padding": "valid"},
        {"kernel": [3, 1], "stride": [1, 2]},
        {"kernel": [1, 4], "stride": [1, 3], "padding": "valid"},
        {"kernel": [4, 5], "stride": [3, 2], "padding": [1, 2]},
        {"kernel": 2, "padding": [1, 0]},
    ]
)


#: Four channels to a group, whatever comes in.
IN_FOURS: Data = {"group_width": 4}


@st.composite
def convs(draw: DrawFn, channels: int | None = None) -> Data:
    """A convolution that keeps the size; and the channels, if it states none."""
    line: Data = {"kernel": draw(WINDOWS)}
    line |= {} if channels is None else {"channels": channels}
    if draw(FLAGS):
        line |= {"norm": draw(NORMS), "bias": draw(FLAGS)}
        line["dilation"] = draw(st.integers(1, 3))
    if draw(FLAGS):
        line["activation"] = draw(ACTIVATIONS)
    return line


@st.composite
def keeping(draw: DrawFn) -> Data:
    """A step that keeps channels and size."""
    kinds = ["conv", "depthwise", "pool", "norm", "activation", "squeeze_excite"]
    kinds += ["split", "channel_shuffle", "dropout", "multiply", "gate"]
    kinds += ["layer_scale", "global_response_norm", "channel_attention", "resized"]
    kinds += ["pad_channels", "select", "blur_pool", "channel_pool", "mixed_depthwise"]
    match draw(st.sampled_from(kinds)):
        case "conv":
            grouped = {"groups": draw(st.sampled_from([1, 2]))}
            return {**draw(convs()), **draw(st.sampled_from([grouped, IN_FOURS]))}
        case "depthwise":
            dilation = draw(st.integers(1, 2))
            more = {"dilation": dilation, "bias": draw(FLAGS), "norm": draw(SOME_NORMS)}
            return {"block": "depthwise", "kernel": draw(WINDOWS), **more}
        case "norm":
            kind = draw(st.sampled_from([None, "layer", "rms"]))
            return {"block": "norm", **({"norm": kind} if kind else {})}
        case "pool":
            block = draw(st.sampled_from(["max_pool", "avg_pool"]))
            found = {"block": block, "kernel": draw(WINDOWS)}
            if draw(FLAGS):
                found |= {"kernel": [2, 4], "padding": "tensorflow"}
            if block == "max_pool" or "padding" not in found:
                found["include_padding"] = draw(FLAGS)
            return found
        case "blur_pool":
            return {"block": "blur_pool", "stride": 1}
        case "channel_pool":
            over: Data = {
                "block": "channel_pool",
                "kind": draw(st.sampled_from(["avg", "max"])),
            }
            seen = draw(st.sampled_from([[], [{"block": "norm"}]]))
            block = draw(st.sampled_from(["product", "sum"]))
            ways = draw(st.permutations([[], [over, *seen]]))
            return {"block": block, "branches": ways}
        case "dropout":
            return {"block": "dropout", "rate": draw(st.sampled_from([0.0, 0.5]))}
        case "multiply":
            return {"block": "multiply", "by": draw(st.sampled_from([-1, 0.5]))}
        case "gate":
            pool = [{"block": "global_pool"}] if draw(FLAGS) else []
            act = {"block": "activation", "activation": draw(ACTIVATIONS)}
            block = draw(st.sampled_from(["product", "sum"]))
            return {"block": block, "branches": [[], [*pool, act]]}
        case "squeeze_excite":
            ratio = draw(st.sampled_from([0.01, 0.25, 1.0]))
            act = draw(st.sampled_from(["relu", "silu"]))
            return {"block": "squeeze_excite", "se_ratio": ratio, "activation": act}
        case "mixed_depthwise":
            sides = draw(st.sampled_from([[3], [3, 5], [1, 3, 7]]))
            return {"block": "mixed_depthwise", "kernels": sides, "norm": draw(FLAGS)}
        case "split":
            line: Data = {"block": "split", "branches": [[], [draw(convs())]]}
            if draw(FLAGS):
                return {**line, "widths": [1]}
            if draw(FLAGS):
                shares = draw(st.sampled_from([[0.5, 0.2, 0.3], [0.25, 0.25, 0.5]]))
                line["branches"].append([{"block": "norm"}])
                return {**line, "shares": shares}
            if draw(FLAGS):
                branches = [[draw(convs())]] * draw(st.integers(1, 3))
                return {**line, "cascade": True, "branches": [*branches, []]}
            return line
        case "channel_shuffle":
            return {"block": "channel_shuffle", "groups": 2}
        case kind:
            return draw(weighed(kind))


@st.composite
def weighed(draw: DrawFn, kind: str) -> Data:
    """A step that weighs channels or positions, or has no keys."""
    match kind:
        case "layer_scale":
            flags = {"single": draw(FLAGS), "shift": draw(FLAGS)}
            return {"block": "layer_scale", "initial": 0.1, **flags}
        case "channel_attention" if draw(FLAGS):
            return {"block": "channel_attention", "size": draw(ODD)}
        case "select":
            parts = draw(st.integers(2, 3))
            wide = {"kernel": 1, "expand_ratio": parts, "norm": False}
            layers = [{"block": "global_pool"}, wide]
            line = {"block": "select", "parts": parts, "layers": layers}
            return {"block": "residual", "layers": [wide, line], "shortcut": []}
        case "resized":
            mode = draw(st.sampled_from(get_args(Interpolation)))
            layers = [draw(convs()), draw(SHRINKING)]
            return {"block": "resized", "layers": layers, "mode": mode}
        case _:
            return {"block": kind}


@st.composite
def residuals(draw: DrawFn, depth: int = 1) -> tuple[Data, int | None]:
    """Layers beside the input itself, or beside a convolution; and what comes out."""
    line: Data = {"block": "residual", "layers": draw(several(keeping()))}
    line |= {"scale": draw(st.sampled_from([0.17, 1.0, 2.5]))} if draw(FLAGS) else {}
    if depth and draw(FLAGS):
        inner, _ = draw(residuals(depth=0))
        line["layers"].append(inner)
        if "shortcut" in inner:  # other channels may come out
            line["layers"].append({"kernel": 1})
    if draw(FLAGS):
        return line, None
    channels = draw(CHANNELS)
    window: Data = draw(SHRINKING) if depth and draw(FLAGS) else {"kernel": 1}
    line["layers"].append({**window, "channels": channels})
    line["shortcut"] = [{**window, "channels": channels}]
    return line, channels


@st.composite
def aggregates(draw: DrawFn) -> Data:
    """What comes in, and a few maps made of it in turn."""
    layers = [*draw(st.lists(keeping(), max_size=1)), draw(convs(draw(CHANNELS)))]
    repeats = draw(st.integers(1, 3))
    return {"block": "aggregate", "layers": layers, "repeats": repeats}


@st.composite
def branches(draw: DrawFn, depth: int = 1) -> Data:
    """Branches that become smaller alike, or not at all."""
    window: Data = draw(SHRINKING) if draw(FLAGS) else {"kernel": 1}
    block, channels = draw(st.sampled_from(["concat", "sum"])), draw(CHANNELS)
    ways = []
    for _ in range(draw(st.integers(2, 3))):
        way = draw(st.lists(keeping(), max_size=2))
        if depth and draw(FLAGS):
            way.append(
                draw(residuals(depth=0))[0] if draw(FLAGS) else {"block": "norm"}
            )
        wide = channels if block == "sum" else draw(CHANNELS)
        last = {"block": "max_pool"} if draw(FLAGS) else {"channels": wide}
        if block == "sum":
            last = {"channels": wide}
        way.append({**last, **window})
        ways.append(way)
    if draw(FLAGS) and window == {"kernel": 1} and block == "concat":
        ways.append([])
    return {"block": block, "branches": ways}


@st.composite
def several(draw: DrawFn, steps: st.SearchStrategy[Data]) -> list[Data]:
    """One to three of them."""
    return draw(st.lists(steps, min_size=1, max_size=3))


@st.composite
def steps(draw: DrawFn) -> Data:
    """Any step, of an even number of channels or more."""
    kinds = (
        keeping(),
        residuals().map(lambda made: made[0]),
        branches(),
        aggregates(),
        st.builds(lambda c, w: {**w, "channels": c}, CHANNELS, SHRINKING),
        CHANNELS.flatmap(convs),
        st.builds(lambda w: {"block": "avg_pool", **w}, SHRINKING),
        st.builds(lambda w: {"block": "depthwise", **w}, SHRINKING),
        st.sampled_from(
            [
                {"block": "max_pool", "kernel": 2, "stride": 2},
                {"block": "pixel_unshuffle", "factor": 2},
                {"block": "pad_channels", "channels": 64},
                {"block": "blur_pool", "kernel": 3, "stride": 2},
                {"block": "blur_pool", "kernel": 5, "stride": [1, 3]},
                {"block": "max_pool", "kernel": 3, "stride": 2, "padding": "ceil"},
                {"block": "avg_pool", "kernel": [2, 3], "stride": [1, 3]}
                | {"padding": "ceil"},
            ]
        ),
    )
    return draw(st.one_of(*kinds))


@st.composite
def lines(draw: DrawFn) -> Data:
    """A step as a line of stem, stages or head, whose convolutions state channels."""
    line = draw(steps())
    stated = "block" in line or "channels" in line
    return line if stated else {**line, "channels": draw(CHANNELS)}


@st.composite
def pooled(draw: DrawFn) -> Data:
    """A pool of the whole map."""
    to = draw(st.integers(1, 3) | st.tuples(st.integers(1, 3), ODD).map(list))
    return {
        "block": "global_pool",
        "kind": draw(st.sampled_from(["avg", "max"])),
        "to": to,
    }


@st.composite
def parametric(draw: DrawFn) -> tuple[Data, list[Data]]:
    """A block with parameters, and lines that give it some."""
    block: Data = {
        "parameters": {
            "start": draw(st.sampled_from([0, 3])),
            "size": None,
            "stride": 1,
            "expand_ratio": 2,
            "wide": draw(CHANNELS),
            "se": draw(st.sampled_from([0, 0.25])),
            "inner": draw(st.integers(0, 2)),
            "bias": False,
        },
        "layers": [
            {
                "block": "residual",
                "layers": [
                    {"block": "depthwise", "kernel": "$start", "activation": "none"},
                    {"kernel": 1, "expand_ratio": "$expand_ratio", "bias": "$bias"},
                    {"block": "depthwise", "kernel": "$size", "stride": "$stride"},
                    {"block": "squeeze_excite", "se_ratio": "$se"},
                    {"kernel": 1, "channels": "$wide"},
                    {"block": "inner", "repeats": "$inner"},
                    {"kernel": 1},
                ],
                "projection": draw(
                    st.sampled_from([[], [{"kernel": 1, "stride": "$stride"}]])
                ),
            }
        ],
    }
    line = st.fixed_dictionaries(
        {"block": st.just("unit"), "size": ODD, "channels": CHANNELS},
        optional={
            "start": st.sampled_from([0, 1, 3]),
            "stride": st.integers(1, 2),
            "expand_ratio": st.sampled_from([0.5, 1, 3]),
            "wide": CHANNELS | st.lists(CHANNELS, min_size=1, max_size=3),
            "inner": st.integers(0, 3),
            "bias": FLAGS,
        },
    )
    repeated = st.builds(lambda use, n: {**use, "repeats": n}, line, st.integers(3, 4))
    return block, draw(st.lists(repeated, max_size=2))


@st.composite
def own_blocks(draw: DrawFn) -> tuple[dict[str, Any], list[Data]]:
    """Blocks of the file's own, and lines that use them."""
    shared: Data = {"kernel": draw(WINDOWS), "shared": "w"}
    widths = draw(st.lists(CHANNELS, min_size=1, max_size=3))
    unit, units = draw(parametric())
    found: dict[str, Any] = {
        "inner": [{"block": "residual", "layers": [draw(convs())]}, {"kernel": 1}],
        "poly": [
            {
                "block": "residual",
                "layers": [
                    {"block": "sum", "branches": [[shared], [shared, shared]]},
                ],
                "shortcut": [],
            }
        ],
        "listed": [
            *draw(st.lists(keeping(), max_size=1)),
            {"kernel": draw(WINDOWS), "channels": widths},
            {"kernel": 1, "ratio": draw(st.sampled_from([0.5, 1.0, 2.0]))},
            {"kernel": 1},
        ],
        "any": draw(several(steps())),
        "nested": [{"block": "poly"}, {"block": "listed", "channels": draw(CHANNELS)}],
        "unit": unit,
    }
    c, repeats = draw(CHANNELS), st.integers(1, 4)
    uses: list[Data] = [
        {"block": "poly", "repeats": draw(repeats)},
        {"block": "listed", "channels": c, "repeats": draw(repeats)},
        {"block": "any"},
        {"block": "nested", "repeats": draw(repeats)},
    ]
    return found, [*units, *(use for use in uses if draw(FLAGS))]


@st.composite
def blocks(draw: DrawFn) -> Data:
    """A stage of a block of the language."""
    line: Data = {"channels": draw(CHANNELS), "stride": draw(st.integers(1, 3))}
    line["repeats"] = draw(st.integers(1, 3))
    names = ["mbconv", "fused_mbconv", "separable", "basic", "bottleneck"]
    line["block"] = draw(st.sampled_from([*names, "dense", "transition"]))
    match line["block"]:
        case "transition":
            return {
                "block": "transition",
                "compression": draw(st.sampled_from([0.5, 1])),
            }
        case "dense":
            ratio = draw(st.integers(1, 3))
            growth = {"growth": line["channels"], "bottleneck_ratio": ratio}
            times = {"repeats": line["repeats"], "kernel": draw(ODD)}
            return {"block": "dense", **times, **growth}
        case "bottleneck":
            c_mid = draw(CHANNELS)
            wide = st.sampled_from([n for n in (1, 2, c_mid) if c_mid % n == 0])
            line |= {"c_mid": c_mid, "reduce_ratio": draw(st.sampled_from([0.5, 1.0]))}
            line |= {"group_width": draw(wide)} if line["reduce_ratio"] == 1 else {}
            line |= {"shortcut_kernel": draw(ODD)} if draw(FLAGS) else {}
        case "mbconv" | "fused_mbconv":
            odd = CHANNELS.map(lambda even: even + 1)  # and so none that comes in
            inner = odd | st.lists(odd, min_size=1, max_size=4)
            ways = st.fixed_dictionaries({"expand_ratio": st.integers(1, 4)})
            line |= draw(ways | st.fixed_dictionaries({"c_mid": inner}))
        case _:
            pass
    if line["block"] != "separable":
        line |= {"se_ratio": draw(RATIOS), "dilation": draw(st.integers(1, 3))}
    if draw(FLAGS):
        line["activation"] = draw(ACTIVATIONS)
    return {**line, "kernel": draw(ODD)}


@st.composite
def cells(draw: DrawFn) -> tuple[dict[str, Data], list[Data]]:
    """A cell, and stages of it."""
    nodes = []
    for known in range(2, 2 + draw(st.integers(1, 3))):
        reads = st.tuples(st.sampled_from(TRIED), st.integers(0, known - 1))
        nodes.append(
            [list(each) for each in draw(st.lists(reads, min_size=1, max_size=2))]
        )
    read = {state for node in nodes for _, state in node}
    unread = [state for state in range(len(nodes) + 2) if state not in read]
    more = st.lists(st.integers(0, len(nodes) + 1), max_size=2)
    concat = list(dict.fromkeys(unread + draw(more)))
    line = st.fixed_dictionaries(
        {"block": st.just("cell"), "cell": st.just("a"), "channels": CHANNELS},
        optional={"stride": st.integers(1, 2), "repeats": st.integers(1, 4)},
    )
    lines = draw(st.lists(line, min_size=1, max_size=3))
    return {"a": {"nodes": nodes, "concat": concat}}, lines


@st.composite
def files(draw: DrawFn) -> Data:
    """A file of every kind of line, less its resolution."""
    stem = {"kernel": draw(WINDOWS), "stride": draw(st.integers(1, 2))}
    found: Data = {"stem": [{**stem, "channels": draw(CHANNELS)}]}
    found["stem"] += draw(st.lists(lines(), max_size=1))
    stages = draw(st.lists(blocks() | lines(), max_size=3))
    if draw(FLAGS):
        found["blocks"], uses = draw(own_blocks())
        stages += uses
    if draw(FLAGS):
        found["cells"], wired = draw(cells())
        at = draw(st.integers(0, len(stages)))
        stages[at:at] = wired
    found["stages"] = stages or [{"block": "norm"}]
    for line in found["stages"]:
        line.setdefault("block", "conv")
    classifier = draw(st.sampled_from([True, False, "conv"]))
    found["head"] = {
        "layers": draw(st.lists(lines() | pooled(), max_size=2)),
        "channels": draw(st.none() | CHANNELS),
        "hidden": None if classifier == "conv" else draw(st.none() | CHANNELS),
        "classes": draw(st.integers(1, 5)),
        "dropout": draw(st.floats(0, 0.5)),
        "classifier": classifier,
    }
    return found
