"""Built networks as files that other programs run, each checked to give the same."""

from __future__ import annotations

import json
import logging
import re
import warnings
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import torch
from torch import nn
from torch.utils._pytree import keystr, tree_flatten_with_path, tree_leaves

from effscale.errors import ExportError, first_line
from effscale.module.anchors import detector_of
from effscale.module.decode import Decoding
from effscale.module.deployed import weighed
from effscale.module.latency import images
from effscale.module.machine import refuse_too_large
from effscale.module.mapping import held
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
#: Bytes that the one message of an ONNX file may have.
ONNX_BYTES = 2**31
INPUT = "image"
#: The file within a file of torch that says what network it is.
FACTS = "effscale.json"
_TORCH = f"torch {torch.__version__}"
#: Images that an export for any number of them is made and checked with.
_EXAMPLES = (2, 3, 1)


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


def export_spec(  # noqa: PLR0913 - options of the command
    spec: Spec,
    path: Path,
    form: Form,
    *,
    batch: int | None = None,
    seed: int = 0,
    weights: Path | Original | None = None,
    decode: bool = False,
    opset: int | None = None,
    progress: Callable[[str], None] = lambda _what: None,
) -> Export:
    """Write the network of `spec` to `path`, with weights drawn by `seed` or loaded.

    With `decode` a detector puts out boxes in pixels and scores, for images of its
    resolution alone (`effscale.decode`). The file says the network's name and pixels,
    its classes, and how pixels were normalised, where that is known; a state dict says
    nothing.

    Raises:
        WeightsError: if the weights cannot be read, or are another network's.
        ExportError: if it cannot be written so.
        LayerError: if it is to be decoded, and is no detector.
        MeasureError: if this machine has no memory for it.
    """
    if decode:
        detector_of(spec, "decode")
    net = network(spec)
    refuse_too_large([net], batch or 1)
    progress("building")
    given = None if weights is None else held(weights)
    module = weighed(spec, seed, given)
    known = None if given is None else given.normalisation
    classes = None if given is None else given.classes
    if decode:
        module = Decoding(spec, module)
    image = [int(each) for each in net.image]
    facts = _facts(spec, known, classes)
    written = export(
        *(module, image, path, form),
        batch=batch,
        opset=opset,
        facts=facts,
        progress=progress,
    )
    return replace(written, normalisation=known, classes=classes)


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
    with torch.no_grad(), _faults(form), _quiet():
        expected = _named(module(example))
        progress(f"writing {form}")
        version = write(module, example, path, asked)
        progress(f"reading {form}")
        run, checked = read(module, path)
        difference = max(_difference(module, run, make(n)[0]) for n in batches)
    if not difference <= TOLERANCE:  # nan is in no tolerance
        raise ExportError(
            f"expected the outputs of the network from {checked}, got some that are "
            f"{difference:.2g} of the largest apart"
        )
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


def _difference(module: nn.Module, run: Run, batch: torch.Tensor) -> float:
    """How far apart an output is at most, over its largest number."""
    ours, theirs = tree_leaves(module(batch)), run(batch)
    if [each.shape for each in ours] != [each.shape for each in theirs]:
        return float("inf")
    found = [_apart(a, b) for a, b in zip(ours, theirs, strict=True)]
    return float(torch.tensor(found).max())  # nan, if one is


def _apart(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    apart, largest = float((ours - theirs).abs().max()), float(ours.abs().max())
    return apart / largest if largest else apart


def _named(output: Any) -> dict[str, torch.Tensor]:  # noqa: ANN401 - any output
    """The tensors of an output: `output`, or by where they are, `boxes_0`."""
    leaves, _ = tree_flatten_with_path(output)
    if len(leaves) == 1:
        return {"output": leaves[0][1]}
    names = [re.sub(r"\W+", "_", keystr(path)).strip("_") for path, _ in leaves]
    return {
        f"output_{name}" if name.isdecimal() else name: leaf
        for name, (_, leaf) in zip(names, leaves, strict=True)
    }


class _Flat(nn.Module):
    """A module whose output is a tensor, or else a tuple of all tensors it holds."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.network = module

    def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        leaves = tuple(tree_leaves(self.network(x)))
        return leaves[0] if len(leaves) == 1 else leaves


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


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's warnings and logs of its own deprecations."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


def _put(path: Path, save: Callable[[BytesIO], None]) -> None:
    """Put what `save` writes into the file: to a full disk, torch's C++ would abort."""
    held = BytesIO()
    save(held)
    path.write_bytes(held.getbuffer())


def _to_torchscript(
    module: nn.Module, example: torch.Tensor, path: Path, asked: Asked
) -> str:
    traced = torch.jit.trace(_Flat(module), example, check_trace=False)
    extra = _beside(asked.facts)
    _put(path, lambda file: torch.jit.save(traced, file, _extra_files=extra))
    return f"TorchScript of {_TORCH}"


def _from_torchscript(_module: nn.Module, path: Path) -> tuple[Run, str]:
    return _run_by_torch(torch.jit.load(path))


def _to_exported(
    module: nn.Module, example: torch.Tensor, path: Path, asked: Asked
) -> str:
    # torch saves no named tuples, and a detector's output is one.
    whole = module if isinstance(module(example), torch.Tensor) else _Flat(module)
    program = torch.export.export(whole, (example,), dynamic_shapes=asked.dynamic)
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
    program = torch.onnx.export(
        module,
        (example,),
        dynamo=True,
        dynamic_shapes=asked.dynamic,
        opset_version=asked.opset,
        input_names=[INPUT],
        output_names=[*_named(module(example))],
        verbose=False,
    )
    assert program is not None  # noqa: S101 - it is without dynamo alone
    program.model.metadata_props.update(asked.facts)
    program.save(path, external_data=False)
    return f"ONNX opset {program.model.opset_imports['']}"


def _from_onnx(_module: nn.Module, path: Path) -> tuple[Run, str]:
    import onnx
    import onnxruntime

    onnx.checker.check_model(path)
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
