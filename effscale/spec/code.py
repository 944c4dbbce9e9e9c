"""References to code and to files of weights, told from those to specs by their form.

Nothing is imported or opened here, and no spec file can ask for it: such a reference is
an argument of the command line.
"""

from __future__ import annotations

import re

#: Files that torch writes: of `torch.export`, and of TorchScript.
SAVED = (".pt2", ".pt", ".pth", ".ts", ".torchscript")
_CALLABLE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d][\w.-]*")
_SPECS = (".yaml", ".yml")


def names_callable(reference: str) -> bool:
    """Whether it has the form of `my_pkg.nets:make_net`.

    A file of git's has a slash or a suffix: `HEAD~1:specs/b0.yaml`, `main:b0.yaml`.
    """
    return bool(_CALLABLE.fullmatch(reference)) and not reference.endswith(_SPECS)


def names_saved(reference: str) -> bool:
    """Whether it is a file that torch has written, by its suffix."""
    return reference.endswith(SAVED)
