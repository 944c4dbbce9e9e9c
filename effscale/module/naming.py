"""Names that other libraries give to networks and to their tensors, as data.

A name of a tensor tells two things: of which block it is, and whether its layer is
listed elsewhere than it runs. A name of a network tells which of ours it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from effscale.spec.values import SamePadding


@dataclass(frozen=True)
class Naming:
    """How a library names the tensors of its networks."""

    name: str
    #: A name of this kind is in every one of its files.
    mark: str
    #: The block that a name is of, at its beginning.
    block: str
    #: Layers listed before what they run beside or behind: the last of their block.
    last: str = r"(?!)"
    #: What only training runs, and is left out where the network has no use for it.
    left: str = r"(?!)"
    #: How all of its networks pad, if they do alike.
    padding: SamePadding | None = None
    #: Its layers, by name, in the order in which they run; else as they are listed.
    turns: Callable[[Iterable[str]], list[str]] = list


#: Where a layer of HRNet is, in timm's words: a branch, or what makes it of others.
_BRANCH = re.compile(r"(stage\d)\.(\d+)\.(branches|fuse_layers)\.(\d+)")
_MADE = re.compile(r"(transition|incre_modules|downsamp_modules)(\d?)\.(\d+)")


def branch_by_branch(names: Iterable[str]) -> list[str]:
    """HRNet's layers: timm lists all branches of a module, then what exchanges them.

    A branch runs behind what makes it: exchanges of the module before, or a transition.
    """
    listed = [*names]
    branches = [match for each in listed if (match := _BRANCH.match(each))]
    last = {match[1]: int(match[2]) for match in branches}
    first = min((listed.index(match.string) for match in branches), default=0)

    def turn(name: str) -> tuple[int, ...]:
        """Stage, module, branch, and what of it."""
        if match := _BRANCH.match(name):
            stage, module, branch = int(match[1][-1]), int(match[2]), int(match[4])
            if match[3] == "branches":
                return stage, module, branch, 2
            ends = module == last[match[1]]
            return (stage + 1, 0, branch, 0) if ends else (stage, module + 1, branch, 0)
        if match := _MADE.match(name):
            index = int(match[3])
            if match[1] == "transition":
                return int(match[2]) + 1, 0, index, 1
            is_wider = match[1] == "incre_modules"
            return len(last) + 3, 0, index if is_wider else index + 1, not is_wider
        return (0,) if listed.index(name) < first else (len(listed),)

    return sorted(listed, key=turn)


def newest_state_first(names: Iterable[str]) -> list[str]:
    """Layers of NASNet and PNASNet: timm lists those of the state before first."""
    listed = [*names]
    cells = [each.partition(".")[0] for each in listed]

    def turn(name: str) -> tuple[int, ...]:
        """Cell, state, and what is left."""
        cell, _, layer = name.partition(".")
        state = {"conv_1x1": 0, "conv_prev_1x1": 1}.get(layer.partition(".")[0], 2)
        return cells.index(cell), state, listed.index(name)

    return sorted(listed, key=turn)


#: Where a layer of Twins is, in timm's words; a stage's places behind its first block.
_OF_TWINS = re.compile(r"(patch_embeds|blocks|pos_block)\.(\d+)(?:\.(\d+))?")


def places_behind_the_first(names: Iterable[str]) -> list[str]:
    """Layers of Twins: timm lists all stages' patches, then blocks, then places."""

    def turn(name: str) -> tuple[int, ...]:
        """Stage, and what of it."""
        match = _OF_TWINS.match(name)
        if match is None:
            return (len(listed),)
        kind, stage = match[1], int(match[2])
        if kind == "blocks":
            return stage, 3 if int(match[3]) else 1, int(match[3])
        return stage, 2 if kind == "pos_block" else 0

    listed = [*names]
    return sorted(listed, key=turn)


@dataclass(frozen=True)
class Library:
    """Where a library makes its networks, and what it calls those that are ours."""

    module: str
    make: str  #: the function that does, of that module or a class in it
    #: Its names by ours, the first that fits; else it is ours with _ for -.
    names: tuple[tuple[str, str], ...]
    #: How it is told to make the whole network and to fetch no weights, by its names.
    options: tuple[tuple[str, Mapping[str, object]], ...] = ()

    def name_of(self, ours: str) -> str:
        """What it would call the network that we call so."""
        for pattern, theirs in self.names:
            if re.fullmatch(pattern, ours):
                return re.sub(pattern, theirs, ours)
        return ours.replace("-", "_")

    def options_of(self, theirs: str) -> Mapping[str, object]:
        """How it is told what to make of a network that it calls so."""
        found = (k for pattern, k in self.options if re.fullmatch(pattern, theirs))
        return next(found, {})


