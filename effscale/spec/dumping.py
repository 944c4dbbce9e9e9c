"""A spec as YAML that loads back equal, and as a table of HTML for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from effscale.markup import table
from effscale.spec.nodes import EXPONENT
from effscale.spec.values import Model

if TYPE_CHECKING:
    from effscale.spec.models import Spec


#: What need not be written where nothing is in it: the section, and the key.
_EMPTY = (
    ("", "deployed"),
    *(("", "blocks"), ("", "cells"), ("", "outputs"), ("", "variants")),
    ("head", "layers"),
    *(("neck", "nodes"), ("scaling", "backbones")),
)


class _Dumper(yaml.SafeDumper):
    """Quotes texts that would be read as something else: line breaks, 1e-3."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = None if value.isprintable() or value.isascii() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style)


_Dumper.add_representer(str, _text)
_Dumper.add_multi_representer(str, _text)  # a word that stands for a parameter
_Dumper.add_implicit_resolver(*EXPONENT)


def dumps(spec: Spec, comment: str = "") -> str:
    """YAML text of a spec of plain numbers, below `comment` (lines without `#`).

    Defaults are written out, so that the file says the same to every version; those of
    lines, which would bury what a line says, are not.
    """
    data = spec.model_dump(exclude_none=True)
    every = [
        (data.get(section, {}) if section else data, key) for section, key in _EMPTY
    ]
    every += [(output, "reads") for output in data["outputs"].values()]
    for within, key in every:
        if not within.get(key, True):
            del within[key]
    head = "".join(f"# {line}\n" for line in comment.splitlines())
    text: str = yaml.dump(
        data,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=120,
        default_flow_style=None,
    )
    return head + text


def html(spec: Spec) -> str:
    """A table of stem, stages and head, with the numbers that the file states."""
    named: list[tuple[str, Model]] = [("stem", each) for each in spec.stem]
    named += [(f"stage {k}", each) for k, each in enumerate(spec.stages, 1)]
    named += [*spec.sections.items(), *spec.outputs.items()]
    rows = [{"part": name, **_flat(line)} for name, line in named]
    height, width = spec.resolution
    image = f"{spec.image_channels}×{height}×{width} px"
    return table(f"{spec.name}, {image}", rows)


def _flat(line: Model) -> dict[str, Any]:
    """The values that a line states, those that are lines themselves in short."""
    stated = {name: value for name, value in line if name in line.model_fields_set}
    return {
        name: "…" if _nests(value) else value
        for name, value in stated.items()
        if value is not None
    }


def _nests(value: object) -> bool:
    several = value if isinstance(value, tuple) else (value,)
    return any(isinstance(each, Model | tuple) for each in several)
