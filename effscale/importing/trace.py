"""A module's operators, each call with what it reads, traced once without computing."""

from __future__ import annotations

import copy
import logging
import warnings
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from io import StringIO
from operator import getitem
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from effscale.errors import TranslationError
from effscale.module.any_module import Scripted, raised
from effscale.module.inputs import Input, filled, leaves, missing, said_of
from effscale.module.stack_traces import without_stack_traces

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch.export import ExportedProgram
    from torch.fx import Node

    #: The modules that a call is in, outermost first: path, and name of its class.
    Places = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Ref:
    """What another call has put out; call 0 is the image."""

    index: int


@dataclass(frozen=True)
class Weight:
    """A parameter or buffer of the module, by its name there."""

    name: str
    shape: tuple[int, ...]
    #: Whether it is a parameter.
    learnt: bool = True


@dataclass(frozen=True)
class Call:
    """An operator of torch as it was called: `conv2d`, in place or not."""

    op: str
    args: Mapping[str, Any]  #: by the names that torch's schema has
    shape: tuple[int, ...]  #: of what it puts out; of several, none
    places: Places = ()

    @property
    def where(self) -> str:
        """The innermost module that has a name, as a message says it."""
        named = [(path, kind) for path, kind in self.places if path]
        if not named:
            return "the forward pass"
        path, kind = named[-1]
        return f"{path} ({kind})"


@dataclass(frozen=True)
class Trace:
    """Calls in order, the image first; and which of them is put out."""

    calls: tuple[Call, ...]
    output: int


def trace(
    module: nn.Module, inputs: Sequence[Any], keywords: Mapping[str, Any] | None = None
) -> Trace:
    """What `module` calls in evaluation for inputs of these shapes.

    Nothing is computed. The module stays as it is: what runs is a copy that has its
    weights, and no others.

    Raises:
        TranslationError: if it cannot be traced, in one line that says why.
    """
    said = " and ".join(said_of(inputs, keywords or {}))
    if isinstance(module, Scripted) or _scripted(module):
        message = "expected code or a file of torch.export, got TorchScript"
        raise TranslationError(f"{message}, whose modules nobody can look into")
    if lazy := [p for p, each in module.named_modules() if _unmade(each)]:
        raise TranslationError(
            f"{lazy[0] or 'the whole'}: expected weights of known shapes, found those "
            "that are made when it is first called; call it once before"
        )
    image = [*leaves([*inputs]), *leaves({**(keywords or {})})]
    if len(image) != 1 or len(image[0].shape) != _IMAGE or image[0].shape[0] != 1:
        raise TranslationError(
            f"expected one image that goes in, such as 1x3x224x224, got {said}"
        )
    if lacking := missing(module, len(inputs), keywords or {}):
        raise TranslationError(
            f"expected one image that goes in, but its forward pass needs "
            f"{' and '.join(lacking)} beside {said}"
        )
    try:
        with _silence():
            program = _exported(module, tuple(inputs), dict(keywords or {}))
    except TranslationError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - code of others
        raise TranslationError(f"with {said}: {_reason(error)}") from None
    return _read(program)