#: Networks whose widths timm writes in per cent: `lcnet_050`.
_WIDE = r"(ghostnet|ghostnetv2|ghostnetv3|lcnet|mobilenetv2|mobilevitv2|rexnetr?)"

#: Sizes in timm's words.
_SIZES = {
    "t": "tiny",
    "ti": "tiny",
    "s": "small",
    "m": "medium",
    "b": "base",
    "l": "large",
    "xl": "xlarge",
    "xxl": "xxlarge",
    "h": "huge",
}


def _sized(ours: str, theirs: str) -> tuple[tuple[str, str], ...]:
    """Its names by ours of each size, which stands as SIZE in both."""
    return tuple(
        (ours.replace("SIZE", letter), theirs.replace("SIZE", word))
        for letter, word in _SIZES.items()
    )


#: Libraries by the name that `mapping` is given. Sources: as `NAMINGS`.
LIBRARIES = {
    "torchvision": Library(
        "torchvision.models",
        "get_model",
        (
            (r"b(\d)", r"efficientnet_b\1"),
            (r"efficientnetv2-(\w)", r"efficientnet_v2_\1"),
            (r"convnext-t", "convnext_tiny"),
            (r"convnext-s", "convnext_small"),
            (r"convnext-b", "convnext_base"),
            (r"convnext-l", "convnext_large"),
            (r"mnasnet-b1", "mnasnet1_0"),
            (r"mnasnet-b1-(\d)\.(\d+)", r"mnasnet\1_\2"),
            (r"mobilenetv2", "mobilenet_v2"),
            (r"mobilenetv3-(\w+)", r"mobilenet_v3_\1"),
            (r"regnet([xy])-(\d+)(?:\.0)?([gm]f)(?:-tv)?", r"regnet_\1_\2\3"),
            (r"regnet([xy])-(\d+)\.(\d)gf", r"regnet_\1_\2_\3gf"),
            (r"shufflenetv2-(\d)\.(\d)", r"shufflenet_v2_x\1_\2"),
            (r"squeezenet-(\d)\.(\d)", r"squeezenet\1_\2"),
            (r"(\w+)-mobilenetv3-large", r"\1_mobilenet_v3_large"),
        ),
        options=(
            (r"(fcn|deeplabv3)_.+", {"weights_backbone": None, "aux_loss": True}),
            (r"lraspp_.+|.+_fpn|ssd.+", {"weights_backbone": None}),
        ),
    ),
    "timm": Library(
        "timm",
        "create_model",
        (
            (r"b(\d)", r"tf_efficientnet_b\1"),
            (r"l2", "tf_efficientnet_l2"),
            (r"efficientnet-(lite\d)", r"tf_efficientnet_\1"),
            (r"efficientnetv2-(\w+)", r"tf_efficientnetv2_\1"),
            (r"efficientnet-edgetpu-(\w)", r"efficientnet_e\1"),
            *_sized(r"(convnext(?:v2)?)-SIZE", r"\1_SIZE"),
            (r"fbnet-c", "fbnetc_100"),
            (_WIDE + r"-(\d)\.(\d)", r"\1_\2\g<3>0"),
            (_WIDE + r"-(\d)\.(\d\d)", r"\1_\2\3"),
            (r"mobilenetv2-(\d)\.(\d)d", r"mobilenetv2_\1\g<2>0d"),
            (r"mobilenetv3-(\w+)-(\d)\.(\d)", r"mobilenetv3_\1_\2\g<3>0"),
            (r"mobilenetv3-(\w+)-(\d)\.(\d)d", r"mobilenetv3_\1_\2\g<3>0d"),
            (r"mobilenetv3-(\w+)-(\d)\.(\d\d)", r"mobilenetv3_\1_\2\3"),
            (r"mnasnet-a1-(\d)\.(\d\d)", r"semnasnet_\1\2"),
            (r"mnasnet-a1-(\d)\.(\d)", r"semnasnet_\1\g<2>0"),
            (r"mnasnet-b1-(\d)\.(\d)", r"mnasnet_\1\g<2>0"),
            (r"mobilenetv4-conv-small-0\.(\d)", r"mobilenetv4_conv_small_0\g<1>0"),
            (r"mobilenetv4-(\w+)-(\w+)-0\.(\d\d)", r"mobilenetv4_\1_\2_0\3"),
            (r"hardcore-nas-(\w)", r"hardcorenas_\1"),
            (r"(ghostnet|lcnet|spnasnet|mobilenetv[12])", r"\1_100"),
            (r"mobilenetv3-(\w+)", r"mobilenetv3_\1_100"),
            (r"mnasnet-a1", "semnasnet_100"),
            (r"mnasnet-b1", "mnasnet_100"),
            (r"regnet([xy])-(\d)00mf", r"regnet\1_00\2"),
            (r"regnet([xy])-(\d)\.(\d)gf", r"regnet\1_0\2\3"),
            (r"regnet([xy])-(\d+)gf", r"regnet\1_\g<2>0"),
            (r"regnet([xy])-(\d)00mf-tv", r"regnet\1_00\2_tv"),
            (r"regnet([xy])-(\d)\.(\d)gf-tv", r"regnet\1_0\2\3_tv"),
            *_sized(r"inceptionnext-SIZE", "inception_next_SIZE"),
            (r"inceptionnext-(\w+)", r"inception_next_\1"),
            *_sized(r"rdnet-SIZE", "rdnet_SIZE"),
            (r"coatnet-(\d)", r"coatnet_\1_224"),
            (r"coatnet-(\w+)-rmlp-(rw2?)", r"coatnet_rmlp_\1_\2_224"),
            (r"coatnet-(\w+)-rmlp-rw-384", r"coatnet_rmlp_\1_rw_384"),
            (r"coatnet-(\w+)-rw", r"coatnet_\1_rw_224"),
            *_sized(r"maxvit-SIZE-tf", "maxvit_SIZE_tf_224"),
            *_sized(r"maxvit-SIZE-tf-(\d+)", r"maxvit_SIZE_tf_\1"),
            *_sized(r"maxvit-SIZE-rw", "maxvit_SIZE_rw_224"),
            *_sized(r"maxvit-SIZE-rw-256", "maxvit_SIZE_rw_256"),
            *_sized(r"maxvit-SIZE-rmlp-rw", "maxvit_rmlp_SIZE_rw_256"),
            (r"maxvit-(\w+)-rmlp-rw", r"maxvit_rmlp_\1_rw_256"),
            (r"maxvit-(\w+)-rw", r"maxvit_\1_rw_256"),
            (r"xcit-(\w+)-(\d+)-(p\d+)", r"xcit_\1_\2_\3_224"),
            *_sized(r"swin-SIZE", "swin_SIZE_patch4_window7_224"),
            *_sized(r"swin-SIZE-384", "swin_SIZE_patch4_window12_384"),
            *_sized(r"swin-s3-SIZE", "swin_s3_SIZE_224"),
            (r"swin-v2-l-w16", "swinv2_large_window12to16_192to256"),
            *_sized(r"swin-v2-SIZE(?:-w8)?", "swinv2_SIZE_window8_256"),
            *_sized(r"swin-v2-SIZE-w16", "swinv2_SIZE_window16_256"),
            *_sized(r"swin-v2-SIZE-w24", "swinv2_SIZE_window12to24_192to384"),
            *_sized(r"vit-SIZE-(\d+)", r"vit_SIZE_patch\1_224"),
            *_sized(r"vit-SIZE-(\d+)-(\d+)", r"vit_SIZE_patch\1_\2"),
            (r"vit-m-16-reg4", "vit_medium_patch16_reg4_gap_256"),
            *_sized(r"vit-SIZE-14-reg4", "vit_SIZE_patch14_reg4_dinov2"),
            *_sized(r"deit-SIZE-distilled", "deit_SIZE_distilled_patch16_224"),
            *_sized(r"deit-SIZE-distilled-384", "deit_SIZE_distilled_patch16_384"),
            *_sized(r"deit3-SIZE", "deit3_SIZE_patch16_224"),
            *_sized(r"deit3-SIZE-384", "deit3_SIZE_patch16_384"),
            (r"pvt-v2-(\w+)-li", r"pvt_v2_\1_li"),
            (r"pnasnet-5-large", "pnasnet5large"),
            (r"nasnet-a-large", "nasnetalarge"),
            (r"(senet154|xception)", r"legacy_\1"),
        ),
        options=((r"vit_.+_dinov2", {"num_classes": 1000}),),
    ),
    "effdet": Library(
        "effdet",
        "create_model",
        (
            (r"(d\w+)", r"tf_efficientdet_\1"),
            (r"efficientdet-(lite\w+)", r"tf_efficientdet_\1"),
        ),
        options=((r".*", {"pretrained": False, "pretrained_backbone": False}),),
    ),
    "efficientnet_pytorch": Library(
        "efficientnet_pytorch",
        "EfficientNet.from_name",
        ((r"([bl]\d)", r"efficientnet-\1"),),
    ),
}

