"""Tensors of a file laid over those of a network, whatever the file calls them.

Networks of one architecture have the same layers in the same blocks, and state dicts
list them in the order of the code. So a name is read for two things alone: of which
block it is, and whether its layer is listed elsewhere than it runs
(`effscale.module.naming`). What a library has in parts, or together, is put together
or parted first. Within a block, layers of the same shapes
are taken in order. Of names that none knows, the whole network is one block.
"""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import count, takewhile
from math import prod
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import torch

from effscale.errors import WeightsError, first_line
from effscale.module.attention import Attending
from effscale.module.build import build
from effscale.module.naming import LIBRARIES, Naming, naming_of
from effscale.module.weights import Original, Weights, named, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from torch import nn

    from effscale.spec.models import Spec
    from effscale.spec.values import SamePadding

    #: Tensors by name, each beside the names of what it is made of.
    Made: TypeAlias = dict[str, tuple[tuple[str, ...], torch.Tensor]]
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
_TABLE = "relative_position_bias_table"
_BY_OFFSET = re.compile(rf"\b{_TABLE}$")
#: By what weights of the original of an imported spec are found.
_TOLD = "the names of its import"
#: What torch's attention calls the layer that makes queries, keys and values.
_QKV = "in_proj_"
#: Scales and tables that a library keeps beside the layers of a block, each by itself.
_BESIDE = re.compile(r"\bgamma(_\w+|\d)?$|\battention_biases\.\d+$")
#: What an affine layer of one number calls its weight.
_SCALE = "scale"
#: Layers that make the queries of all heads first, then keys, then values; ours make
#: all of a head together, as do timm's of MaxViT.
_APART = re.compile(
    r"(?<!attn_block\.)(?<!attn_grid\.)\b(attn|xca|token_mixer)\.qkv\.|\.in_proj_"
)
#: Dimensions of learnt tokens, and of the places of all of them.
_TOKENS = 3
#: Dimensions of the weight of a linear layer.
_MATRIX = 2
#: How many names a message holds.
_SHOWN = 3


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
    made = _whole(given, own)
    tensors = {name: each for name, (_, each) in made.items()}
    found = _of_numbers(own, tensors, given.names)
    pairs = {name: found.pairs[name] for name in own if name in found.pairs}
    return _of_file(replace(found, pairs=pairs), made)


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
    made = _whole(given, own)
    tensors = {name: each for name, (_, each) in made.items()}
    found = _of_numbers(own, tensors, given.names)
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
        if theirs not in tensors:
            continue
        told = found.by == _TOLD
        tensor = tensors[theirs] if told else _laid_out(theirs, tensors)
        if (
            not told
            and _are_apart(theirs, tensors)
            and (number := heads.get(ours.rpartition(".")[0]))
        ):
            tensor = tensor.unflatten(0, (3, number, -1)).transpose(0, 1)
        own[ours].copy_(tensor.reshape(own[ours].shape))
    return _of_file(found, made)


def _groups_as_one(match: re.Match[str], tensors: Mapping[str, torch.Tensor]) -> Made:
    """timm has a 1×1 convolution of MixNet for each of its groups."""
    numbered = (f"{match[1]}.{k}.weight" for k in count())
    names = (*takewhile(tensors.__contains__, numbered),)
    return {f"{match[1]}.weight": (names, torch.cat([tensors[k] for k in names]))}


def _biases_by_head(match: re.Match[str], tensors: Mapping[str, torch.Tensor]) -> Made:
    """Biases of queries and of values, of a network that has none of keys either."""
    heads = len(tensors[f"{match[1]}.logit_scale"])
    by_word = {"query": f"{match[1]}.q_bias", "value": f"{match[1]}.v_bias"}
    return {
        f"{match[1]}.bias.{word}": ((name,), tensors[name].unflatten(0, (heads, -1)))
        for word, name in by_word.items()
    }


def _tokens_as_one(match: re.Match[str], tensors: Mapping[str, torch.Tensor]) -> Made:
    """timm has a parameter for the class token and one for those behind it."""
    names = "cls_token", match[0]
    return {"cls_token": (names, torch.cat([tensors[each] for each in names], dim=1))}


def _biases_as_one(match: re.Match[str], tensors: Mapping[str, torch.Tensor]) -> Made:
    """Swin V2 has biases of queries and of values, and none of keys."""
    names = f"{match[1]}.q_bias", f"{match[1]}.v_bias"
    queries, values = (tensors[each] for each in names)
    bias = torch.cat([queries, torch.zeros_like(queries), values])
    return {f"{match[1]}.qkv.bias": (names, bias)}


