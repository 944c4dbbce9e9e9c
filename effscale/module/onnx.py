"""Modules as ONNX, exported by torch, and their runs by ONNX Runtime.

A run is bound to its inputs and outputs where the device has them, so that nothing is
copied while it is timed, and returns when the device is done.
"""

from __future__ import annotations

import logging
import re
import warnings
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._pytree import tree_leaves, tree_map

from effscale.errors import EffscaleError, MeasureError, first_line
from effscale.extras import needed
from effscale.module.stack_traces import without_stack_traces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import nn

    from effscale.module.latency import Setting

#: What ONNX Runtime's providers are called, by the kind of a device.
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
#: Its logs from errors on: it warns of each operator that a device leaves to the CPU.
ERRORS = 3
#: What torch calls the modules, outermost first, that a node is of.
_MODULES = "pkg.torch.onnx.name_scopes"
#: What its errors begin with: codes, and the temporary file.
_CODES = re.compile(
    r"\[ONNXRuntimeError\] : \d+ : \w+ : (Load model from .*? failed:)?"
)


@contextmanager
def quiet() -> Iterator[None]:
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


def program(
    module: nn.Module,
    inputs: tuple[Any, ...],
    *,
    opset: int | None = None,
    dynamic: Any = None,  # noqa: ANN401 - as torch has it
    names: tuple[Sequence[str], Sequence[str]] | None = None,
) -> torch.onnx.ONNXProgram:
    """The module as ONNX, for such inputs; `names` are those of inputs and outputs."""
    given, made = names or (None, None)
    with without_stack_traces():
        found = torch.onnx.export(
            module,
            inputs,
            dynamo=True,
            dynamic_shapes=dynamic,
            opset_version=opset,
            input_names=given,
            output_names=made,
            verbose=False,
        )
    assert found is not None  # noqa: S101 - it is without dynamo alone
    for graph in found.model.graphs():
        _forget(graph)
    return found


def _forget(graph: Any) -> None:  # noqa: ANN401 - of onnx_ir, which has no types here
    """Drop what torch notes of how a graph was made, but for the modules of nodes.

    Lines of code are among it, with the paths that they have on this machine; of a
    small network it is half of the file.
    """
    graph.metadata_props.clear()
    values = [*graph.inputs, *graph.initializers.values()]
    for node in graph:
        values += node.outputs
        modules = node.metadata_props.get(_MODULES)
        node.metadata_props.clear()
        if modules is not None:
            node.metadata_props[_MODULES] = modules
    for each in values:
        each.metadata_props.clear()


def runner(
    module: nn.Module, inputs: tuple[Any, ...], setting: Setting
) -> Callable[[], None]:
    """A run of the module by ONNX Runtime on these inputs, as the setting has it.

    It is exported once, to a temporary file.

    Raises:
        OutputError: if the libraries are not installed.
        MeasureError: if it cannot be exported, or ONNX Runtime does not run it so.
    """
    with exported(module, inputs, setting) as bound:
        return bound("")[1]


@contextmanager
def exported(
    module: nn.Module, inputs: tuple[Any, ...], setting: Setting
) -> Iterator[Callable[[str], tuple[Any, Callable[[], None]]]]:
    """What makes sessions of the exported module, and runs of them on these inputs.

    A session notes what each node of its runs took if it is given a prefix of the file
    that it writes. Whatever is raised within the block is said in a line.

    Raises:
        OutputError: if the libraries are not installed.
        MeasureError: if it cannot be exported, or ONNX Runtime does not run it so.
    """
    needed("onnx", "--runtime onnxruntime")
    provider = _provider(setting.device)
    try:
        with quiet(), TemporaryDirectory() as folder:
            path = Path(folder) / "network.onnx"
            # What runs in inference mode cannot be traced, nor can its tensors.
            with torch.inference_mode(mode=False), torch.no_grad():
                given = tree_map(_copied, inputs)
                program(module, given).save(path, external_data=True)
            yield partial(_bound, path, tree_leaves(given), setting, provider)
    except EffscaleError:
        raise
    except Exception as error:
        how = f"by onnxruntime as {setting.dtype} on {setting.device}"
        why = _CODES.sub("", first_line(error))
        raise MeasureError(f"cannot be run {how}: {why}") from error


def _copied(value: Any) -> Any:  # noqa: ANN401 - a tensor, or what stands beside it
    return value.clone() if isinstance(value, torch.Tensor) else value


def _provider(device: str) -> str:
    """What runs on a device.

    Raises:
        MeasureError: if this ONNX Runtime has nothing for it.
    """
    import onnxruntime

    provider = PROVIDERS[device.partition(":")[0]]
    if provider not in onnxruntime.get_available_providers():
        needs = "its CUDA provider; pip install onnxruntime-gpu brings it"
        raise MeasureError(
            f"device: onnxruntime {onnxruntime.__version__} runs on {device} by {needs}"
        )
    return provider


def _bound(
    path: Path, inputs: Sequence[Any], setting: Setting, provider: str, profile: str
) -> tuple[Any, Callable[[], None]]:
    import onnxruntime

    kind, _, number = setting.device.partition(":")
    where = kind, int(number or 0)
    asked = onnxruntime.SessionOptions()
    asked.intra_op_num_threads = setting.threads
    asked.log_severity_level = ERRORS
    # Others are timed in turn: no thread of this one waits for work meanwhile.
    asked.add_session_config_entry("session.force_spinning_stop", "1")
    if profile:
        asked.enable_profiling = True
        asked.profile_file_prefix = profile
    details = {"device_id": where[1]} if kind == "cuda" else {}
    session = onnxruntime.InferenceSession(path, asked, providers=[(provider, details)])
    binding = session.io_binding()
    tensors = [each for each in inputs if isinstance(each, torch.Tensor)]
    for named, each in zip(session.get_inputs(), tensors, strict=True):
        binding.bind_ortvalue_input(named.name, _held(each, where))
    for named in session.get_outputs():
        binding.bind_output(named.name, *where)
    session.run_with_iobinding(binding)

    def run() -> None:
        session.run_with_iobinding(binding)

    return session, run


def _held(tensor: torch.Tensor, where: tuple[str, int]) -> Any:  # noqa: ANN401
    """A tensor as ONNX Runtime's own, on a device; numpy has no bfloat16."""
    from onnx import TensorProto
    from onnxruntime import OrtValue

    if tensor.dtype is not torch.bfloat16:
        return OrtValue.ortvalue_from_numpy(tensor.numpy(), *where)
    bits, kind = tensor.view(torch.int16).numpy(), TensorProto.BFLOAT16
    return OrtValue.ortvalue_from_numpy_with_onnx_type(bits, kind)
