"""Tensors of a file laid over those of a network, whatever the file calls them.

Networks of one architecture have the same layers in the same blocks, and state dicts
list them in the order of the code. So a name is read for two things alone: of which
block it is, and whether its layer is listed elsewhere than it runs. `NAMINGS` says
that, as data, for libraries that are known. Within a block, layers of the same shapes
are taken in order. Of names that none knows, the whole network is one block.
"""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from dataclasses import dataclass, field, replace
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import torch

from effscale.errors import WeightsError, first_line
from effscale.module.attention import Attending
from effscale.module.build import build
from effscale.module.weights import Original, Weights, named, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from torch import nn

    from effscale.spec.models import Spec
    from effscale.spec.values import SamePadding

    #: A file, what was read of one, or tensors by name.
    Given: TypeAlias = str | Path | Original | Weights | Mapping[str, torch.Tensor]

Sides: TypeAlias = tuple[int, ...]
#: Shapes of the tensors of one module, by the last word of their names.
Unit: TypeAlias = "dict[str, Sides]"

#: A tensor that counts, and weighs nothing.
_COUNTER = "num_batches_tracked"
#: What follows from the sides of windows, and is learnt nowhere.
_DERIVED = re.compile(
    r"\b(relative_position_index|relative_coords_table|attn_mask|attention_bias_idxs)$"
)
#: Tables by offset, (offsets, heads): ours have heads first.
_BY_OFFSET = re.compile(r"\brelative_position_bias_table$")
#: By what weights of the original of an imported spec are found.
_TOLD = "the names of its import"
#: What torch's attention calls the layer that makes queries, keys and values.
_QKV = "in_proj_"
#: Layers that make the queries of all heads first, then keys, then values; ours make
#: all of a head together, as do timm's of MaxViT.
_APART = re.compile(r"(?<!attn_block\.)(?<!attn_grid\.)\battn\.qkv\.|\.in_proj_")
#: Dimensions of learnt tokens, and of the places of all of them.
_TOKENS = 3
#: How many names a message holds.
_SHOWN = 3


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
    #: What only training runs, and is left out.
    left: str = r"(?!)"
    #: How all of its networks pad, if they do alike.
    padding: SamePadding | None = None


@dataclass(frozen=True)
class Library:
    """Where a library makes its networks, and what it calls those that are ours."""

    module: str
    make: str  #: the function that does, of that module or a class in it
    #: Its names by ours, the first that fits; else it is ours with _ for -.
    names: tuple[tuple[str, str], ...]
    #: How it is told to fetch no weights.
    options: Mapping[str, object] = field(default_factory=dict)

    def name_of(self, ours: str) -> str:
        """What it would call the network that we call so."""
        for pattern, theirs in self.names:
            if re.fullmatch(pattern, ours):
                return re.sub(pattern, theirs, ours)
        return ours.replace("-", "_")