def _made_apart(match: re.Match[str], tensors: Mapping[str, torch.Tensor]) -> Made:
    """EfficientViT-M makes queries, keys and values of a head by one convolution.

    What runs on the queries follows them.
    """
    deep = f"{match[1]}.dws.{match[2]}"
    width = len(tensors[f"{deep}.conv.weight"])  # of the queries
    split = tensors[match[0]].tensor_split([width, 2 * width])
    names = (f"{match[1]}.{each}{match[2]}.{match[3]}" for each in "qkv")
    query, *others = [(k, ((match[0],), v)) for k, v in zip(names, split, strict=True)]
    name = f"{deep}.{match[3]}"
    return dict([query, (name, ((name,), tensors[name])), *others])


def _tables_apart(match: re.Match[str], tensors: Mapping[str, torch.Tensor]) -> Made:
    """EfficientViT-M has the tables of all heads together, who have a branch each."""
    heads = [
        k
        for k, _ in enumerate(tensors[match[0]])
        if f"{match[1]}.qkvs.{k}.conv.weight" in tensors
    ]
    return {
        f"{match[0]}.{k}": ((match[0],), tensors[match[0]][k : k + 1]) for k in heads
    }


def _table_of_sides(match: re.Match[str], tensors: Mapping[str, torch.Tensor]) -> Made:
    """MaxViT of TensorFlow has (heads, rows, columns), from the key to the query."""
    heads, _, _ = tensors[match[0]].shape
    table = tensors[match[0]].flip(1, 2).reshape(heads, -1).T
    return {match[0]: ((match[0],), table)}


def _heads_together(match: re.Match[str], tensors: Mapping[str, torch.Tensor]) -> Made:
    """That MaxViT makes the queries of all heads first; timm's other ones do not."""
    heads, _, _ = tensors[f"{match[1]}.rel_pos.{_TABLE}"].shape
    apart = tensors[match[0]].unflatten(0, (3, heads, -1))
    return {match[0]: ((match[0],), apart.transpose(0, 1).flatten(0, 2))}


def _scaled_by_all(match: re.Match[str], tensors: Mapping[str, torch.Tensor]) -> Made:
    """torchvision's MaxViT divides products by the root of all heads' channels."""
    _, heads = tensors[f"{match[1]}.{_TABLE}"].shape
    apart = tensors[match[0]].unflatten(0, (3, heads, -1))
    factors = torch.tensor([heads**-0.5, 1, 1], dtype=apart.dtype)
    apart = apart * factors.view(3, *[1] * (apart.dim() - 1))
    return {match[0]: ((match[0],), apart.transpose(0, 1).flatten(0, 2))}


def _keys_and_values(match: re.Match[str], tensors: Mapping[str, torch.Tensor]) -> Made:
    """PVT and Twins make keys and values of a map that strides, where there is one.

    timm lists what makes that map last; where there is none, queries belong to them.
    """
    before, which, word = match.groups()
    query, kv, context = (f"{before}.{each}.{word}" for each in ("q", "kv", "sr"))
    if context not in tensors:
        joined = torch.cat([tensors[query], tensors[kv]])
        return {f"{before}.qkv.{word}": ((query, kv), joined)}
    if which == "q":
        return {each: ((each,), tensors[each]) for each in (query, context)}
    key, value = tensors[kv].chunk(2)
    return {f"{before}.{k}.{word}": ((kv,), v) for k, v in (("k", key), ("v", value))}


def _pixels_of_channels(
    match: re.Match[str], tensors: Mapping[str, torch.Tensor]
) -> Made:
    """TResNet has the channels of each of 4×4 pixels, ours the pixels of each."""
    weight = tensors[match[0]].unflatten(1, (16, -1)).transpose(1, 2).flatten(1, 2)
    return {match[0]: ((match[0],), weight)}


#: What a network has otherwise than a file, by the file's names and by a name that the
#: network must have for it; the first that fits. Source: torchvision 0.28
#: (models/maxvit.py), timm 1.0 (models/deit.py,
#: layers/mixed_conv2d.py, models/swin_transformer_v2.py, models/efficientvit_msra.py,
#: models/maxxvit.py, models/pvt_v2.py, layers/space_to_depth.py).
_OTHERWISE = (
    (r"(.*\bconv_pwl?)\.\d+\.weight", r"", _groups_as_one),
    (r"(.*)\.[qv]_bias", r"\.bias\.query$", _biases_by_head),
    (r"(.*)\.[qv]_bias", r"", _biases_as_one),
    (r"(dist|reg)_token", r"", _tokens_as_one),
    (r"(.*)\.qkvs\.(\d+)\.(.*)", r"", _made_apart),
    (r"(.*)\.attention_biases", r"", _tables_apart),
    (rf".*\.rel_pos\.{_TABLE}", r"", _table_of_sides),
    (r"(.*\.attn_(?:block|grid)\.attn)\.qkv\.\w+", r"", _heads_together),
    (r"(.*)\.to_qkv\.\w+", r"", _scaled_by_all),
    (r"body\.conv1\.conv\.weight", r"", _pixels_of_channels),
    (r"(.*\.attn)\.(q|kv)\.(weight|bias)", r"", _keys_and_values),
)


