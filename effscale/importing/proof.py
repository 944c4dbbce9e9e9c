"""Proof that a spec is the module it was made of: figures, weights, outputs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from effscale.cost.count import count
from effscale.errors import MeasureError, TranslationError
from effscale.importing.nodes import cannot
from effscale.importing.trace import shared_copy
from effscale.module import any_module
from effscale.module.build import build, materialise
from effscale.module.inputs import filled, leaves
from effscale.module.measure import measure_spec
from effscale.module.operators import Blurred
from effscale.module.weights import Woven
from effscale.spec.geometry import least_sides

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from effscale.importing.nodes import Node
    from effscale.importing.stages import Said
    from effscale.module.any_module import Foreign
    from effscale.module.inputs import Input
    from effscale.module.measure import Engine
    from effscale.spec.models import Spec

#: How far two outputs may be apart, of the largest number in them.
CLOSE = 1e-9
#: Figures that have to be the same to the last integer.
FIGURES = ("params", "macs", "products", "activations")


@dataclass(frozen=True)
class Figure:
    """One figure: counted of the spec, and measured of both networks."""

    name: str
    counted: int
    measured: Mapping[str, int]

    @property
    def same(self) -> bool:
        return {*self.measured.values()} <= {self.counted}


@dataclass(frozen=True)
class Proof:
    """What was compared, and how it came out."""

    figures: tuple[Figure, ...] = ()
    #: The largest difference of the outputs, of the largest number in them.
    apart: float | None = None
    #: Parameters of the module that its forward pass does not read, by module.
    unread: Mapping[str, int] = field(default_factory=dict)
    #: What is wrong, or could not be compared.
    faults: tuple[str, ...] = ()
    #: Whether it was made of a module that runs, so that there are outputs to compare.
    of_module: bool = True

    @property
    def holds(self) -> bool:
        compared = self.apart is not None or not self.of_module
        return not self.faults and compared and bool(self.figures)


def measured(spec: Spec) -> Proof:
    """What there is to prove of a spec that was made of a file, of no module."""
    cost = count(spec)
    engines: tuple[Engine, ...] = ("fvcore", "torch")
    found = {f"spec by {each}": measure_spec(spec, each) for each in engines}
    figures = [
        Figure(
            name,
            int(getattr(cost, name)),
            {who: int(getattr(each, name)) for who, each in found.items()},
        )
        for name in FIGURES
    ]
    faults = tuple(_said(each) for each in figures if not each.same)
    return Proof(tuple(figures), faults=faults, of_module=False)


def mapping(ours: nn.Module, said: Said) -> dict[str, str | Woven]:
    """The name of each tensor of the built network, and of the module's that it is.

    Raises:
        TranslationError: if the built network has others than the spec was made of.
    """
    own = [
        (path, each)
        for path, each in ours.named_modules()
        if [*each.parameters(recurse=False)]
    ]
    theirs = [node for node in said.nodes if node.weights]
    _once(theirs)
    if len(own) != len(theirs):
        expected = f"expected {len(theirs)} modules with weights"
        raise TranslationError(f"{expected} as the module has, built {len(own)}")
    found: dict[str, str | Woven] = {}
    for (path, each), node in zip(own, theirs, strict=True):
        names = {name: tuple(tensor.shape) for name, tensor in _tensors(each)}
        if names.keys() != node.weights.keys():
            expected = ", ".join(sorted(node.weights))
            raise TranslationError(
                f"{path}: expected {expected}, built {', '.join(sorted(names))}"
            )
        for name in sorted(names):
            laid = node.weights[name]
            found[f"{path}.{name}"] = (
                replace(laid, into=names[name]) if isinstance(laid, Woven) else laid
            )
    return found


def _once(nodes: Sequence[Node]) -> None:
    """Refuse weights that several calls have."""
    read: set[str] = set()
    for node in nodes:
        for name in _named(node.weights):
            if name in read:
                what = f"{name}, which is used more than once"
                raise cannot(node.call, what, "each line has weights of its own")
            read.add(name)


def _learnt(nodes: Sequence[Node], parameters: Collection[str]) -> None:
    """Refuse numbers that are no parameters where ours are, but for statistics."""
    for node in nodes:
        trained = {
            name: each
            for name, each in node.weights.items()
            if not name.startswith("running_")
        }
        for name in _named(trained):
            if name not in parameters:
                what = f"{name}, which is not learnt"
                raise cannot(node.call, what, "parameters are known")


def _named(weights: Mapping[str, str | Woven]) -> Iterator[str]:
    """The module's own names of tensors."""
    for each in weights.values():
        yield from [each] if isinstance(each, str) else each.of


