"""Files of weights, read without running anything that they hold.

A state dict that torch has saved, whole or within a checkpoint of some training; one of
safetensors; a checkpoint of `effscale train`, of which the averaged weights are taken.
A file is mapped into memory, not read into it, where its format allows.
"""

from __future__ import annotations

import json
import mmap
import pickle
import warnings
import zipfile
from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING, Any

import torch

from effscale.errors import WeightsError, first_line, refusal, short
from effscale.module.archive import is_damaged
from effscale.version import CHECKPOINT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: What checkpoints of other trainings keep their weights under, the averaged first.
_WITHIN = (
    *("state_dict_ema", "model_ema", "ema_state_dict", "ema"),
    *("state_dict", "model_state_dict", "model_state", "model", "net", "module"),
)
#: What wrappers put before every name.
_WRAPPED = ("module.", "_orig_mod.", "model.")
#: Bytes of the length that a file of safetensors begins with, and of the longest
#: header that its own reader takes.
_LENGTH, _LONGEST = 8, 100_000_000
#: Types of elements, as safetensors names them; weights are of no others.
_TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


@dataclass(frozen=True)
class Weights:
    """Tensors by name, in the file's order, and what the file says of them."""

    tensors: Mapping[str, torch.Tensor]
    origin: str  #: `a state dict`, `safetensors`, …
    #: Means and deviations of the pixels that they were trained with, where known.
    normalisation: tuple[list[float], list[float]] | None = None
    classes: tuple[str, ...] | None = None  #: their names, where known
    spec: str | None = None  #: of the network that was trained, as YAML
    file: str = ""  #: where they were read from
    #: The file's name of each of the network's, where `import` has written them.
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Woven:
    """Tensors of a file as one of a network's: one after the other, laid otherwise."""

    of: tuple[str, ...]
    #: What they are cut into, and the order of these dimensions in the network's.
    shape: tuple[int, ...]
    order: tuple[int, ...]
    #: The shape that it has there, if that is known.
    into: tuple[int, ...] = ()

    @property
    def said(self) -> dict[str, Any]:
        """As the file beside an imported spec has it."""
        laid = {"shape": self.shape, "order": self.order, "into": self.into}
        return {"of": [*self.of], **{name: [*each] for name, each in laid.items()}}

    def tensor(self, tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """What the network has."""
        first, *others = (tensors[name] for name in self.of)
        several = [each.flatten() for each in (first, *others)]
        whole = torch.cat(several) if others else first
        laid = whole.reshape(self.shape).permute(self.order)
        return laid.reshape(self.into) if self.into else laid


@dataclass(frozen=True)
class Original:
    """Weights of the module that a spec was imported from, and what names them."""

    weights: Path
    names: Path  #: what `import` has written beside the spec


def named(weights: Weights, path: Path) -> Weights:
    """The weights, with the names of a network's tensors that `import` has written.

    Those that the network has laid otherwise are there as it has them.

    Raises:
        WeightsError: if it is no such file.
    """
    names, tensors = dict[str, str](), dict(weights.tensors)
    for own, each in _names_of(path).items():
        if isinstance(each, str):
            names[own] = each
            continue
        names[own] = f"{own} of its original"
        if {*each.of} <= weights.tensors.keys():
            try:
                tensors[names[own]] = each.tensor(weights.tensors)
            except RuntimeError:  # of another network, or of other classes
                shapes = ", ".join(str([*weights.tensors[k].shape]) for k in each.of)
                expected = f"expected {own} in parts of {[*each.shape]}"
                raise WeightsError(f"{path}: {expected}, got {shapes}") from None
    return replace(weights, tensors=tensors, names=names)


def _names_of(path: Path) -> dict[str, str | Woven]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(f"{path}: cannot be read: {refusal(error)}") from None
    names = found.get("tensors") if isinstance(found, dict) else None
    said = (
        {k: _said(each) for k, each in names.items()} if isinstance(names, dict) else {}
    )
    if not isinstance(names, dict) or None in said.values():
        message = "expected names by names under tensors, as effscale import writes"
        raise WeightsError(f"{path}: {message}, got {short(names)}")
    return {name: each for name, each in said.items() if each is not None}


def _said(value: object) -> str | Woven | None:
    """A name, or what is laid otherwise; none of what `import` does not write."""
    match value:
        case str():
            return value
        case {
            "of": [str(), *_] as of,
            "shape": [*shape],
            "order": [*order],
            "into": [*into],
        }:
            whole = all(type(n) is int for n in (*shape, *order, *into))
            fits = sorted(order) == [*range(len(shape))] if whole else False
            if fits and all(isinstance(name, str) for name in of):
                return Woven(tuple(of), tuple(shape), tuple(order), tuple(into))
        case _:
            pass
    return None


def read(path: Path) -> Weights:
    """The weights in the file at `path`; what kind it is, its content says.

    Raises:
        WeightsError: if it has none, is cut short, or holds more than plain data.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            begin = file.read(_LENGTH + 1)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror}") from None
    if len(begin) > _LENGTH and begin[_LENGTH:] == b"{":
        return _of_safetensors(path, size)
    found = _of_torch(path, zipped=begin.startswith(b"PK"))
    if isinstance(found, dict) and found.get("format") == CHECKPOINT:
        return _own(path, found)
    held, within = found, "a state dict"
    for name in _WITHIN if isinstance(found, dict) else ():
        inner = found.get(name)
        if isinstance(inner, dict) and _tensors(inner):
            held, within = inner, f"a checkpoint, its {name}"
            break
    tensors = _tensors(held) if isinstance(held, dict) else {}
    if not tensors:
        raise WeightsError(f"{path}: expected tensors by name, got {_kind(found)}")
    for name, each in tensors.items():
        if each.is_meta or each.layout != torch.strided:
            got = "one on meta, without them" if each.is_meta else "a sparse one"
            raise WeightsError(f"{path}: expected all numbers of {name}, got {got}")
    return Weights(_unwrapped(tensors), within, file=str(path))


def _own(path: Path, found: dict[str, Any]) -> Weights:
    """The averaged weights of a training of ours."""
    normalisation, average = found.get("normalisation"), found.get("average")
    if (
        not isinstance(average, dict)
        or not isinstance(normalisation, list | tuple)
        or is_damaged(path)
    ):
        raise WeightsError(f"{path}: expected a checkpoint, got a damaged one")
    made_for, names = found.get("made_for"), found.get("classes")
    return Weights(
        _tensors(average),
        "a checkpoint of effscale train, its averaged weights",
        _normalisation(normalisation),
        _texts(names),
        made_for.get("spec") if isinstance(made_for, dict) else None,
        str(path),
    )


def _normalisation(value: Any) -> tuple[list[float], list[float]] | None:  # noqa: ANN401
    """Means and deviations, if that is what it is."""
    match value:
        case [[*mean], [*deviation]]:
            whole = all(isinstance(each, float | int) for each in (*mean, *deviation))
            return (mean, deviation) if whole else None
        case _:
            return None


def _texts(value: object) -> tuple[str, ...] | None:
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return tuple(value)
    return None


def _tensors(held: Mapping[Any, Any]) -> dict[str, torch.Tensor]:
    return {
        name: each
        for name, each in held.items()
        if isinstance(name, str) and isinstance(each, torch.Tensor)
    }


def _unwrapped(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same without what a wrapper has put before all names."""
    for prefix in _WRAPPED:
        if all(name.startswith(prefix) for name in tensors):
            return _unwrapped({k.removeprefix(prefix): v for k, v in tensors.items()})
    return tensors


def _kind(found: object) -> str:
    return "an empty dict" if found == {} else f"{type(found).__name__} without any"


def _of_torch(path: Path, *, zipped: bool) -> Any:  # noqa: ANN401 - what it holds
    """What torch makes of a file of its own, tensors and plain data at most."""
    if zipped:
        _check_zip(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of files that it did not write
        try:
            return torch.load(path, "cpu", weights_only=True, mmap=zipped)
        except pickle.UnpicklingError as error:
            raise WeightsError(f"{path}: {_refused(str(error))}") from None
        except Exception as error:
            why = "cut short, or no file of torch or safetensors"
            message = f"{path}: expected weights, got a file that is {why}"
            raise WeightsError(message) from error


def _refused(message: str) -> str:
    """What a pickle would have run, from torch's own long message."""
    for words in ("GLOBAL ", "unsupported global: "):
        if words in message:
            name = message.partition(words)[2].split()[0].strip(".,`")
            return (
                f"expected tensors by name, got a pickle that asks for {short(name)}; "
                "nothing of it was run: save the module's state_dict() alone"
            )
    return "expected tensors by name, got a pickle that is damaged, or of other things"


def _check_zip(path: Path) -> None:
    """Refuse a zip whose records are not stored as they are: it may hold anything.

    Raises:
        WeightsError: of such a file, and one whose end is missing.
    """
    try:
        with zipfile.ZipFile(path) as file:
            packed = [each for each in file.infolist() if each.compress_type]
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError):
        message = "expected weights, got a file that is cut short or damaged"
        raise WeightsError(f"{path}: {message}") from None
    if packed:
        name = short(packed[0].filename)
        message = "expected records stored as they are, as torch writes them"
        raise WeightsError(f"{path}: {message}, got {name} compressed")


def write_safetensors(
    path: Path, tensors: Mapping[str, torch.Tensor], facts: Mapping[str, str]
) -> None:
    """Write tensors to a file, with what is known of them, one by one.

    Source: the format of huggingface/safetensors, README.md.
    """
    header: dict[str, object] = {"__metadata__": dict(facts)}
    end = 0
    for name, each in tensors.items():
        begin, end = end, end + each.numel() * each.itemsize
        kind = next(k for k, dtype in _TYPES.items() if dtype == each.dtype)
        shape, offsets = list(each.shape), [begin, end]
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": offsets}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % _LENGTH)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(_LENGTH, "little") + text)
        for each in tensors.values():
            flat = each.detach().cpu().contiguous().reshape(-1)
            file.write(flat.view(torch.uint8).numpy().tobytes())


def _of_safetensors(path: Path, size: int) -> Weights:
    """Tensors that share the memory of the mapped file, and what it says of them.

    Source: the format of huggingface/safetensors, README.md.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH), "little")
        if length > min(_LONGEST, size - _LENGTH):
            message = f"expected a header within its {size:,} bytes"
            raise WeightsError(f"{path}: {message}, got one of {length:,}: cut short")
        try:
            header = json.loads(file.read(length))
        except (ValueError, RecursionError) as error:
            message = f"expected a header of JSON, got {first_line(error)}"
            raise WeightsError(f"{path}: {message}") from None
        if not isinstance(header, dict):
            raise WeightsError(f"{path}: expected tensors by name, got a list")
        begin = _LENGTH + length
        facts = header.pop("__metadata__", None)
        if not header:
            raise WeightsError(f"{path}: expected tensors by name, got none")
        held = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    tensors = {
        name: _viewed(path, name, entry, held, begin) for name, entry in header.items()
    }
    told = {name: _told(facts, name) for name in ("normalisation", "class_names")}
    normal, names = _normalisation(told["normalisation"]), _texts(told["class_names"])
    return Weights(tensors, "safetensors", normal, names, file=str(path))


def _told(facts: object, name: str) -> object:
    """What a file says under that name, as plain data."""
    text = facts.get(name) if isinstance(facts, dict) else None
    try:
        return json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None


def _viewed(
    path: Path,
    name: str,
    entry: Any,  # noqa: ANN401 - JSON
    held: mmap.mmap,
    begin: int,
) -> torch.Tensor:
    """A tensor as its entry says, of bytes that are there and are just enough."""
    match entry:
        case {"dtype": str(kind), "shape": [*sides], "data_offsets": [int(a), int(b)]}:
            whole = all(isinstance(each, int) and each >= 0 for each in sides)
        case _:
            whole, kind, sides, a, b = False, "", [], 0, 0
    if not whole or kind not in _TYPES:
        message = f"expected a type, a shape and offsets of {short(name)}"
        raise WeightsError(f"{path}: {message}, got {short(entry)}")
    dtype, count = _TYPES[kind], prod(sides)
    if not 0 <= a <= b <= len(held) - begin or b - a != count * dtype.itemsize:
        message = f"expected {count * dtype.itemsize:,} bytes of {short(name)}"
        raise WeightsError(f"{path}: {message}, got another part of the file, or none")
    if not count:
        return torch.empty(sides, dtype=dtype)
    flat = torch.frombuffer(held, dtype=dtype, count=count, offset=begin + a)
    return flat.reshape(sides)
