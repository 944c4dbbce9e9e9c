"""The specs that come with the package, and what a SPEC on the command line means."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from effscale.errors import Fault, SpecError, did_you_mean, short
from effscale.spec.loading import load_file

if TYPE_CHECKING:
    from effscale.spec.models import Spec

_PACKAGE = Path(__file__).parents[1]


def folder() -> Path:
    """Where the built-in specs lie: in an installed package, or beside a checkout's."""
    installed = _PACKAGE / "specs"
    return installed if installed.is_dir() else _PACKAGE.parent / "specs"


@cache
def builtin() -> dict[str, Spec]:
    """The built-in specs by file name without suffix, sorted."""
    return {path.stem: load_file(path) for path in sorted(folder().glob("*.yaml"))}


def names() -> dict[str, tuple[Spec, str | None]]:
    """Every name that needs no file: of a spec, and of each of its variants."""
    found: dict[str, tuple[Spec, str | None]] = {}
    for stem, spec in builtin().items():
        entries = [(stem, None), *((name, name) for name in spec.variants)]
        for name, variant in entries:
            found[name] = (spec, variant)
    return found


def find(reference: str) -> tuple[Spec, str | None]:
    """The spec that `reference` names, and the variant of it, if it names one.

    `b0`, `b4` and `efficientnet-b4` are built in; `my.yaml`, `my.yaml@large`,
    `b0@b4` and `-` (standard input) are read.

    Raises:
        SpecError: if there is no such name, file or variant, or the file is wrong.
    """
    whole = _is_file(reference) and os.path.exists(reference)  # noqa: PTH110
    base, at, variant = (reference, "", "") if whole else reference.partition("@")
    known = names() if not _is_file(base) else {}
    aliases = {f"{spec.family}-{name}": name for name, (spec, _) in known.items()}
    name = aliases.get(base, base)
    if name in known:
        spec, inner = known[name]
    elif (base and _is_file(base)) or os.path.exists(base):  # noqa: PTH110 - raises nothing
        spec, inner = load_file(base), None
    else:
        hint = did_you_mean(base, list(known))
        message = f"expected a file or a built-in spec{hint or '; see effscale specs'}"
        raise SpecError((Fault(short(base), 0, 0, "", message),))
    if not at:
        return spec, inner
    if inner is not None or variant not in spec.variants:
        known_variants = [] if inner else list(spec.variants)
        hint = did_you_mean(variant, known_variants)
        listed = ", ".join(known_variants) or "none"
        message = f"expected a variant of {base} ({listed}), got {variant!r}{hint}"
        raise SpecError((Fault(short(reference), 0, 0, "", message),))
    return spec, variant


def _is_file(base: str) -> bool:
    return base == "-" or "/" in base or base.endswith((".yaml", ".yml"))