def _tensors(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Parameters and buffers of one module, but the number of batches it has seen."""
    yield from module.named_parameters(recurse=False)
    for name, buffer in module.named_buffers(recurse=False):
        if name != "num_batches_tracked":
            yield name, buffer


def prove(
    foreign: Foreign, inputs: Sequence[Any], keywords: Mapping[str, Any], said: Said
) -> tuple[Proof, dict[str, str | Woven]]:
    """The proof, and the mapping by which the module's weights load into the spec's.

    The module stays as it is; what is built has its tensors, and no others.
    """
    ours = build(said.spec, device="meta").eval()
    names = mapping(ours, said)
    _learnt(said.nodes, dict(foreign.module.named_parameters(remove_duplicate=False)))
    # a module that has two names has its tensors by both
    tensors: dict[str, torch.Tensor] = {
        **dict(foreign.module.named_parameters(remove_duplicate=False)),
        **dict(foreign.module.named_buffers(remove_duplicate=False)),
    }
    laid = _adopt(ours, names, tensors)
    unread = _unread(foreign.module, names)
    try:
        figures = _figures(foreign, inputs, keywords, ours, said, sum(unread.values()))
    except MeasureError as error:
        return Proof(unread=unread, faults=(str(error),)), names
    faults = [_said(each) for each in figures if not each.same]
    apart = None
    if any(each.is_meta for each in tensors.values()):
        faults.append("the module is on meta: it has no weights to run with")
    elif not faults:
        pair = Pair(foreign.module, ours, tensors, laid, inputs, keywords)
        for sides in _sides(said.spec):
            apart, fault = pair.apart(sides)
            if not fault:
                break
        faults += [fault] if fault else []
    return Proof(tuple(figures), apart, unread, tuple(faults)), names


def _sides(spec: Spec) -> list[tuple[int, int]]:
    """Of the images to run: small ones where they do, or else the spec's own.

    A module may ask for one size alone, or do otherwise at another.
    """
    height, width = (int(side) for side in spec.resolution)
    rows, columns = least_sides(spec)
    small = min(height, 2 * rows), min(width, 2 * columns)
    return [small, (height, width)] if small != (height, width) else [small]


def _adopt(
    ours: nn.Module,
    names: Mapping[str, str | Woven],
    tensors: Mapping[str, torch.Tensor],
) -> dict[int, Woven]:
    """Give the built network the module's own tensors, in the shapes of its own.

    Returns those that are laid otherwise, by where they are in memory.
    """
    found: dict[int, Woven] = {}
    for name, other in names.items():
        path, _, last = name.rpartition(".")
        module = ours.get_submodule(path)
        before = getattr(module, last)
        with torch.no_grad():
            woven = other if isinstance(other, Woven) else None
            tensor = woven.tensor(tensors) if woven else tensors[str(other)]
            tensor = tensor.detach()
        if tensor.numel() != before.numel():
            expected = "×".join(map(str, before.shape))
            got = "×".join(map(str, tensor.shape))
            first = woven.of[0] if woven else other
            raise TranslationError(
                f"{first}: expected {expected} for {name}, got {got}"
            )
        shaped = tensor.reshape(before.shape).contiguous()
        place = shaped.untyped_storage().data_ptr()
        own = tensors[woven.of[0]].untyped_storage().data_ptr() if woven else place
        if woven is not None and place != own:  # else it lies as it was
            found[place] = woven
        if isinstance(before, nn.Parameter):
            module.register_parameter(
                last, nn.Parameter(shaped, requires_grad=shaped.is_floating_point())
            )
        else:
            module.register_buffer(last, shaped)
    for module in ours.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.num_batches_tracked = torch.tensor(0)
        elif isinstance(module, Blurred):  # numbers of its own, in no file of weights
            materialise(module, "cpu")
    return found


def _unread(module: nn.Module, names: Mapping[str, str | Woven]) -> dict[str, int]:
    """Parameters that have no part in the forward pass, by the module at the top."""
    named, found = {*_named(names)}, dict[str, int]()
    every = module.named_parameters(remove_duplicate=False)
    read = {id(each) for name, each in every if name in named}
    for name, each in module.named_parameters():
        if id(each) not in read:
            top = name.partition(".")[0]
            found[top] = found.get(top, 0) + each.numel()
    return found


def _figures(  # noqa: PLR0913, PLR0917 - two networks
    foreign: Foreign,
    inputs: Sequence[Any],
    keywords: Mapping[str, Any],
    ours: nn.Module,
    said: Said,
    unread: int,
) -> list[Figure]:
    """Each figure as counted, and as both engines measure it of both networks."""
    engines: list[Engine] = ["fvcore", "torch"]
    image = [*leaves([*inputs]), *leaves({**keywords})]
    built = any_module.Foreign(said.spec.name, ours)
    theirs = any_module.count(foreign, inputs, engines, keywords)
    if theirs.answer is None:
        raise MeasureError("; ".join(theirs.faults()))
    mine = any_module.count(built, image, engines)
    counted = count(said.spec)
    found = []
    for name in FIGURES:
        measured: dict[str, int] = {}
        for what, each, more in (("module", theirs, unread), ("spec", mine, 0)):
            for attempt in each.attempts:
                if attempt.is_whole and attempt.measured is not None:
                    less = more if name == "params" else 0
                    figure = int(getattr(attempt.measured, name)) - less
                    measured[f"{what} by {attempt.engine}"] = figure
        found.append(Figure(name, int(getattr(counted, name)), measured))
    return found


def _said(figure: Figure) -> str:
    others = {who: n for who, n in figure.measured.items() if n != figure.counted}
    named = ", ".join(f"{n:,} of the {who}" for who, n in others.items())
    return f"{figure.name}: counted {figure.counted:,}, measured {named}"


class _Doubly(TorchFunctionMode):
    """Has every operator compute in double precision, a tensor at a time.

    Scales, shifts and statistics are shaken, the same way whoever has them, so that
    none is at rest where it begins: a scale of 0 would hide what comes before it.
    """

    def __init__(
        self, tensors: Mapping[str, torch.Tensor], laid: Mapping[int, Woven]
    ) -> None:
        super().__init__()
        self.tensors, self.laid = tensors, laid
        self.known = {
            each.untyped_storage().data_ptr(): index
            for index, each in enumerate(tensors.values())
            if each.is_floating_point()
        }

    def __torch_function__(
        self,
        func: Any,  # noqa: ANN401
        types: Any,  # noqa: ANN401
        args: Any = (),  # noqa: ANN401
        kwargs: Any = None,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        del types
        if getattr(func, "__name__", "") in _ASKS:  # of a tensor, and computes nothing
            return func(*args, **(kwargs or {}))
        args = tree_map(self._double, args)
        kwargs = tree_map(self._double, kwargs or {})
        if func is torch.conv2d and (found := _grouped(*args, **kwargs)) is not None:
            return found
        return func(*args, **kwargs)

    def _double(self, value: Any) -> Any:  # noqa: ANN401
        if not isinstance(value, torch.Tensor) or value.dtype not in _SINGLE:
            return value
        place = value.untyped_storage().data_ptr()
        if (laid := self.laid.get(place)) is not None:
            own = {name: self._double(self.tensors[name]) for name in laid.of}
            return laid.tensor(own).reshape(value.shape)
        wide = value.detach().double()
        index = self.known.get(place)
        if index is not None and _rests(wide):
            steps = torch.arange(value.numel(), dtype=torch.float64)
            noise = torch.frac((steps + 1) * 0.754877666 + (index + 1) * 0.569840291)
            wide = wide + 0.25 * noise.view(value.shape)
        return wide


_ASKS = {"__get__", "size", "dim", "stride", "numel", "is_floating_point", "data_ptr"}


def _rests(weight: torch.Tensor) -> bool:
    """Whether a tensor may be as it began: of one dimension, or all of one number."""
    return weight.dim() < 2 or bool((weight == weight.flatten()[:1]).all())  # noqa: PLR2004


def _grouped(  # noqa: PLR0913, PLR0917 - those of conv2d
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: Any = 1,  # noqa: ANN401
    padding: Any = 0,  # noqa: ANN401
    dilation: Any = 1,  # noqa: ANN401
    groups: int = 1,
) -> torch.Tensor | None:
    """A convolution in groups, one product for each place of its kernel.

    torch's own goes through the groups one by one, and has no faster one in double.
    """
    if groups == 1 or isinstance(padding, str):
        return None
    step, pad, apart = (_two(each) for each in (stride, padding, dilation))
    x = nn.functional.pad(x, (pad[1], pad[1], pad[0], pad[0]))
    kernel = weight.shape[2:]
    sides = [
        (x.shape[2 + k] - apart[k] * (kernel[k] - 1) - 1) // step[k] + 1 for k in (0, 1)
    ]
    within = x.unflatten(1, (groups, -1))
    shares = weight.unflatten(0, (groups, -1))
    total: torch.Tensor | None = None
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            top, left = row * apart[0], column * apart[1]
            down = slice(top, top + step[0] * (sides[0] - 1) + 1, step[0])
            across = slice(left, left + step[1] * (sides[1] - 1) + 1, step[1])
            seen, share = within[..., down, across], shares[..., row, column]
            if weight.shape[1] == 1:
                each = seen * share[:, :, :, None]
            else:
                each = (share @ seen.flatten(3)).unflatten(3, sides)
            total = each if total is None else total + each
    found = (total if total is not None else within).flatten(1, 2)
    return found if bias is None else found + bias.view(-1, 1, 1)


def _two(value: Any) -> tuple[int, int]:  # noqa: ANN401
    one, other = (value, value) if isinstance(value, int) else (value[0], value[-1])
    return one, other


_SINGLE = {torch.float32, torch.float16, torch.bfloat16}


@dataclass(frozen=True)
class Pair:
    """The module and the spec's network, which has its tensors, ready to be run."""

    module: nn.Module
    ours: nn.Module
    tensors: Mapping[str, torch.Tensor]
    #: Of the spec's tensors those that lie otherwise, by where they are in memory.
    laid: Mapping[int, Woven]
    inputs: Sequence[Any]
    keywords: Mapping[str, Any]

    def apart(self, sides: tuple[int, int]) -> tuple[float | None, str]:
        """How far their outputs are apart for an image of these sides, if they run."""
        generator = torch.Generator().manual_seed(0)

        def image(each: Input) -> torch.Tensor:
            shape = (*each.shape[:2], *sides)
            return torch.rand(shape, generator=generator, dtype=torch.float64)

        given, named = (
            filled(tuple(self.inputs), image),
            filled(dict(self.keywords), image),
        )
        (one,) = (*_tensors_of(given), *_tensors_of(named))
        copied = shared_copy(self.module)
        try:
            with torch.no_grad(), _Doubly(self.tensors, self.laid):
                theirs = _tensors_of(copied(*given, **named))[0]
                mine = self.ours(one)
        except Exception as error:  # noqa: BLE001 - code of others
            return None, f"running them raised {any_module.raised(error)}"
        if mine.shape != theirs.shape:
            found = (
                f"{tuple(theirs.shape)} of the module, {tuple(mine.shape)} of the spec"
            )
            return None, f"outputs: {found}"
        largest = float(theirs.abs().max())
        apart = float((mine - theirs).abs().max()) / (largest or 1.0)
        if not apart <= CLOSE:  # not a number is none
            most = f"expected at most {CLOSE:g} of the largest apart"
            return apart, f"outputs: {most}, got {apart:.2g}"
        return apart, ""


def _tensors_of(tree: Any) -> list[torch.Tensor]:  # noqa: ANN401
    """The tensors of what goes into a module, or comes out."""
    return [each for each in tree_leaves(tree) if isinstance(each, torch.Tensor)]
