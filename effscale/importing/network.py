"""A module as a spec: traced, read, put into lines, and proved to be the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from effscale.errors import TranslationError
from effscale.importing.operators import Reading
from effscale.importing.proof import Proof, prove
from effscale.importing.stages import said
from effscale.importing.trace import trace
from effscale.importing.tree import tree
from effscale.module.any_module import IMAGE, Foreign
from effscale.module.measure import leaves

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from effscale.spec.models import Spec


@dataclass(frozen=True)
class Imported:
    """A spec, the names of the module's weights in it, and what proves it."""

    spec: Spec
    #: The name of each tensor of the built network, and that of the module's own.
    mapping: Mapping[str, str]
    proof: Proof


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
    keywords = dict(keywords or {})
    if not inputs and not keywords:
        inputs, keywords = foreign.inputs or (IMAGE,), dict(foreign.keywords)
    try:
        calls = trace(foreign.module, inputs, keywords)
        (image,) = (*leaves([*inputs]), *leaves(keywords))
        height, width = image.shape[2:]
        chain = tree(*Reading(calls).whole())
        found = said(chain, name or name_of(foreign.name), (height, width), foreign.name)
        proof, names = prove(foreign, inputs, keywords, found)
    except TranslationError as error:
        raise TranslationError(f"{foreign.name}: {error}") from None
    expected = {f.name: f.counted for f in proof.figures if f.name != "activations"}
    spec = found.spec.model_copy(update={"expected": type(found.spec).model_fields["expected"].annotation.__args__[0](**expected)}) if expected else found.spec  # type: ignore[union-attr]
    return Imported(spec, names, proof)


def name_of(reference: str) -> str:
    """What a spec is called that is made of this: `resnet50` of `timm:resnet50`."""
    last = reference.replace("\\", "/").rpartition("/")[2].rpartition(":")[2]
    last = last.removesuffix(".pt2").rpartition(".")[2]
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._+-") else "-" for c in last)
    return kept.strip("-._+")[:80] or "network"
