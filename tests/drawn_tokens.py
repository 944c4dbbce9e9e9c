"""Random networks of tokens and attention, as a file would write them."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from hypothesis import strategies as st

from effscale.spec.values import Attending, Biases, Lying, Over, Placing

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

    from tests.drawn_lines import Data

FLAGS = st.booleans()
BIASES = st.sampled_from([False, True, *get_args(get_args(Biases)[1])])
#: What all numbers of heads that are drawn divide.
WIDTHS = st.sampled_from([12, 24])
SIZES = st.integers(1, 4) | st.tuples(st.integers(1, 3), st.integers(1, 3)).map(list)


@st.composite
def attentions(draw: DrawFn) -> Data:
    """Attention of any kind, that keeps the size of its map and its channels."""
    kind = draw(st.sampled_from(get_args(Attending)))
    line: Data = {"block": "attention", "kind": kind, "bias": draw(BIASES)}
    line[draw(st.sampled_from(["heads", "head_width"]))] = draw(st.integers(1, 4))
    scores = kind in {"softmax", "cosine"}
    if "head_width" in line and draw(FLAGS):
        line |= {} if kind == "separable" else {"local": 3}
    if draw(FLAGS):
        line["key_width"] = draw(st.integers(1, 3))
        line["value_width"] = draw(st.integers(1, 3)) if scores else line["key_width"]
    if scores and "local" not in line and draw(FLAGS):
        line["multi_query"] = draw(FLAGS)
        if draw(FLAGS):
            line["context"] = draw(contexts())
            return line
        line["keys"] = draw(shrinking())
        if draw(FLAGS):
            line["queries"] = [{"block": "depthwise", "kernel": 3}]
            line["values"] = line["keys"]
        return line
    if draw(FLAGS):
        line |= {"over": draw(st.sampled_from(get_args(Over))), "size": draw(SIZES)}
        line["shift"] = line["over"] == "window" and draw(FLAGS)
    elif draw(FLAGS):
        return {**line, "areas": 2}
    if scores:
        line["position"] = draw(st.sampled_from(get_args(Lying)))
    return line


@st.composite
def contexts(draw: DrawFn) -> list[Data]:
    """What makes a map of other sides and channels, norms of several channels aside."""
    kernel = draw(st.integers(1, 3))
    conv: Data = {
        "kernel": kernel,
        "stride": kernel,
        "channels": draw(st.integers(2, 6)),
    }
    pool = {"block": "global_pool", "to": draw(st.integers(1, 3))}
    return draw(st.sampled_from([[{**conv, "norm": "layer"}], [pool, conv]]))


@st.composite
def shrinking(draw: DrawFn) -> list[Data]:
    """What makes keys fewer, or leaves them."""
    if draw(FLAGS):
        return []
    return [{"block": "avg_pool", "kernel": 2, "stride": 2}]


@st.composite
def bare(draw: DrawFn) -> list[Data]:
    """Queries, keys and values of a convolution, and what becomes of them."""
    kind = draw(st.sampled_from(["softmax", "covariance", "linear"]))
    if draw(FLAGS):  # each head of what the one before it put out
        head = [
            {"kernel": 1, "ratio": 3},
            {"block": "attention", "heads": 1, "key_width": 1, "project": False},
            {"kernel": 1},
        ]
        cascade = {"block": "split", "cascade": True, "branches": [head, head]}
        return [cascade, {"kernel": 1}]
    attend: Data = {"block": "attention", "kind": kind, "project": False}
    if draw(FLAGS):
        attend |= {"least_head_width": draw(st.integers(1, 12)), "areas": 2}
        ratio = 1.0 if kind == "covariance" else draw(st.sampled_from([0.5, 1.0]))
        first = {"kernel": 1, "ratio": 1 + 2 * ratio}
        return [first, {**attend, "key_ratio": ratio, "local": 3}, {"kernel": 3}]
    return [
        {"kernel": 1, "ratio": 3},
        {**attend, "head_width": draw(st.integers(1, 4))},
        {"kernel": 3},
    ]


@st.composite
def token_files(draw: DrawFn) -> Data:
    """A file, less its resolution."""
    channels = draw(WIDTHS)
    kernel = draw(st.integers(1, 4))
    patch: Data = {"kernel": kernel, "stride": kernel, "padding": "valid"}
    layers = draw(bare()) if draw(FLAGS) else [{"block": "norm"}, draw(attentions())]
    body = {"block": "residual", "layers": layers}
    stages = draw(st.lists(attentions(), max_size=1))
    ends: list[Data] = []
    if draw(FLAGS):
        stages.append({"block": "own", "channels": channels, "repeats": 2})
    if draw(FLAGS):
        tokens = draw(st.integers(1, 3))
        stages.append({"block": "class_token", "tokens": tokens})
        stages.append({"block": "attention", "heads": draw(st.sampled_from([1, 4]))})
        ends = [{"block": "first_token"}]
        if draw(FLAGS):
            several = draw(st.integers(1, tokens))
            ends.insert(0, {"block": "drop_tokens", "tokens": several})
        if draw(FLAGS):
            own: Data = {"block": "attention", "head_width": 4}
            own["queries"] = [{"block": "first_token"}]
            stages.append({"block": "into_first", "layers": [own]})
    if draw(FLAGS):
        kind = draw(st.sampled_from(get_args(Placing)))
        stages.append({"block": "positions", "kind": kind})
    return {
        "blocks": {"own": [body]},
        "stem": [{**patch, "channels": channels, "bias": draw(FLAGS)}],
        "stages": stages or [{"block": "positions"}],
        "head": {
            "layers": ends,
            "classes": 3,
            "bias": draw(FLAGS),
            "classifiers": draw(st.integers(1, 2)),
        },
    }
