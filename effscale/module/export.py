"""Built networks as files that other programs run, each checked to give the same."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from io import BytesIO
from itertools import starmap
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import torch
from torch import nn
from torch.utils._pytree import keystr, tree_flatten_with_path, tree_leaves

from effscale.choices import MOST_BOXES
from effscale.errors import ExportError, LayerError, first_line
from effscale.module import onnx
from effscale.module.boxes import apart, best_pairs, of_rows, overlaps
from effscale.module.decode import (
    BOXES,
    CORNERS,
    PROTOTYPES,
    Peaks,
    decoders,
    distance,
)
from effscale.module.deployed import weighed
from effscale.module.latency import SEED, images
from effscale.module.machine import refuse_too_large
from effscale.module.mapping import held
from effscale.module.stack_traces import without_stack_traces
from effscale.module.weights import read, write_safetensors
from effscale.network.network import network
from effscale.quantity import human
from effscale.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from effscale.module.weights import Original
    from effscale.spec.models import Spec

Form = Literal["torchscript", "exported", "onnx", "state-dict", "safetensors"]
#: Means and deviations of pixels.
Normalisation: TypeAlias = tuple[list[float], list[float]]
#: What torch is told of the dimensions that may be any number.
Dynamic: TypeAlias = tuple[dict[int, Any]] | None
#: Writes a module for an example batch to a file; says the format and its version.
Writer: TypeAlias = "Callable[[nn.Module, torch.Tensor, Path, Asked], str]"
#: All output tensors that a loaded file gives for a batch of images.
Run: TypeAlias = "Callable[[torch.Tensor], list[torch.Tensor]]"
#: Loads the file of a module; says what runs it.
Reader: TypeAlias = "Callable[[nn.Module, Path], tuple[Run, str]]"

#: How far an output may be apart, over its largest number: sums of other order.
TOLERANCE = 1e-4
#: Of a network that makes more of rounding: so many times what it makes of the last bit
#: of each weight and pixel, the most of so many draws; and never more than the last.
_ROUNDINGS, _DRAWS, _COARSEST = 4, 4, 1e-2
#: Bytes that the one message of an ONNX file may have.
ONNX_BYTES = 2**31
INPUT = "image"
#: The file within a file of torch that says what network it is.
FACTS = "effscale.json"
_TORCH = f"torch {torch.__version__}"
#: Images that an export for any number of them is made and checked with.
_EXAMPLES = (2, 3, 1)


class Decoding(nn.Module):
    """A network that puts out boxes in pixels, scores, classes; for one size of images.

    An output is named as it is decoded, `boxes` and `scores`, or by its own name where
    it is one map; with its own name before it where two are called alike.
    """

    def __init__(self, spec: Spec, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.several = len(spec.outputs) > 1
        found = decoders(spec, "decode")
        self.decoders = nn.ModuleDict({f"of_{name}": x for name, x in found.items()})
        plain = [key or name for name, each in found.items() for key in each.keys]
        alike = len({*plain}) < len(plain)
        self.named = [
            (
                name,
                [f"{name}_{key}" if alike and key else key or name for key in x.keys],
            )
            for name, x in found.items()
        ]

    @property
    def means(self) -> dict[str, str]:
        """What each tensor is, by its name."""
        decoders: Any = self.decoders
        return {
            key: said
            for name, keys in self.named
            for key, said in zip(keys, decoders[f"of_{name}"].means, strict=True)
        }

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Each tensor by its name."""
        made = self.network(images)
        return {
            key: tensor
            for name, keys in self.named
            for key, tensor in zip(keys, self.decoded(name, made), strict=True)
        }

    def decoded(self, name: str, made: Any) -> tuple[torch.Tensor, ...]:  # noqa: ANN401
        """What is decoded of an output."""
        found: tuple[torch.Tensor, ...] = self.decoders[f"of_{name}"](
            made[name] if self.several else made
        )
        return found

    def difference(self, images: torch.Tensor, theirs: list[torch.Tensor]) -> float:
        """How far another program's outputs are from what the network's mean."""
        made, left, found = self.network(images), [*theirs], [0.0]
        for name, keys in self.named:
            given, left = left[: len(keys)], left[len(keys) :]
            decoder: Any = self.decoders[f"of_{name}"]
            found.append(decoder.apart(made[name] if self.several else made, given))
        return max(found)