@contextmanager
def _silence() -> Iterator[None]:
    """Nothing is printed that torch says of code it cannot trace; we say it."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


#: Dimensions of an image, of how many, channels, height, width.
_IMAGE = 4


def _scripted(module: nn.Module) -> bool:
    return any(isinstance(each, torch.jit.ScriptModule) for each in module.modules())


def _unmade(module: nn.Module) -> bool:
    """Whether it has parameters of its own that have no shape yet."""
    own = module.parameters(recurse=False)
    return any(isinstance(each, nn.UninitializedParameter) for each in own)


def shared_copy(module: nn.Module) -> nn.Module:
    """A copy in evaluation whose parameters and buffers are those of the module.

    Raises:
        TranslationError: if it holds what cannot be copied.
    """
    kept = [*module.parameters(), *module.buffers(), *_noted(module)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own, of graphs that it copies
            copied = copy.deepcopy(module, {id(each): each for each in kept})
    except Exception as error:  # noqa: BLE001 - code of others
        raise TranslationError(f"cannot be copied: {raised(error)}") from None
    return copied.eval()


def _noted(module: nn.Module) -> Iterator[Any]:
    """What graphs of a file note of their nodes: tensors of sizes that are symbols."""
    for each in module.modules():
        if isinstance(graph := getattr(each, "graph", None), torch.fx.Graph):
            for node in graph.nodes:
                yield from tree_leaves([*node.meta.values()])


def _exported(
    module: nn.Module, inputs: tuple[Any, ...], keywords: dict[str, Any]
) -> ExportedProgram:
    first = next(module.parameters(), None)
    device = "cpu" if first is None else first.device
    dtype = torch.float32 if first is None else first.dtype

    def image(each: Input) -> torch.Tensor:
        return torch.empty(each.shape, dtype=each.dtype or dtype, device=device)

    given, named = filled(inputs, image), filled(keywords, image)
    copied = shared_copy(module)
    with torch.no_grad(), without_stack_traces():
        return torch.export.export(copied, given, named, strict=False)


#: What torch says of code that looks at its data.
_READS_DATA = ("data-dependent", "data dependent", "_local_scalar_dense")


def _reason(error: BaseException) -> str:
    if any(words in str(error) for words in _READS_DATA):
        return "what it does depends on the values that go in, which no spec says"
    return f"tracing it raised {raised(error)}"


def _read(program: ExportedProgram) -> Trace:
    """The calls of an exported program."""
    reader = _Reader(program)
    nodes = [*program.graph.nodes]
    for node in nodes:
        reader.take(node)
    for call in reader.calls:
        trains = call.args.get("training") is True or call.args.get("train") is True
        if trains and call.args.get("running_mean", 0) is not None:
            raise TranslationError(
                f"{call.where}: expected {call.op} as in evaluation, got it as in "
                "training; a file is exported after .eval()"
            )
    (outputs,) = nodes[-1].args
    tensors = [each for each in tree_leaves(outputs) if hasattr(each, "op")]
    if len(tensors) != 1:
        raise TranslationError(
            f"expected one tensor that comes out, got {len(tensors)}"
        )
    return Trace(tuple(reader.calls), reader.index[tensors[0]])


#: Stretches of code that compute as ever: without gradients, or in other precision.
_REGIONS = frozenset({"wrap_with_set_grad_enabled", "wrap_with_autocast"})


class _Reader:
    """Numbers the calls of a program, and follows what is written in place.

    Stretches of it that torch keeps in graphs of their own are read where they run.
    """

    def __init__(self, program: ExportedProgram) -> None:
        signature = program.graph_signature
        self.parameters = signature.inputs_to_parameters
        self.names: dict[str, str] = {
            **signature.inputs_to_parameters,
            **signature.inputs_to_buffers,
            **signature.inputs_to_lifted_tensor_constants,
        }
        self.calls: list[Call] = []
        self.index: dict[Node, int] = {}
        self.weights: dict[Node, Weight] = {}
        #: What each stretch puts out, in order.
        self.regions: dict[Node, Sequence[Any]] = {}

    def take(self, node: Node) -> None:
        match node.op:
            case "call_function" if _inner(node):
                self._enter(node)
            case "call_function" if node.target is getitem and node.args[0] in (
                self.regions
            ):
                of, which = cast("tuple[Node, int]", node.args)
                self._alias(node, self.regions[of][which])
            case "placeholder" if node.name in self.names:
                shape = tuple(node.meta["val"].shape)
                learnt = node.name in self.parameters
                self.weights[node] = Weight(self.names[node.name], shape, learnt)
            case "placeholder" if _shape(node):
                self._add(node, Call("image", {}, _shape(node)))
            case "call_function":
                self._add(node, self._called(node))
            case _:
                pass

    def _enter(self, node: Any) -> None:  # noqa: ANN401
        """Read the graph that a node runs, given what the node is given."""
        (inner, *others) = _inner(node)
        if node.target.__name__ not in _REGIONS or others:
            where = Call("", {}, (), _places(node)).where
            found = f"torch.{node.target.__name__}"
            raise TranslationError(
                f"{where}: cannot be said in a spec: {found}: what runs is chosen "
                "while it runs"
            )
        graph = getattr(node.graph.owning_module, str(inner.target)).graph
        takes = graph.find_nodes(op="placeholder")
        given = dict(zip(takes, node.args[node.args.index(inner) + 1 :], strict=True))
        for each, outer in given.items():
            self._alias(each, outer)
        for each in graph.nodes:
            if each not in given:
                self.take(each)
        for each, outer in given.items():
            self._alias(outer, each)  # it may be written in place in there
        (self.regions[node],) = graph.output_node().args

    def _alias(self, node: Any, other: Any) -> None:  # noqa: ANN401
        """Take a node for another, of another graph."""
        if other in self.index:
            self.index[node] = self.index[other]
        elif other in self.weights:
            self.weights[node] = self.weights[other]

    def _add(self, node: Node, call: Call) -> None:
        self.index[node] = len(self.calls)
        self.calls.append(call)

    def _called(self, node: Node) -> Call:
        shape = _shape(node)
        schema = getattr(node.target, "_schema", None)
        if schema is None:
            args = {str(k): self._value(each) for k, each in enumerate(node.args)}
            return Call(
                getattr(node.target, "__name__", str(node.target)),
                args,
                shape,
                _places(node),
            )
        args = {}
        for k, each in enumerate(schema.arguments):
            value = (
                node.args[k]
                if k < len(node.args)
                else node.kwargs.get(each.name, each.default_value)
            )
            args[each.name] = self._value(value)
        first = node.args[0] if node.args else None
        call = Call(_plain(schema.name), args, shape, _places(node))
        writes = schema.arguments and schema.arguments[0].is_write
        if writes and isinstance(first, torch.fx.Node):
            self.index[first] = len(self.calls)  # who reads it later, reads this
        return call

    def _value(self, value: Any) -> Any:  # noqa: ANN401
        if isinstance(value, torch.fx.Node):
            return (
                self.weights[value] if value in self.weights else Ref(self.index[value])
            )
        if isinstance(value, list | tuple):
            return [self._value(each) for each in value]
        return value


def _inner(node: Node) -> list[Node]:
    """The graphs that a node runs, one or several."""
    return [each for each in node.all_input_nodes if each.op == "get_attr"]


def _shape(node: Node) -> tuple[int, ...]:
    """The shape of what a node is; none of what is no tensor."""
    found = node.meta.get("val")
    return tuple(found.shape) if isinstance(found, torch.Tensor) else ()


def _plain(name: str) -> str:
    """`aten::relu_` as `relu`."""
    return name.rpartition("::")[2].removesuffix("_")


def _places(node: Node) -> Places:
    stack = node.meta.get("nn_module_stack") or {}
    return tuple(
        (path, kind.rpartition(".")[2] if isinstance(kind, str) else kind.__name__)
        for path, kind in stack.values()
    )
