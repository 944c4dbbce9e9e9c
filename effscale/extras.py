"""Libraries that some commands need, and what brings one that is missing."""

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
    "train": ("kornia",),
    "ray": ("ray",),
    "dask": ("distributed",),
    "slurm": ("distributed", "dask_jobqueue"),
}
#: What any installation has, unless it was made without, by their names.
PLAIN = ("torch", "fvcore", "numpy", "rich")
#: Whether texts can be laid out and coloured by it.
RICH = find_spec("rich") is not None


def installed() -> list[str]:
    """The extras whose libraries are all there."""
    return [name for name, each in EXTRAS.items() if all(map(find_spec, each))]


def missing(error: ModuleNotFoundError) -> str:
    """What to say of a library that is not installed; nothing if it is none of these.

    An error within one that is there is not its user's.
    """
    library = (error.name or "").partition(".")[0]
    if library in PLAIN and find_spec(library) is None:
        return f"needs {library}; pip install {library} brings it"
    return ""


def needed(extra: str, path: Path | str) -> None:
    """Refuse to write the file at `path` without the libraries of that extra.

    Raises:
        OutputError: with the first that is missing, and how to get it.
    """
    for library in EXTRAS[extra]:
        if find_spec(library) is None:
            message = f"needs {library}; pip install 'effscale[{extra}]' brings it"
            raise OutputError(f"{path}: {message}")
