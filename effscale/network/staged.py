"""A spec's stages as a network: stem, stages, head."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.network.blocks import Style, classifier, conv_norm_act, repeated
from effscale.network.layers import Conv, Network, Part, Shape

if TYPE_CHECKING:
    from effscale.spec.models import Spec, Stage


def network(spec: Spec) -> Network:
    """The network that `spec` states, for its own resolution.

    Built module paths follow the parts: `stem.conv`, `stages.2.0.expand.conv` (third
    stage, first block), `head.classifier`.
    """
    style, stem, head = Style.of(spec), spec.stem, spec.head
    conv = Conv(spec.image_channels, stem.channels, stem.kernel, stem.stride)
    parts = [
        Part(
            name="stem",
            path="stem",
            operator=f"Conv {stem.kernel}×{stem.kernel}",
            kernel=stem.kernel,
            stride=stem.stride,
            channels=stem.channels,
            repeats=1,
            layer=conv_norm_act(conv, style),
        )
    ]
    for index, stage in enumerate(spec.stages):
        parts.append(
            Part(
                name=f"stage {index + 1}",
                path=f"stages.{index}",
                operator=operator(stage),
                kernel=stage.kernel,
                stride=stage.stride,
                channels=stage.channels,
                repeats=stage.repeats,
                layer=repeated(parts[-1].channels, stage, style),
            )
        )
    parts.append(
        Part(
            name="head",
            path="head",
            operator="Conv 1×1, FC",
            kernel=1,
            stride=1,
            channels=head.channels,
            repeats=1,
            layer=classifier(parts[-1].channels, head, style),
        )
    )
    image = Shape(spec.image_channels, *spec.resolution)
    return Network(spec.name, image, tuple(parts), spec.stochastic_depth)


def operator(stage: Stage) -> str:
    """A stage's operator in the papers' notation: `MBConv6 5×5`."""
    return f"MBConv{stage.expand_ratio} {stage.kernel}×{stage.kernel}"