class Detecting(nn.Module):
    """The best boxes of a network, without those that a better one overlaps by more."""

    #: What each tensor is, by its name.
    means: Mapping[str, str] = {
        "boxes": f"{CORNERS}, best first",
        "scores": "from 0 to 1; 0 where there are no more",
        "classes": "counted from 0",
    }

    def __init__(self, decoding: Decoding, overlap: float, count: int) -> None:
        super().__init__()
        self.decoding, self.overlap, self.count = decoding, overlap, count
        found: list[Any] = [*decoding.decoders.values()]
        if any(isinstance(each, Peaks) for each in found):
            raise LayerError("nms: expected boxes that overlap, got peaks of heatmaps")
        if [each.keys[:2] for each in found] != [BOXES]:
            named = ", ".join(name for name, _ in decoding.named)
            raise LayerError(f"nms: expected boxes as the one output, got {named}")
        _, _, *beside = found[0].keys
        if "angles" in beside:
            raise LayerError("nms: expected boxes that are not turned, got angles")
        said = dict(zip(beside, found[0].means[2:], strict=True))
        self.means = {**self.means, **said}
        #: What each box is told beside it, and what the whole image is.
        self.beside = [name for name in beside if name != PROTOTYPES]
        self.whole = [name for name in beside if name == PROTOTYPES]

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """`boxes`, `scores`, `classes`, what is told beside them; best first."""
        made = self.decoding(images)
        rows, best, classes = best_pairs(made["scores"], MOST_BOXES)
        boxes = of_rows(made["boxes"], rows)
        kept = apart(boxes, best, classes, self.overlap, self.count)
        chosen = rows.gather(1, kept.rows)
        return {
            "boxes": kept.boxes,
            "scores": kept.scores,
            "classes": kept.classes,
            **{name: of_rows(made[name], chosen) for name in self.beside},
            **{name: made[name] for name in self.whole},
        }

    def difference(self, images: torch.Tensor, theirs: list[torch.Tensor]) -> float:
        """How far another program's boxes are from such a choice of the network's.

        Of scores that are all but alike either is the better: each box is to be one of
        the network's, none to be overlapped by one kept, and each that is left out to
        be overlapped by a better one, or worse than all.
        """
        made = self.decoding(images)
        told = [made[name] for name in self.beside]
        scales = [float(each.abs().max()) or 1.0 for each in told]
        boxes, end = made["boxes"], 3 + len(told)
        ours = _side_by_side(told, scales, boxes)
        given = _side_by_side(theirs[3:end], scales, theirs[0])
        pairs = zip(boxes, made["scores"], ours, *theirs[:3], given, strict=True)
        whole = (made[name] for name in self.whole)
        return max([*starmap(self._fault, pairs), *map(distance, whole, theirs[end:])])

    def _fault(
        self,
        boxes: torch.Tensor,
        scores: torch.Tensor,
        told: torch.Tensor,
        *theirs: torch.Tensor,
    ) -> float:
        """By how much one image's choice is none."""
        kept = Choice(*theirs).there()
        rows, best, classes = (
            each[0] for each in best_pairs(scores[None], 2 * MOST_BOXES)
        )
        known = Choice(boxes[rows], best, classes, told[rows])
        among = Choice(*(each[:MOST_BOXES] for each in known))
        scale = float(boxes.abs().max())
        foreign = _least(known.unlike(kept, scale), 0)
        others = among.unlike(kept, scale)
        least = kept.scores.min() if len(kept.scores) == self.count else 0.0
        left = torch.stack(
            (
                _least(others, 1),
                _least(among.free_of(kept, self.overlap), 1),
                (among.scores - least).clamp(min=0),
                among.scores - among.scores[-1] * (len(best) > MOST_BOXES),
            )
        )
        beside = overlaps(kept.boxes[None])[0].nan_to_num().fill_diagonal_(0)
        same = kept.classes[:, None] == kept.classes
        both = (beside * same - self.overlap).clamp(min=0)
        faults = [foreign, left.amin(0), both.flatten()]
        return max(float(each.max()) for each in faults if each.numel())


