"""Pages of HTML as single files: their templates, with styles and scripts put in."""

from __future__ import annotations

from pathlib import Path

from effscale.version import VERSION

_TEMPLATES = Path(__file__).parent / "templates"


def rendered(name: str, **values: object) -> str:
    """The page `name`, with its own styles and script in it; it makes no request."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined
    )
    own = {
        "version": VERSION,
        "style": (_TEMPLATES / f"{name}.css").read_text("utf-8"),
        "script": (_TEMPLATES / f"{name}.js").read_text("utf-8"),
    }
    return environment.get_template(f"{name}.html").render(**own, **values)
