"""Which tensor of a file is which of a network's, whatever the file calls them.

Networks of one architecture have the same layers in the same blocks, and state dicts
list them in the order of the code. So a name is read for two things alone: of which
block it is, and whether its layer is listed elsewhere than it runs. `NAMINGS` says
that, as data, for libraries that are known. Within a block, layers of the same shapes
are taken in order. Of names that none knows, the whole network is one block.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import torch

from effscale.errors import WeightsError
from effscale.module.weights import Weights, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from torch import nn

Sides: TypeAlias = tuple[int, ...]
#: Shapes of the tensors of one module, by the last word of their names.
Unit: TypeAlias = "dict[str, Sides]"

#: A tensor that counts, and weighs nothing.
_COUNTER = "num_batches_tracked"
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


#: A file is of the first whose mark it has. Sources: torchvision 0.28
#: (torchvision/models), timm 1.0 (timm/models), efficientnet_pytorch 0.7 (model.py),
#: effdet 0.4 (efficientdet.py). Files that were ported from TensorFlow (`tf_…`) have
#: timm's names, or efficientnet_pytorch's.
NAMINGS = (
    Naming("efficientnet_pytorch", r"_conv_stem\.", r"_blocks\.\d+"),
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
    ),
    Naming(
        "timm",
        r"conv_stem\.|s1\.b1\.|stages\.0\.blocks\.|layer0\.|stem\.|Conv2d_1a_3x3\."
        r"|last_linear\.|conv2d_1a\.|patch_embed\.|head\.fc\.",
        r"blocks\.\d+\.\d+|s\d+\.b\d+|layer[1-9]\.\d+|stages\.\d+\.blocks\.\d+"
        r"|stages\.\d+\.downsample|Mixed_\w+|cell_\w+|block\d+",
        last=r"\.(downsample|skip)\.",
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
    left: tuple[str, ...]
    shapes: Mapping[str, Sides]  #: of the network's tensors

    @property
    def whole(self) -> bool:
        """Whether each of the network's tensors has its own, and none is over."""
        return not self.misfits and not self.classifier


def mapping(net: nn.Module, weights: Path | Weights) -> Mapped:
    """Which tensor of a file is which of `net`, a network that `effscale.build` made.

    Raises:
        WeightsError: if the file cannot be read.
    """
    held = weights if isinstance(weights, Weights) else read(weights)
    return _mapped(_shapes(net.state_dict()), _shapes(held.tensors))


@torch.no_grad()
def load_weights(
    net: nn.Module, weights: Path | Weights, *, new_classifier: bool = False
) -> Mapped:
    """Give `net` the weights of a file, of other libraries' networks as well.

    Reads `.pth` and `.safetensors` files and checkpoints of `effscale train`, without
    running anything in them. With `new_classifier` what tells classes apart stays as it
    is where the file's is of other classes. Padding and batch norm's ε are no weights:
    the spec says them (`padding: tensorflow`, `norm: {eps: …}`).

    Raises:
        WeightsError: if the file cannot be read, or its weights are not this network's.
    """
    held = weights if isinstance(weights, Weights) else read(weights)
    found = mapping(net, held)
    wrong = list(found.misfits)
    if not new_classifier:
        wrong += [f"other classes in {name}" for name in found.classifier]
    if wrong:
        where = "" if isinstance(weights, Weights) else f"{weights}: "
        more = f", and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        some = "; ".join(wrong[:_SHOWN])
        raise WeightsError(f"{where}expected this network's weights, got {some}{more}")
    own = net.state_dict()
    for ours, theirs in found.pairs.items():
        own[ours].copy_(held.tensors[theirs].reshape(own[ours].shape))
    return found


def _shapes(state: Mapping[str, torch.Tensor]) -> dict[str, Sides]:
    return {name: tuple(each.shape) for name, each in state.items()}


