"""Libraries that some commands need beyond a plain installation, by extra."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from effscale.errors import OutputError

if TYPE_CHECKING:
    from pathlib import Path

#: The libraries of each extra of setup.cfg, by the names that they are imported by.
EXTRAS = {
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "plot": ("matplotlib",),
    "report": ("jinja2", "matplotlib"),
}


def needed(extra: str, path: Path | str) -> None:
    """Refuse to write the file at `path` without the libraries of that extra.

    Raises:
        OutputError: with the first that is missing, and how to get it.
    """
    for library in EXTRAS[extra]:
        if find_spec(library) is None:
            message = f"needs {library}; pip install 'effscale[{extra}]' brings it"
            raise OutputError(f"{path}: {message}")