class Choice(NamedTuple):
    """Boxes of one image, each of a class."""

    boxes: torch.Tensor  #: (K, 4)
    scores: torch.Tensor  #: (K,)
    classes: torch.Tensor  #: (K,)
    told: torch.Tensor  #: (K, M): all numbers beside each, over the largest of its kind

    def there(self) -> Choice:
        """Those of a score."""
        some = self.scores > 0
        return Choice(*(each[some] for each in self))

    def unlike(self, other: Choice, scale: float) -> torch.Tensor:
        """How far each of these is from each of others: infinitely of another class."""
        off = (self.boxes[:, None] - other.boxes).abs().amax(-1) / scale
        off = off.maximum((self.scores[:, None] - other.scores).abs())
        if self.told.shape[-1]:
            off = off.maximum((self.told[:, None] - other.told).abs().amax(-1))
        return off.masked_fill(self.classes[:, None] != other.classes, torch.inf)

    def free_of(self, other: Choice, overlap: float) -> torch.Tensor:
        """By how much each of these is not overlapped by each, or is better."""
        every = torch.cat((self.boxes, other.boxes))
        shared = overlaps(every[None])[0].nan_to_num()[
            : len(self.boxes), len(self.boxes) :
        ]
        free = (overlap - shared).clamp(min=0)
        free = free.maximum((self.scores[:, None] - other.scores).clamp(min=0))
        return free.masked_fill(self.classes[:, None] != other.classes, torch.inf)


def _side_by_side(
    told: Sequence[torch.Tensor], scales: Sequence[float], boxes: torch.Tensor
) -> torch.Tensor:
    """(N, K, M) numbers of what is told of (N, K, 4) boxes, over their scales."""
    pairs = zip(told, scales, strict=True)
    rows = [each.reshape(*boxes.shape[:2], -1) / scale for each, scale in pairs]
    return torch.cat([boxes[..., :0], *rows], -1)


def _least(apart: torch.Tensor, axis: int) -> torch.Tensor:
    """The least along an axis, infinite of none."""
    if apart.shape[axis] == 0:
        return apart.new_full((apart.shape[1 - axis],), torch.inf)
    return apart.amin(axis)


@dataclass(frozen=True)
class Decode:
    """What is put out in place of a network's own maps: boxes in pixels, and scores."""

    #: What two boxes of a class may overlap by; None: all boxes are put out.
    nms: float | None = None
    boxes: int = 100  #: of each image, where overlapping ones are left out

    def of(self, spec: Spec, network: nn.Module) -> Decoding | Detecting:
        """A network that puts these out.

        Raises:
            LayerError: if nobody says what the numbers of an output mean.
        """
        whole = Decoding(spec, network)
        return whole if self.nms is None else Detecting(whole, self.nms, self.boxes)

    def check(self, spec: Spec) -> None:
        """Raise LayerError if it cannot be of this network."""
        self.of(spec, nn.Identity())


@dataclass(frozen=True)
class Asked:
    """What of a file is asked for, beside the module in it."""

    dynamic: Dynamic = None
    #: What the file says of the network: texts by name.
    facts: Mapping[str, str] = field(default_factory=dict)
    opset: int | None = None  #: of ONNX


@dataclass(frozen=True)
class Export:
    """A file that was written: names and shapes, None for any number, and its check."""

    form: Form
    version: str  #: of the format: `ONNX opset 20`
    inputs: dict[str, list[int | None]]
    outputs: dict[str, list[int | None]]
    checked: str  #: what has read the file and run it
    difference: float  #: of an output, over its largest number
    #: Means and deviations of pixels from 0 to 1 that the weights were trained with,
    #: one for all channels or one for each; None where that is not known.
    normalisation: Normalisation | None = None
    #: Names of the classes, where they are known.
    classes: tuple[str, ...] | None = None
    #: What decoded outputs are, and in what unit, by their names.
    means: Mapping[str, str] = field(default_factory=dict)


