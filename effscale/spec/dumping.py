"""`Spec` to YAML that loads back equal: a stage a line, as files are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from effscale.spec.models import Spec


class _Dumper(yaml.SafeDumper):
    """Quotes texts with characters that YAML would read as line breaks."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = None if value.isprintable() or value.isascii() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style)


_Dumper.add_representer(str, _text)


def dumps(spec: Spec, comment: str = "") -> str:
    """YAML text of a spec of plain numbers, below `comment` (lines without `#`).

    Defaults are written out, so that the file says the same to every version.
    """
    data = spec.model_dump(exclude_none=True)
    if not spec.variants:
        del data["variants"]
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
