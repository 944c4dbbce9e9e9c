"""A module as a spec: traced, read, put into lines, and proved to be the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from effscale.errors import SpecError, TranslationError, short
from effscale.importing import pycls
from effscale.importing.operators import Reading
from effscale.importing.proof import Proof, measured, prove
from effscale.importing.stages import said
from effscale.importing.trace import trace
from effscale.importing.tree import strands
from effscale.module.any_module import IMAGE, Foreign
from effscale.module.build import build
from effscale.module.inputs import Input, leaves
from effscale.spec import builtin
from effscale.spec.dumping import dumps
from effscale.spec.loading import loads
from effscale.spec.models import Expected
from effscale.spec.values import is_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import nn

    from effscale.module.weights import Woven
    from effscale.spec.models import Spec


@dataclass(frozen=True)
class Imported:
    """A spec, the names of the module's weights in it, and what proves it."""

    spec: Spec
    #: The name of each tensor of the built network, and that of the module's own.
    mapping: Mapping[str, str | Woven]
    proof: Proof

    def weights(self, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The state of the spec's network that a state of the module is."""
        shapes = build(self.spec, init=False, device="meta").state_dict()
        return {
            name: (
                state[each] if isinstance(each, str) else each.tensor(state)
            ).reshape(shapes[name].shape)
            for name, each in self.mapping.items()
        }


def imported(
    foreign: Foreign,
    inputs: Sequence[Any] = (),
    keywords: Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
) -> Imported:
    """The module as a spec, with the proof that it is the same network.

    Raises:
        TranslationError: if it cannot be traced, or no spec says it.
    """
    _refuse_no_name(name)
    keywords = dict(keywords or {})
    if not inputs and not keywords:
        inputs, keywords = foreign.inputs or (IMAGE,), dict(foreign.keywords)
    try:
        calls = trace(foreign.module, inputs, keywords)
        (given,) = (*leaves([*inputs]), *leaves(keywords))
        channels, height, width = given.shape[1:]
        found = said(
            strands(*Reading(calls).whole()),
            name or name_of(foreign.name),
            (channels, height, width),
            foreign.name,
        )
        found = replace(found, spec=_read_back(found.spec))
        proof, names = prove(foreign, inputs, keywords, found)
    except TranslationError as error:
        raise TranslationError(f"{foreign.name}: {error}") from None
    return Imported(_with_figures(found.spec, proof), names, proof)


def of_file(path: str, *, name: str | None = None) -> Imported:
    """The network of a file of pycls or ultralytics, counted, built and measured.

    Raises:
        TranslationError: if it is no such file, or no spec says what it says.
    """
    _refuse_no_name(name)
    file = path if Path(path).is_file() else path.rpartition("@")[0]
    if not Path(file).is_file():
        raise TranslationError(f"{path}: expected a file, found none")
    if builtin.is_foreign(file):
        spec = builtin.find(path)[0]
        spec = spec.model_copy(update={"name": name}) if name else spec
    elif pycls.is_pycls(file):
        spec = pycls.imported(path, name or name_of(path))
    else:
        expected = "expected a configuration of pycls, with MODEL.TYPE, or a model of"
        raise TranslationError(f"{path}: {expected} ultralytics, backbone and head")
    proof = measured(spec)
    return Imported(_with_figures(spec, proof), {}, proof)


def _refuse_no_name(name: str | None) -> None:
    if name is not None and not is_name(name):
        expected = "expected a name of letters, digits and . _ + -"
        raise TranslationError(f"name: {expected}, got {short(name)}")


def _read_back(spec: Spec) -> Spec:
    """The spec as its own file says it, which is judged as any file."""
    try:
        return loads(dumps(spec))
    except SpecError as error:
        first = str(error).splitlines()[0]
        raise TranslationError(f"the file would say what is wrong: {first}") from None


def _with_figures(spec: Spec, proof: Proof) -> Spec:
    """The spec, which expects the figures of itself that are proved."""
    figures = {each.name: each.counted for each in proof.figures if each.same}
    expected = Expected(params=figures.get("params"), macs=figures.get("macs"))
    return spec.model_copy(update={"expected": expected}) if figures else spec


def from_module(
    module: nn.Module,
    example: torch.Tensor | Sequence[int],
    *,
    unproven: bool = False,
    name: str = "",
) -> Imported:
    """A module of your own as a spec, and the names of its weights in it.

    `example` is an image that it takes, (1, channels, height, width), or its shape. The
    spec's network has the params, MACs and activations of the module, by count and by
    both engines, and with the module's weights the same outputs in double precision;
    with `unproven` it is returned whatever came out (`proof` says it). The module stays
    as it is.

    Raises:
        TranslationError: if no spec says it, or it is not proved to be the same.
    """
    shape = (
        tuple(example.shape) if isinstance(example, torch.Tensor) else tuple(example)
    )
    foreign = Foreign(name or type(module).__name__, module)
    found = imported(foreign, [Input(shape)])
    if not (found.proof.holds or unproven):
        raise TranslationError(
            f"{foreign.name}: not proved: {'; '.join(found.proof.faults)}"
        )
    return found


def name_of(reference: str) -> str:
    """What a spec is called that is made of this: `resnet50` of `timm:resnet50`."""
    last = reference.replace("\\", "/").rpartition("/")[2].rpartition(":")[2]
    for suffix in (".pt2", ".yaml", ".yml"):
        last = last.removesuffix(suffix)
    kept = "".join(
        c if c.isascii() and (c.isalnum() or c in "._+-") else "-" for c in last
    )
    return kept.strip("-._+")[:80] or "network"
