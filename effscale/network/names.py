"""Names of lines, heads and necks in the papers' notation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.network.operators.convolution import size
from effscale.spec import lines, outputs, resampling, steps
from effscale.spec.values import pair

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.spec.line import Line
    from effscale.spec.neck import Heads, Neck
    from effscale.spec.outputs import AnyOutput, Head


#: Blocks by the name that papers print, where it is not the word of the spec.
NAMES = {
    "mbconv": "MBConv",
    "fused_mbconv": "Fused-MBConv",
    "separable": "Separable",
    "basic": "Basic",
    "bottleneck": "Bottleneck",
    "conv": "Conv",
    "depthwise": "Depthwise",
    "dense": "Dense",
    "transition": "Transition",
    "max_pool": "MaxPool",
    "avg_pool": "AvgPool",
    "global_pool": "global pool",
    "blur_pool": "BlurPool",
    "channel_pool": "channel pool",
    "transposed_conv": "TransposedConv",
    "upsample": "Upsample",
    "pixel_shuffle": "PixelShuffle",
    "attention": "Attention",
    "class_token": "class token",
    "first_token": "first token",
    "into_first": "into first token",
    "pixel_unshuffle": "PixelUnshuffle",
}


def operator(line: Line) -> str:
    """A line's operator in the papers' notation: `MBConv6 5×5`, `cell normal`."""
    name = NAMES.get(line.block, line.block)
    match line:
        case lines.MBConv(expand_ratio=int() as ratio):
            return f"{name}{ratio} {size(pair(line.kernel))}"
        case lines.CellStage(cell=cell):
            return f"cell {cell}"
        case steps.Join(merge=merge):
            return merge
        case resampling.Upsample(mode=mode):
            larger = f"×{line.factor}" if line.factor else f"to {line.like}"
            return f"{name} {larger}" + ("" if mode == "nearest" else f", {mode}")
        case (
            resampling.PixelShuffle(factor=factor)
            | resampling.PixelUnshuffle(factor=factor)
        ):
            return f"{name} ×{factor}"
        case lines.Dense(growth=growth):
            return f"{name} +{growth}"
        case (
            lines.Block()
            | steps.Conv()
            | steps.Depthwise()
            | resampling.Pool()
            | steps.TransposedConv()
        ):
            return f"{name} {size(pair(line.kernel))}"
        case _:
            return name


def operators(several: Sequence[Line]) -> str:
    """The operators of several lines; of more than two, the first and the last."""
    names = [operator(each) for each in several]
    return ", ".join(names) if len(names) <= 2 else f"{names[0]} … {names[-1]}"  # noqa: PLR2004


#: What makes classes, or comes last.
CLASSIFIERS = {True: "FC", False: "global pool", "conv": "Conv 1×1"}


def head_operator(head: Head) -> str:
    """What a head does before its pooling, and that it classifies."""
    conv = [] if head.channels is None else ["Conv 1×1"]
    hidden = [] if head.hidden is None else ["FC"]
    classifier = [CLASSIFIERS[head.classifier]]
    return ", ".join([*map(operator, head.layers), *conv, *hidden, *classifier])


OUTPUTS = {
    "classify": "FC",
    "segment": "segmentation",
    "detect": "detection",
    "yolo": "YOLO",
    "yolo_anchors": "YOLO",
    "keypoints": "CenterNet",
}


def output_words(output: AnyOutput) -> str:
    """The kind of an output, and what sets it apart: `YOLO, one-to-one`."""
    words = [OUTPUTS[output.kind]]
    match output:
        case outputs.Classify():
            words = [head_operator(output)]
        case outputs.YoloAnchors():
            words.append(f"{output.anchors} anchors")
        case outputs.Yolo():
            words += ["one-to-one"] if output.one_to_one else []
            words += [*output.beside]
        case _:
            words = [*map(operator, getattr(output, "layers", ())), *words]
    return ", ".join(words)


#: Feature networks by the name that papers print.
WIRINGS = {
    "bifpn": "BiFPN",
    "fpn": "FPN",
    "panet": "FPN + PANet",
    "simplified_panet": "simplified PANet",
    "nas_fpn": "NAS-FPN",
    "fully_connected": "fully-connected FPN",
    "retinanet": "RetinaNet FPN",
}


def neck_words(neck: Neck) -> str:
    """What a neck is called, its levels and its fusion: `BiFPN P3-P7, fast`."""
    name = "own" if neck.wiring is None else WIRINGS[neck.wiring]
    low, high = neck.levels
    by_channel = " by channel" if neck.per_channel else ""
    return f"{name} P{low}-P{high}, {neck.fusion}{by_channel}"


def head_words(heads: Heads) -> str:
    """The convolutions that the heads repeat."""
    separable = [line.block for line in heads.layers] == ["depthwise", "conv"]
    return (
        f"Separable {size(pair(heads.layers[0].window[0]))}"
        if separable
        else (operators(heads.layers))
    )