def _whole(given: Weights, own: Iterable[str]) -> Made:
    """Tensors as a network has them, and of which of a file's each is made.

    What lacks a part, or whose parts do not fit each other, stays as it is; what an
    import has named, too.
    """
    found: Made = {}
    told = {*given.names.values()}
    names = "\n".join(own)
    rules = [
        (re.compile(theirs), rule)
        for theirs, ours, rule in _OTHERWISE
        if re.search(ours, names, re.MULTILINE)
    ]
    for name, each in given.tensors.items():
        made: Made = {name: ((name,), each)}
        for pattern, rule in rules if name not in told else ():
            if match := pattern.fullmatch(name):
                with suppress(LookupError, RuntimeError, ValueError):
                    made = rule(match, given.tensors) or made
                break
        found |= made
    return found


def _of_file(found: Mapped, made: Made) -> Mapped:
    """What was found, by the names that the file itself has."""
    parts = {k: made[v][0] if v in made else (v,) for k, v in found.pairs.items()}
    return replace(found, pairs={k: " + ".join(v) for k, v in parts.items()})


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
            net = _empty(lambda: make(theirs, **library.options_of(theirs)))
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


def _are_apart(name: str, tensors: Mapping[str, torch.Tensor]) -> bool:
    """Whether it makes the queries of all heads first; timm's convolutions do not."""
    weight = tensors.get(f"{name.rpartition('.')[0]}.weight", tensors[name])
    return _APART.search(name) is not None and weight.dim() <= _MATRIX


def _turned(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """Tables, and tokens of (1, tokens, channels), with heads or channels first."""
    if _BY_OFFSET.search(name):
        return tensor.T
    tokens = tensor.dim() == _TOKENS and len(tensor) == 1
    return tensor.transpose(1, 2) if tokens else tensor


def _of_numbers(
    own: Mapping[str, torch.Tensor],
    tensors: Mapping[str, torch.Tensor],
    names: Mapping[str, str] | None,
) -> Mapped:
    """Which tensors are which; those fit that are real numbers, no codes of them."""
    found = _mapped(_shapes(own), _shapes(tensors), names)
    codes = tuple(
        f"{theirs} of {str(tensors[theirs].dtype).removeprefix('torch.')} for {ours}"
        for ours, theirs in found.pairs.items()
        if theirs in tensors and not tensors[theirs].is_floating_point()
    )
    return replace(found, misfits=(*found.misfits, *codes)) if codes else found


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
    needed = {name: each for name, each in known.items() if name not in left}
    found = _by_naming(own, needed, naming)
    if left and found.misfits:  # a network may have what others only train with
        every = _by_naming(own, known, naming)
        if len(every.misfits) < len(found.misfits):
            found, left = every, ()
    return replace(found, left=left, padding=naming.padding)


def _by_naming(
    own: Mapping[str, Sides], known: Mapping[str, Sides], naming: Naming
) -> Mapped:
    """Block by block as a library names them, or else by order, as more of it fits."""
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
    return found


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
        alone = "." not in name or _BESIDE.search(name)
        path, _, word = (name, "", "") if alone else name.rpartition(".")
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
    units = _units(shapes)
    for path, unit in ((path, units[path]) for path in naming.turns(units)):
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
    named = {word.removeprefix(_QKV): _trimmed(each) for word, each in unit.items()}
    if _SCALE in named:
        named["weight"] = named.pop(_SCALE)
    return tuple(sorted(named.items()))


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
        for path in [*lacking]:
            if same := [k for k in over if _is_flat_of(lacking[path], over[k])]:
                pairs |= _words(path, lacking.pop(path), same[0], over.pop(same[0]))
        for path, unit in lacking.items():
            like = [k for k, each in over.items() if each.keys() == unit.keys()]
            other = over.pop(like[0]) if like else None
            if other is None or not _of_classes(path, unit, other):
                misfits.append(_apart(path, unit, like[0] if like else "", other))
            else:
                classifier += [_joined(path, word) for word in unit]
        misfits += [f"{_joined(k, next(iter(v)))} besides" for k, v in over.items()]
    return Mapped(by, pairs, tuple(classifier), tuple(misfits))


def _is_flat_of(ours: Unit, theirs: Unit) -> bool:
    """Whether theirs has in a row what ours has as a map.

    The classifiers of VGG and AlexNet begin with a matrix over all of a map, ours with
    the window that covers it; positions of DeiT III are a row of tokens.
    """
    if len(ours) == len(theirs) == 1:
        (places,), (row,) = ours.values(), theirs.values()
        return len(places) == len(row) + 1 and row == (*places[:2], prod(places[2:]))
    matrix, window = theirs.get("weight", ()), ours.get("weight", ())
    if ours.keys() != theirs.keys() or len(matrix) != _MATRIX or not window:
        return False
    return matrix == (window[0], prod(window[1:]))


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