def export_spec(  # noqa: PLR0913 - options of the command
    spec: Spec,
    path: Path,
    form: Form,
    *,
    batch: int | None = None,
    seed: int = 0,
    weights: Path | Original | None = None,
    decode: Decode | None = None,
    opset: int | None = None,
    progress: Callable[[str], None] = lambda _what: None,
) -> Export:
    """Write the network of `spec` to `path`, with weights drawn by `seed` or loaded.

    With `decode` it puts out boxes in pixels and scores, classes of pixels, or shares
    of classes, for images of its resolution alone (`effscale.decode`). The file says
    the network's name and pixels, its classes, and how pixels were normalised, where
    that is known; a state dict says nothing.

    Raises:
        WeightsError: if the weights cannot be read, or are another network's.
        ExportError: if it cannot be written so.
        LayerError: if it is to be decoded, and nobody says what its numbers mean.
        MeasureError: if this machine has no memory for it.
    """
    if decode is not None:
        decode.check(spec)
    net = network(spec)
    refuse_too_large([net], batch or 1)
    progress("building")
    given = None if weights is None else held(weights)
    module = weighed(spec, seed, given)
    known = None if given is None else given.normalisation
    classes = None if given is None else given.classes
    if decode is not None:
        module = decode.of(spec, module)
    image = [int(each) for each in net.image]
    facts = _facts(spec, known, classes)
    written = export(
        *(module, image, path, form),
        batch=batch,
        opset=opset,
        facts=facts,
        progress=progress,
    )
    means = module.means if isinstance(module, Decoding | Detecting) else {}
    return replace(written, normalisation=known, classes=classes, means=means)


def _facts(
    spec: Spec, normalisation: Normalisation | None, classes: Sequence[str] | None
) -> dict[str, str]:
    """What a file says of its network, for whoever feeds it."""
    found = {
        "effscale": VERSION,
        "network": spec.name,
        "resolution": "x".join(map(str, spec.resolution)),
        "classes": str(spec.classes),
        "padding": spec.padding,
    }
    if classes is not None:
        found["class_names"] = json.dumps(list(classes))
    if normalisation is not None:
        found["normalisation"] = json.dumps([list(each) for each in normalisation])
    return found


def export(  # noqa: PLR0913 - a file, and what it is to hold
    module: nn.Module,
    image: Sequence[int],
    path: Path,
    form: Form,
    *,
    batch: int | None = None,
    opset: int | None = None,
    facts: Mapping[str, str] | None = None,
    progress: Callable[[str], None] = lambda _what: None,
) -> Export:
    """Write `module` in eval mode to `path`; read it back, run it and compare.

    It takes (batch, *image) tensors, any number of images if `batch` is None.

    Raises:
        ExportError: if it cannot be written so, or what is read gives other outputs.
    """
    module.eval()
    make = images(image)
    batches = _EXAMPLES if batch is None else (batch,)
    dynamic = ({0: torch.export.Dim("batch")},) if batch is None else None
    write, read = _FORMATS[form]
    asked = Asked(dynamic, facts or {}, opset)
    (example,) = make(batches[0])
    with torch.no_grad(), _faults(form), onnx.quiet():
        expected = _named(module(example))
        progress(f"writing {form}")
        version = write(module, example, path, asked)
        progress(f"reading {form}")
        run, checked = read(module, path)
        difference = max(_same(module, run, make(n)[0], checked) for n in batches)
    return Export(
        form,
        version,
        {INPUT: _shape(example, batch)},
        {name: _shape(each, batch) for name, each in expected.items()},
        checked,
        difference,
    )


def _shape(tensor: torch.Tensor, batch: int | None) -> list[int | None]:
    return [batch, *map(int, tensor.shape[1:])]


def _same(module: nn.Module, run: Run, batch: torch.Tensor, checked: str) -> float:
    """How far apart outputs are that are the same but for rounding.

    Raises:
        ExportError: if they are others.
    """
    difference = _difference(module, run, batch)
    if difference <= TOLERANCE:
        return difference
    rounded = _rounded(module, batch)
    if difference <= min(_ROUNDINGS * rounded, _COARSEST):  # nan is in no tolerance
        return difference
    raise ExportError(
        f"expected the outputs of the network from {checked}, got some that are "
        f"{difference:.2g} of the largest apart, where the last bit of its weights "
        f"makes {rounded:.2g}"
    )