#: A file is of the first whose mark it has. Sources: torchvision 0.28
#: (torchvision/models), timm 1.0 (timm/models), efficientnet_pytorch 0.7 (model.py),
#: effdet 0.4 (efficientdet.py). Files that were ported from TensorFlow (`tf_…`) have
#: timm's names, or efficientnet_pytorch's.
NAMINGS = (
    Naming("timm", r"stage2\.0\.fuse_layers\.", r"(?!)", turns=branch_by_branch),
    Naming("timm", r"pos_block\.", r"(?!)", turns=places_behind_the_first),
    Naming("timm", r"cell_stem_0\.", r"(?!)", turns=newest_state_first),
    # timm's Swin has the blocks behind what merges before them, and DLA the projection
    # of a tree's first block before that.
    Naming(
        "timm",
        r"layers\.\d+\.blocks\.\d+\.attn\.",
        r"layers\.\d+",
        last=r"\.blocks\.",
    ),
    Naming(
        "timm",
        r"level2\.tree1\.",
        r"level\d+(\.tree\d)*?(?=\.(project|tree1\.(?!tree|project)))",
        last=r"\.project\.",
    ),
    Naming(
        "efficientnet_pytorch",
        r"_conv_stem\.",
        r"_blocks\.\d+",
        padding="tensorflow",
    ),
    Naming("effdet", r"(fpn|class_net)\.", r"backbone\.blocks\.\d+\.\d+"),
    Naming(
        "torchvision",
        r"features\.\d+\.\d+\.(block|layers)\.|features\.\d+\.(block|conv)\."
        r"|trunk_output\.|layers\.\d+\.\d+\.layers\.|AuxLogits\.|inception3a\.",
        r"features\.\d+\.\d+(?=\.block)|features\.\d+(?=\.(block|conv)\.)"
        r"|trunk_output\.block\d+\.block\d+-\d+|layers\.\d+\.\d+(?=\.layers)"
        r"|Mixed_\w+|inception\d\w",
        last=r"\.proj\.",
        left=r"AuxLogits\.|aux\d\.",
        padding="centred",
    ),
    Naming(
        "timm",
        r"conv_stem\.|s1\.b1\.|stages\.0\.blocks\.|layer0\.|stem\.|Conv2d_1a_3x3\."
        r"|last_linear\.|conv2d_1a\.|patch_embed\.|head\.fc\.|block1\.rep\."
        r"|body\.conv1\.",
        r"blocks\.\d+\.\d+|s\d+\.b\d+|(body\.)?layer[1-9]\.\d+"
        r"|stages\.\d+\.blocks\.\d+"
        r"|stages\.\d+\.downsample|Mixed_\w+|cell_\w+|block\d+",
        last=r"\.(downsample|skip|skipbn|shortcut)\.",
        left=r"AuxLogits\.|head_dist\.",
    ),
    # What torchvision and timm name alike.
    Naming(
        "torchvision, timm",
        r"layer1\.0\.|features\.denseblock1\.",
        r"layer\d+\.\d+|features\.denseblock\d+\.denselayer\d+"
        r"|features\.transition\d+",
    ),
)


def naming_of(names: Iterable[str]) -> Naming | None:
    """The library that names tensors so; None where none is known."""
    known = list(names)
    for naming in NAMINGS:
        mark = re.compile(naming.mark)
        if any(mark.match(name) for name in known):
            return naming
    return None
