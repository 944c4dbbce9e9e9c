"""The backbone that a detector's file names: its stem, its stages, its relatives."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from effscale.errors import SpecError, closest, short
from effscale.spec.nodes import mapping
from effscale.spec.wrong import Wrong

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from effscale.errors import Fault
    from effscale.spec.models import Spec

#: What a file takes from its backbone where it does not say otherwise.
TAKEN = (
    *("image_channels", "activation", "norm", "squeeze_excite", "stochastic_depth"),
    *("blocks", "cells", "stem", "stages", "rounding", "coefficients"),
)


def is_needed(data: Any) -> bool:  # noqa: ANN401 - whatever a file holds
    """Whether something must be read of the backbone that the data name."""
    given = mapping(data)
    listed = isinstance(mapping(given.get("scaling")).get("backbones"), list)
    named = isinstance(given.get("backbone"), str)
    return named and ("stages" not in given or listed)


def with_backbone(
    data: dict[str, Any], path: str
) -> tuple[dict[str, Any], list[Wrong]]:
    """The data of a file at `path` with what its backbone adds, or why it cannot.

    Relatives that `scaling` lists by name become their multipliers.
    """
    reference = data["backbone"]
    backbone = _found(reference, path)
    if isinstance(backbone, str):
        return data, [Wrong(("backbone",), backbone, "EFF401")]
    found = {name: getattr(backbone, name) for name in TAKEN} | data
    scaling = mapping(data.get("scaling"))
    names = scaling.get("backbones")
    if not isinstance(names, list):
        return found, []
    known = _multipliers(backbone)
    listed = {name: known[name] for name in names if name in [*known]}
    return (
        {**found, "scaling": {**scaling, "backbones": listed}},
        list(_unknown(names, known, reference)),
    )


def _found(reference: str, path: str) -> Spec | str:
    """The spec of a built-in baseline, or of a file beside the one at `path`.

    Or else what is wrong. A backbone names no further one.
    """
    from effscale.spec import builtin
    from effscale.spec.loading import loads

    try:
        if builtin.is_file(reference):
            beside = "" if reference.startswith("/") else re.sub(r"[^/:]*$", "", path)
            file = f"{beside}{reference}"
            text = builtin.text(file)
            if re.search(r"^backbone:", text, re.MULTILINE):
                message = f"got {short(reference)}, which names a backbone itself"
                return f"expected a classifier's spec, {message}"
            spec, variant = loads(text, file, alone=True), None
        else:
            spec, variant = builtin.find(reference)
    except SpecError as error:
        return _refused(short(reference), error.faults[0])
    if variant is not None:
        message = f"a variant; state {spec.name} here, and it in scaling.backbones"
        return f"expected a baseline, got {short(reference)}, {message}"
    if spec.head is None:
        return f"expected a classifier's spec, got {short(reference)}, a detector's"
    return spec


def _refused(reference: str, fault: Fault) -> str:
    """Why there is no backbone of that name: none at all, or one with a fault."""
    if fault.line:
        where = f"line {fault.line}: {fault.message}"
        return f"expected a spec without faults, got {reference}: {where}"
    expected, semicolon, hint = fault.message.partition("; ")
    if expected.startswith("expected"):
        return f"{expected}, got {reference}{semicolon}{hint}"
    why = fault.message.removeprefix("cannot be read: ")
    return f"expected a file that can be read, got {reference}: {why}"


def _multipliers(backbone: Spec) -> Mapping[str, dict[str, float]]:
    """Multipliers of a spec, and of its variants that are told by them alone."""
    found = {backbone.name: {"depth_multiplier": 1.0, "width_multiplier": 1.0}}
    for name, each in backbone.variants.items():
        if each.repeats is None and each.rounding is None:
            found[name] = {
                "depth_multiplier": each.depth_multiplier,
                "width_multiplier": each.width_multiplier,
            }
    return found


def _unknown(
    names: Iterable[Any], known: Mapping[str, Any], reference: str
) -> Iterator[Wrong]:
    for index, name in enumerate(names):
        if name not in [*known]:
            listed = ", ".join(known)
            message = f"expected one of {listed} (of {reference}), got {short(name)}"
            close = closest(name, list(known))
            yield Wrong(("scaling", "backbones", index), message, "EFF401", close)