def _rounded(module: nn.Module, batch: torch.Tensor) -> float:
    """How far apart outputs are at most if weights and pixels differ in the last bit.

    Other programs add in another order and fold a norm into the weights before it,
    which rounds them so; a network amplifies that as it does this.
    """
    generator = torch.Generator().manual_seed(SEED)

    def run(images: torch.Tensor) -> list[torch.Tensor]:
        other = deepcopy(module)
        for each in other.state_dict().values():
            each.copy_(_nudged(each, generator))
        return tree_leaves(other(_nudged(images, generator)))

    return max(_difference(module, run, batch) for _ in range(_DRAWS))


def _nudged(tensor: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The next number of each, up or down by chance; integers stay."""
    if not tensor.is_floating_point():
        return tensor
    up = torch.randint(2, tensor.shape, generator=generator, dtype=torch.bool)
    return tensor.nextafter(torch.where(up, torch.inf, -torch.inf).to(tensor))


def _difference(module: nn.Module, run: Run, batch: torch.Tensor) -> float:
    """How far apart an output is at most, over its largest number."""
    ours, theirs = tree_leaves(module(batch)), run(batch)
    if [each.shape for each in ours] != [each.shape for each in theirs]:
        return float("inf")
    if isinstance(module, Decoding | Detecting):
        return module.difference(batch, theirs)
    found = [distance(a, b) for a, b in zip(ours, theirs, strict=True)]
    return float(torch.tensor(found).max())  # nan, if one is


def _named(output: Any) -> dict[str, torch.Tensor]:  # noqa: ANN401 - any output
    """The tensors of an output: `output`, or by where they are, `boxes_0`."""
    if isinstance(output, torch.Tensor):
        return {"output": output}
    leaves, _ = tree_flatten_with_path(output)
    names = [re.sub(r"\W+", "_", keystr(path)).strip("_") for path, _ in leaves]
    return {
        f"output_{name}" if name.isdecimal() else name: leaf
        for name, (_, leaf) in zip(names, leaves, strict=True)
    }


class _Named(nn.Module):
    """A module whose output is a tensor, or else all tensors it holds by their names.

    torch saves no named tuples, and what a detector puts out is one.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.network = module

    def forward(self, x: torch.Tensor) -> torch.Tensor | dict[str, torch.Tensor]:
        made = self.network(x)
        return made if isinstance(made, torch.Tensor) else _named(made)


@contextmanager
def _faults(form: Form) -> Iterator[None]:
    """What torch and onnxruntime raise, as one line."""
    try:
        yield
    except (ExportError, OSError):
        raise
    except Exception as error:
        raise ExportError(
            f"cannot be written as {form}: {first_line(error)}"
        ) from error


#: The record of an archive that says its version, by later versions and earlier ones.
_VERSIONS = ".data/version", "version"


def _put(path: Path, save: Callable[[BytesIO], None]) -> None:
    """Put what `save` writes into the file: to a full disk, torch's C++ would abort."""
    held = BytesIO()
    save(held)
    path.write_bytes(held.getbuffer())


def _to_torchscript(
    module: nn.Module, example: torch.Tensor, path: Path, asked: Asked
) -> str:
    # Its check of outputs refuses a dictionary, which never changes here.
    traced = torch.jit.trace(_Named(module), example, check_trace=False, strict=False)
    extra = _beside(asked.facts)

    def save(file: BytesIO) -> None:
        saved = BytesIO()
        torch.jit.save(traced, saved, _extra_files=extra)
        _copy_without_lines(saved, file)

    _put(path, save)
    return f"TorchScript of {_TORCH}"


def _copy_without_lines(saved: BytesIO, file: BytesIO) -> None:
    """Copy an archive but for its lines of Python, which have paths of this machine."""
    saved.seek(0)
    reader: Any = torch._C.PyTorchFileReader(saved)  # noqa: SLF001 - as torch.load reads
    writer = torch._C.PyTorchFileWriter(file)  # noqa: SLF001 - and torch.save writes
    version = next(filter(reader.has_record, _VERSIONS))
    writer.set_min_version(int(reader.get_record(version)))
    for name in reader.get_all_records():
        # A writer makes records of its own at the end.
        if not name.endswith(
            (".debug_pkl", *_VERSIONS, "byteorder", "serialization_id")
        ):
            record = reader.get_record(name)
            writer.write_record(name, record, len(record))
    writer.write_end_of_file()


def _from_torchscript(_module: nn.Module, path: Path) -> tuple[Run, str]:
    return _run_by_torch(torch.jit.load(path))


def _to_exported(
    module: nn.Module, example: torch.Tensor, path: Path, asked: Asked
) -> str:
    whole = module if isinstance(module(example), torch.Tensor) else _Named(module)
    with without_stack_traces():
        program = torch.export.export(whole, (example,), dynamic_shapes=asked.dynamic)
    for node in program.graph.nodes:  # of older torch: a line has its path here
        node.meta.pop("stack_trace", None)
    extra = _beside(asked.facts)
    _put(path, lambda file: torch.export.save(program, file, extra_files=extra))
    return f"torch.export of {_TORCH}"


def _from_exported(_module: nn.Module, path: Path) -> tuple[Run, str]:
    return _run_by_torch(torch.export.load(path).module())


def _to_onnx(module: nn.Module, example: torch.Tensor, path: Path, asked: Asked) -> str:
    size = sum(each.numel() * each.itemsize for each in module.state_dict().values())
    if size >= ONNX_BYTES:
        raise ExportError(
            f"expected less than {human(ONNX_BYTES)}B of weights for one ONNX file, "
            f"got {human(size)}B; --file-format exported has no such limit"
        )
    program = onnx.program(
        module,
        (example,),
        opset=asked.opset,
        dynamic=asked.dynamic,
        names=([INPUT], [*_named(module(example))]),
    )
    program.model.metadata_props.update(asked.facts)
    program.save(path, external_data=False)
    return f"ONNX opset {program.model.opset_imports['']}"


def _from_onnx(_module: nn.Module, path: Path) -> tuple[Run, str]:
    import onnxruntime
    from onnx import checker

    checker.check_model(path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def run(batch: torch.Tensor) -> list[torch.Tensor]:
        return [torch.from_numpy(y) for y in session.run(None, {INPUT: batch.numpy()})]

    return run, f"onnxruntime {onnxruntime.__version__}"


def _beside(facts: Mapping[str, str]) -> dict[str, Any]:
    """The facts as a file within a file of torch."""
    return {FACTS: json.dumps(dict(facts))} if facts else {}


def _to_state_dict(
    module: nn.Module, _example: torch.Tensor, path: Path, _asked: Asked
) -> str:
    _put(path, lambda file: torch.save(module.state_dict(), file))
    return f"state dict of {_TORCH}"


def _from_state_dict(module: nn.Module, path: Path) -> tuple[Run, str]:
    return _run_by_torch(_with(module, torch.load(path, weights_only=True)))


def _to_safetensors(
    module: nn.Module, _example: torch.Tensor, path: Path, asked: Asked
) -> str:
    write_safetensors(path, module.state_dict(), asked.facts)
    return f"safetensors of {_TORCH}"


def _from_safetensors(module: nn.Module, path: Path) -> tuple[Run, str]:
    run, _ = _run_by_torch(_with(module, dict(read(path).tensors)))
    return run, "effscale"


def _with(module: nn.Module, state: dict[str, torch.Tensor]) -> nn.Module:
    """A copy of the module with these weights, and none of its own."""
    other = deepcopy(module)
    for each in other.parameters():
        each.zero_()
    other.load_state_dict(state)
    return other


def _run_by_torch(loaded: Callable[[torch.Tensor], Any]) -> tuple[Run, str]:
    return lambda batch: tree_leaves(loaded(batch)), _TORCH


_FORMATS: dict[Form, tuple[Writer, Reader]] = {
    "torchscript": (_to_torchscript, _from_torchscript),
    "exported": (_to_exported, _from_exported),
    "onnx": (_to_onnx, _from_onnx),
    "state-dict": (_to_state_dict, _from_state_dict),
    "safetensors": (_to_safetensors, _from_safetensors),
}