def _mapped(ours: Mapping[str, Sides], theirs: Mapping[str, Sides]) -> Mapped:
    """By our own names if most are there, by a library's, or else by order and shape.

    Of the last two, the one that fits.
    """
    own = {k: each for k, each in ours.items() if not k.endswith(_COUNTER)}
    weighing = {k: each for k, each in theirs.items() if not k.endswith(_COUNTER)}
    if 2 * len(own.keys() & weighing.keys()) > len(own):
        groups = [
            (_units({k: v}), _units({k: weighing[k]}))
            for k, v in own.items()
            if k in weighing
        ]
        lacks = {k: v for k, v in own.items() if k not in weighing}
        more = {k: v for k, v in weighing.items() if k not in own}
        return _paired(
            [*groups, (_units(lacks), _units(more))], "effscale's names", ours
        )
    naming = naming_of(weighing)
    left = [k for k in weighing if naming and re.search(naming.left, k)]
    known = {k: each for k, each in weighing.items() if k not in left}
    by_order = _paired([(_units(own), _units(known))], "order and shape", ours, left)
    if naming is None:
        return by_order
    blocks, found = _grouped(own, _BLOCK), _grouped(known, re.compile(naming.block))
    if len(blocks) != len(found):
        return by_order
    groups = [
        (_units(a), _in_order(_units(b), naming))
        for a, b in zip(blocks, found, strict=True)
    ]
    by_name = _paired(groups, f"{naming.name}'s names", ours, left)
    return by_order if len(by_order.misfits) < len(by_name.misfits) else by_name


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
    """The modules that have these tensors."""
    units: dict[str, Unit] = {}
    for name, each in shapes.items():
        path, _, word = name.rpartition(".")
        units.setdefault(path, {})[word] = each
    return units


def _in_order(units: dict[str, Unit], naming: Naming) -> dict[str, Unit]:
    last = re.compile(naming.last)
    return dict(
        sorted(units.items(), key=lambda unit: bool(last.search(f"{unit[0]}.")))
    )


def _key(unit: Unit) -> tuple[object, ...]:
    """What two modules have in common that can have each other's weights."""
    if len(unit) == 1:  # whatever it is called: `weights`, or `edge_weights`
        return tuple(map(_trimmed, unit.values()))
    return tuple(sorted((word, _trimmed(each)) for word, each in unit.items()))


def _trimmed(sides: Sides) -> Sides:
    """Without ones at the end, by which a 1×1 convolution differs from a matrix."""
    while len(sides) > 1 and sides[-1] == 1:
        sides = sides[:-1]
    return sides


def _paired(
    groups: Iterable[tuple[dict[str, Unit], dict[str, Unit]]],
    by: str,
    shapes: Mapping[str, Sides],
    left: Iterable[str] = (),
) -> Mapped:
    """Modules of each group in order, where their shapes are the same."""
    pairs: dict[str, str] = {}
    misfits: list[str] = []
    classifier: list[str] = []
    for ours, theirs in groups:
        waiting: dict[tuple[object, ...], list[str]] = defaultdict(list)
        for path, unit in reversed(theirs.items()):
            waiting[_key(unit)].append(path)
        lacking: dict[str, Unit] = {}
        for path, unit in ours.items():
            same = waiting[_key(unit)]
            if not same:
                lacking[path] = unit
                continue
            other = same.pop()
            for word, its in zip(sorted(unit), sorted(theirs[other]), strict=True):
                pairs[_joined(path, word)] = _joined(other, its)
        over = {
            k: v
            for k, v in theirs.items()
            if k in {p for w in waiting.values() for p in w}
        }
        for path, unit in lacking.items():
            like = next((k for k, v in over.items() if v.keys() == unit.keys()), None)
            if like is not None and _of_classes(path, unit, over[like]):
                classifier += [_joined(path, word) for word in unit]
                del over[like]
            elif like is not None:
                misfits += _apart(path, unit, like, over.pop(like))
            elif _CLASSIFIER.fullmatch(path):
                classifier += [_joined(path, word) for word in unit]
            else:
                misfits.append(f"no {_joined(path, next(iter(unit)))}")
        misfits += [f"{_joined(k, next(iter(v)))} besides" for k, v in over.items()]
    return Mapped(by, pairs, tuple(classifier), tuple(misfits), tuple(left), shapes)


def _joined(path: str, word: str) -> str:
    return f"{path}.{word}" if path else word


def _of_classes(path: str, ours: Unit, theirs: Unit) -> bool:
    """Whether two modules tell apart other classes by the same features."""
    same = all(_trimmed(ours[k])[1:] == _trimmed(theirs[k])[1:] for k in ours)
    return same and _CLASSIFIER.fullmatch(path) is not None


def _apart(path: str, ours: Unit, other: str, theirs: Unit) -> Iterable[str]:
    for word, sides in ours.items():
        if _trimmed(sides) != _trimmed(theirs[word]):
            name = _joined(path, word)
            found = f"{_joined(other, word)} of {said(theirs[word])}"
            yield f"{found} for {name} of {said(sides)}"
            return


def said(sides: Sides) -> str:
    """`32×3×3×3`."""
    return "×".join(map(str, sides)) or "one number"