#: Networks whose widths timm writes in per cent: `lcnet_050`.
_WIDE = r"(ghostnet|ghostnetv2|lcnet|mobilevitv2|rexnet)"

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
            (r"regnet([xy])-(\d+)(?:\.0)?([gm]f)", r"regnet_\1_\2\3"),
            (r"regnet([xy])-(\d+)\.(\d)gf", r"regnet_\1_\2_\3gf"),
            (r"shufflenetv2-(\d)\.(\d)", r"shufflenet_v2_x\1_\2"),
            (r"squeezenet-(\d)\.(\d)", r"squeezenet\1_\2"),
            (r"(\w+)-mobilenetv3-large", r"\1_mobilenet_v3_large"),
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
            (r"(convnext(?:v2)?)-t", r"\1_tiny"),
            (r"(convnext(?:v2)?)-s", r"\1_small"),
            (r"(convnext(?:v2)?)-b", r"\1_base"),
            (r"(convnext(?:v2)?)-l", r"\1_large"),
            (r"(convnext(?:v2)?)-xl", r"\1_xlarge"),
            (r"(convnext(?:v2)?)-h", r"\1_huge"),
            (r"fbnet-c", "fbnetc_100"),
            (_WIDE + r"-(\d)\.(\d)", r"\1_\2\g<3>0"),
            (_WIDE + r"-(\d)\.(\d\d)", r"\1_\2\3"),
            (r"mnasnet-a1-0\.75", "semnasnet_075"),
            (r"mobilenetv4-conv-small-0\.(\d)", r"mobilenetv4_conv_small_0\g<1>0"),
            (r"mobilenetv4-conv-small-0\.(\d\d)", r"mobilenetv4_conv_small_0\1"),
            (r"hardcore-nas-(\w)", r"hardcorenas_\1"),
            (r"(ghostnet|lcnet|spnasnet|mobilenetv[12])", r"\1_100"),
            (r"mobilenetv3-(\w+)", r"mobilenetv3_\1_100"),
            (r"mnasnet-a1", "semnasnet_100"),
            (r"mnasnet-b1", "mnasnet_100"),
            (r"regnet([xy])-(\d)00mf", r"regnet\1_00\2"),
            (r"regnet([xy])-(\d)\.(\d)gf", r"regnet\1_0\2\3"),
            (r"regnet([xy])-(\d\d)gf", r"regnet\1_\g<2>0"),
            (r"swin-t", "swin_tiny_patch4_window7_224"),
            (r"swin-s", "swin_small_patch4_window7_224"),
            (r"swin-b", "swin_base_patch4_window7_224"),
            (r"swin-v2-t", "swinv2_tiny_window8_256"),
            (r"swin-v2-s", "swinv2_small_window8_256"),
            (r"swin-v2-b", "swinv2_base_window8_256"),
            (r"vit-ti-(\d+)", r"vit_tiny_patch\1_224"),
            (r"vit-s-(\d+)", r"vit_small_patch\1_224"),
            (r"vit-b-(\d+)", r"vit_base_patch\1_224"),
            (r"vit-l-(\d+)", r"vit_large_patch\1_224"),
            (r"pnasnet-5-large", "pnasnet5large"),
            (r"nasnet-a-large", "nasnetalarge"),
            (r"(senet154|xception)", r"legacy_\1"),
        ),
    ),
    "effdet": Library(
        "effdet",
        "create_model",
        (
            (r"(d\w+)", r"tf_efficientdet_\1"),
            (r"efficientdet-(lite\w+)", r"tf_efficientdet_\1"),
        ),
        options={"pretrained": False, "pretrained_backbone": False},
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
        r"|trunk_output\.|layers\.\d+\.\d+\.layers\.|AuxLogits\.",
        r"features\.\d+\.\d+(?=\.block)|features\.\d+(?=\.(block|conv)\.)"
        r"|trunk_output\.block\d+\.block\d+-\d+|layers\.\d+\.\d+(?=\.layers)"
        r"|Mixed_\w+",
        last=r"\.proj\.",
        left=r"AuxLogits\.",
        padding="centred",
    ),
    Naming(
        "timm",
        r"conv_stem\.|s1\.b1\.|stages\.0\.blocks\.|layer0\.|stem\.|Conv2d_1a_3x3\."
        r"|last_linear\.|conv2d_1a\.|patch_embed\.|head\.fc\.",
        r"blocks\.\d+\.\d+|s\d+\.b\d+|layer[1-9]\.\d+|stages\.\d+\.blocks\.\d+"
        r"|stages\.\d+\.downsample|Mixed_\w+|cell_\w+|block\d+",
        last=r"\.(downsample|skip|skipbn)\.",
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

#: Our own blocks, and the parts that tell classes apart.
_BLOCK = re.compile(r"stages\.\d+\.\w+")
_CLASSIFIER = re.compile(r"head\.classifier|class_head\.predict\b.*")


@dataclass(frozen=True)
class Mapped:
    """Which tensors of a file are which of a network's, and what is left of both."""

    #: `effscale's names`, `timm's names`, or `order and shape`.
    by: str
    #: The file's name of each of the network's.
    pairs: Mapping[str, str]
    #: The network's that tell classes apart, where the file's are of other classes.
    classifier: tuple[str, ...]
    #: What does not fit, a line each: of the network, and of the file.
    misfits: tuple[str, ...]
    #: The file's that the network has no use for, in training alone.
    left: tuple[str, ...] = ()
    #: How the library's networks pad, where all do alike.
    padding: SamePadding | None = None

    @property
    def whole(self) -> bool:
        """Whether each of the network's tensors has its own, and none is over."""
        return not self.misfits and not self.classifier


def mapping(spec: Spec, weights: Given) -> Mapped:
    """Which tensor of a file is which of the network of `spec`, by its names or order.

    `weights` is a file, a state dict of any library's module of that network, or the
    name of an installed library that has the network: torchvision, timm, effdet or
    efficientnet_pytorch, which is asked for the names of its tensors.

    Raises:
        WeightsError: if the file cannot be read, or the library does not have it.
    """
    own = build(spec, init=False, device="meta").state_dict()
    if isinstance(weights, str) and weights in LIBRARIES:
        weights = _of_library(spec.name, weights)
    given = held(weights)
    found = _mapped(_shapes(own), _shapes(given.tensors), given.names)
    pairs = {name: found.pairs[name] for name in own if name in found.pairs}
    return replace(found, pairs=pairs)


@torch.no_grad()
def load_weights(
    net: nn.Module,
    weights: Given,
    *,
    new_classifier: bool = False,
    names: str | Path | None = None,
) -> Mapped:
    """Give `net` the weights of a file, of another library's network as well.

    Reads `.pth` and `.safetensors` files and checkpoints of `effscale train`, without
    running anything in them. With `new_classifier` what tells classes apart stays as it
    is where the file's is of other classes. Padding and batch norm's ε are no weights:
    the spec says them (`padding: tensorflow`, `norm: {eps: …}`). `names` is what
    `effscale import` has written beside the spec, for weights of its original.

    Raises:
        WeightsError: if the file cannot be read, or its weights are not this network's.
    """
    given, own = held(weights, names), net.state_dict()
    found = _mapped(_shapes(own), _shapes(given.tensors), given.names)
    wrong = list(found.misfits)
    if not new_classifier:
        wrong += [f"other classes for {name}" for name in found.classifier]
    if wrong:
        where = f"{given.file}: " if given.file else ""
        more = f", and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        some = ", ".join(wrong[:_SHOWN])
        raise WeightsError(f"{where}expected this network's weights, got {some}{more}")
    heads = _heads(net)
    for ours, theirs in {**found.pairs, **_counters(found.pairs)}.items():
        if theirs not in given.tensors:
            continue
        told = found.by == _TOLD
        tensor = given.tensors[theirs] if told else _laid_out(theirs, given.tensors)
        if (
            not told
            and _APART.search(theirs)
            and (number := heads.get(ours.rpartition(".")[0]))
        ):
            tensor = tensor.unflatten(0, (3, number, -1)).transpose(0, 1)
        own[ours].copy_(tensor.reshape(own[ours].shape))
    return found


def _of_library(ours: str, name: str) -> dict[str, torch.Tensor]:
    """The state dict of a library's network, without its numbers."""
    library = LIBRARIES[name]
    theirs = library.name_of(ours)
    try:
        make = attrgetter(library.make)(import_module(library.module))
    except ModuleNotFoundError as error:
        message = f"expected it to be installed, to ask it for its names: {error}"
        raise WeightsError(f"{name}: {message}") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            net = _empty(lambda: make(theirs, **library.options))
    except Exception as error:  # whatever the library raises
        message = f"expected a network {theirs}, which would be {ours}"
        raise WeightsError(f"{name}: {message}, got {first_line(error)}") from error
    return net.state_dict()


def _empty(make: Callable[[], nn.Module]) -> nn.Module:
    """What `make` makes, without memory if it needs no numbers for that."""
    try:
        with torch.device("meta"):
            return make()
    except NotImplementedError:
        return make()


def _heads(net: nn.Module) -> dict[str, int]:
    """The heads of each layer that makes queries, keys and values of one width."""
    return {
        f"{path.rpartition('.')[0]}.qkv": int(each.attend.heads)
        for path, each in net.named_modules()
        if isinstance(each, Attending)
        and int(each.attend.key_width) == int(each.attend.value_width)
    }


def _shapes(state: Mapping[str, torch.Tensor]) -> dict[str, Sides]:
    return {name: tuple(_turned(name, each).shape) for name, each in state.items()}


def _laid_out(name: str, tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """A tensor as ours are: Swin's four neighbours of a position, channel by channel.

    It has them after each other, column by column (`PatchMerging` of torchvision/
    models/swin_transformer.py), and as torch's PixelUnshuffle we have each channel's.
    """
    tensor = _turned(name, tensors[name])
    merging = tensors.get(f"{name.rsplit('.', 2)[0]}.reduction.weight")
    if merging is None or tensor.shape[-1] != merging.shape[1]:
        return tensor
    neighbours: torch.Tensor = tensor.unflatten(-1, (2, 2, -1))
    return neighbours.transpose(-1, -3).flatten(-3)


def _turned(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """Tables, and tokens of (1, tokens, channels), with heads or channels first."""
    if _BY_OFFSET.search(name):
        return tensor.T
    tokens = tensor.dim() == _TOKENS and len(tensor) == 1
    return tensor.transpose(1, 2) if tokens else tensor


def _mapped(
    ours: Mapping[str, Sides],
    theirs: Mapping[str, Sides],
    names: Mapping[str, str] | None = None,
) -> Mapped:
    """By our own names if most are there, by a library's, or else by order and shape.

    Of the last two, the one that fits. Names that were told go before those that are
    known, if the file has most of them.
    """
    own, known = _weighing(ours), _weighing(theirs)
    if 2 * len(own.keys() & known.keys()) > len(own):
        return _by_own_names(own, known)
    if names and 2 * len({*names.values()} & known.keys()) > len(names):
        return _by_names_told(own, known, names)
    naming = naming_of(known)
    if naming is None:
        return _paired([(_units(own), _units(known))], "order and shape")
    left = tuple(name for name in known if re.search(naming.left, name))
    known = {name: each for name, each in known.items() if name not in left}
    found = _paired([(_units(own), _run(known, naming))], "order and shape")
    blocks, others = _grouped(own, _BLOCK), _grouped(known, re.compile(naming.block))
    if len(blocks) == len(others):
        groups = [
            (_units(a), _in_order(_units(b), naming))
            for a, b in zip(blocks, others, strict=True)
        ]
        by_name = _paired(groups, f"{naming.name}'s names")
        if len(by_name.misfits) <= len(found.misfits):
            found = by_name
    return replace(found, left=left, padding=naming.padding)


def _weighing(shapes: Mapping[str, Sides]) -> dict[str, Sides]:
    return {
        name: each
        for name, each in shapes.items()
        if not name.endswith(_COUNTER) and not _DERIVED.search(name)
    }


def _by_own_names(own: Mapping[str, Sides], known: Mapping[str, Sides]) -> Mapped:
    """What has the same name, each by itself; the rest has no partner."""
    both = [name for name in own if name in known]
    groups = [(_units({k: own[k]}), _units({k: known[k]})) for k in both]
    lacking = {k: each for k, each in own.items() if k not in known}
    over = {k: each for k, each in known.items() if k not in own}
    groups += [(_units(lacking), {}), ({}, _units(over))]
    return _paired(groups, "effscale's names")


def _by_names_told(
    own: Mapping[str, Sides], known: Mapping[str, Sides], names: Mapping[str, str]
) -> Mapped:
    """What is of that name, each by itself; the rest of a file has no part in it."""
    told = {k: known[v] for k, v in names.items() if v in known and k in own}
    found = _by_own_names(own, told)
    pairs = {ours: names[same] for ours, same in found.pairs.items()}
    left = tuple(name for name in known if name not in {*names.values()})
    over = [f"{v} besides" for k, v in names.items() if v in known and k not in own]
    misfits = (*found.misfits, *over)
    return replace(found, by=_TOLD, pairs=pairs, left=left, misfits=misfits)


def _counters(pairs: Mapping[str, str]) -> dict[str, str]:
    """What counts the batches that each batch norm has seen; not all files have it."""
    means = ((ours, pairs[ours]) for ours in pairs if ours.endswith("running_mean"))
    return {
        re.sub(r"running_mean$", _COUNTER, ours): re.sub(r"\w+$", _COUNTER, theirs)
        for ours, theirs in means
    }


def held(weights: Given, names: str | Path | None = None) -> Weights:
    """The weights of a file, or those given as tensors by name."""
    if names is not None:
        return named(held(weights), Path(names))
    match weights:
        case Weights():
            return weights
        case Original():
            return named(read(weights.weights), weights.names)
        case str() | Path():
            return read(Path(weights))
        case _:
            return Weights(weights, "a state dict")


def naming_of(names: Iterable[str]) -> Naming | None:
    """The library that names tensors so; None where none is known."""
    known = list(names)
    for naming in NAMINGS:
        mark = re.compile(naming.mark)
        if any(mark.match(name) for name in known):
            return naming
    return None


def _grouped(
    shapes: Mapping[str, Sides], block: re.Pattern[str]
) -> list[dict[str, Sides]]:
    """What is in no block, and what is in each, in order."""
    groups: dict[str, dict[str, Sides]] = {"": {}}
    for name, each in shapes.items():
        found = block.match(name)
        groups.setdefault(found[0] if found else "", {})[name] = each
    return [*groups.values()]


def _units(shapes: Mapping[str, Sides]) -> dict[str, Unit]:
    """The modules that have these tensors; one of the whole network is by itself."""
    units: dict[str, Unit] = {}
    for name, each in shapes.items():
        path, _, word = name.rpartition(".") if "." in name else (name, "", "")
        units.setdefault(path, {})[word] = each
    return units


def _in_order(units: dict[str, Unit], naming: Naming) -> dict[str, Unit]:
    last = re.compile(naming.last)
    return dict(
        sorted(units.items(), key=lambda unit: bool(last.search(f"{unit[0]}.")))
    )


def _run(shapes: Mapping[str, Sides], naming: Naming) -> dict[str, Unit]:
    """All modules, those of each block as they run."""
    block = re.compile(naming.block)
    found: dict[str, Unit] = {}
    waiting: dict[str, Unit] = {}
    before = ""
    for path, unit in _units(shapes).items():
        match = block.match(f"{path}.")
        now = match[0] if match else ""
        if now != before:
            found |= _in_order(waiting, naming)
            waiting = {}
        waiting[path] = unit
        before = now
    return found | _in_order(waiting, naming)


def _key(unit: Unit) -> tuple[object, ...]:
    """What two modules have in common that can have each other's weights."""
    if len(unit) == 1:  # whatever it is called: `weights`, or `edge_weights`
        return tuple(map(_trimmed, unit.values()))
    named = ((word.removeprefix(_QKV), _trimmed(each)) for word, each in unit.items())
    return tuple(sorted(named))


def _trimmed(sides: Sides) -> Sides:
    """Without ones at the end, by which a 1×1 convolution differs from a matrix."""
    while len(sides) > 1 and sides[-1] == 1:
        sides = sides[:-1]
    return sides


def _paired(
    groups: Iterable[tuple[dict[str, Unit], dict[str, Unit]]], by: str
) -> Mapped:
    """Modules of each group in order, where their shapes are the same."""
    pairs: dict[str, str] = {}
    misfits: list[str] = []
    classifier: list[str] = []
    for ours, theirs in groups:
        waiting: dict[tuple[object, ...], list[str]] = defaultdict(list)
        for path, unit in reversed(theirs.items()):
            waiting[_key(unit)].append(path)
        over, lacking = dict(theirs), dict[str, Unit]()
        for path, unit in ours.items():
            if same := waiting[_key(unit)]:
                pairs |= _words(path, unit, same[-1], over.pop(same.pop()))
            else:
                lacking[path] = unit
        for path, unit in lacking.items():
            like = [k for k, each in over.items() if each.keys() == unit.keys()]
            other = over.pop(like[0]) if like else None
            if other is None or not _of_classes(path, unit, other):
                misfits.append(_apart(path, unit, like[0] if like else "", other))
            else:
                classifier += [_joined(path, word) for word in unit]
        misfits += [f"{_joined(k, next(iter(v)))} besides" for k, v in over.items()]
    return Mapped(by, pairs, tuple(classifier), tuple(misfits))


def _words(path: str, unit: Unit, other: str, theirs: Unit) -> dict[str, str]:
    """The tensors of two modules of equal shapes, by name."""
    both = zip(sorted(unit), sorted(theirs), strict=True)
    return {_joined(path, word): _joined(other, its) for word, its in both}


def _joined(path: str, word: str) -> str:
    return f"{path}.{word}" if word else path


def _of_classes(path: str, ours: Unit, theirs: Unit) -> bool:
    """Whether two modules tell apart other classes by the same features."""
    same = all(_trimmed(ours[k])[1:] == _trimmed(theirs[k])[1:] for k in ours)
    return same and _CLASSIFIER.fullmatch(path) is not None


def _apart(path: str, ours: Unit, other: str, theirs: Unit | None) -> str:
    """Why a module of ours has no weights."""
    if theirs is None:
        return f"no {_joined(path, next(iter(ours)))}"
    differ = (k for k in ours if _trimmed(ours[k]) != _trimmed(theirs[k]))
    word = next(differ)
    name, found = _joined(path, word), said(theirs[word])
    if path == other:
        return f"{name} of {found} instead of {said(ours[word])}"
    return f"{_joined(other, word)} of {found} for {name} of {said(ours[word])}"


def said(sides: Sides) -> str:
    """`32×3×3×3`."""
    return "×".join(map(str, sides)) or "one number"
