"""What effscale promises of its speed, as ratios measured side by side in one run.

Each pair of commands is run in turn, A B A B …, in processes of their own; a line says
the median of the ratios A/B, their spread, and the bound where there is one.

    make bench
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

PYTHON = sys.executable
EFFSCALE = str(Path(PYTHON).with_name("effscale"))
SPECS = Path(__file__).parents[1] / "specs"

#: What every command must import: the names that effscale uses of each library.
FLOOR = """
import click, yaml, numpy
from rich.console import Console
from rich.table import Table
from pydantic import BaseModel
class Model(BaseModel):
    number: int
"""

#: What `check` needs of them: neither tables nor arrays.
CORE = """
import click, yaml
from pydantic import BaseModel
class Model(BaseModel):
    number: int
"""

#: The same bare: the packages' own top modules, most of which import on demand.
BARE_FLOOR = "import click, rich, yaml, numpy, pydantic"

#: The task of `profile b7` with another library and fvcore used directly.
BY_HAND = """
import warnings; warnings.simplefilter("ignore")
import torch
from fvcore.nn import FlopCountAnalysis
from efficientnet_pytorch import EfficientNet
net = EfficientNet.from_name("efficientnet-b7", image_size=600).eval()
print(FlopCountAnalysis(net, torch.zeros(1, 3, 600, 600)).by_operator())
"""

IMPORT_TORCH = "import torch, torch.utils.flop_counter"


@dataclass(frozen=True)
class Pair:
    """Two commands, and what the first may be of the second."""

    name: str
    ours: list[str]
    other: list[str]
    bound: float | None = None
    beyond: float | None = None  #: seconds that the first may take beyond the second
    granted: float = 0.0  #: seconds of the first that the ratio leaves out
    runs: int = 9


def effscale(arguments: str) -> list[str]:
    """The installed program with these arguments."""
    return [EFFSCALE, *arguments.split()]


def python(code: str) -> list[str]:
    """A bare script."""
    return [PYTHON, "-c", code]


def pairs() -> list[Pair]:
    """All that is promised."""
    quick = ("--help", "profile b0 --measure none", "scale --measure none")
    specs = len(list(SPECS.glob("*.yaml")))
    return [
        *(
            Pair(f"{each} / import floor", effscale(each), python(FLOOR), bound=1.5)
            for each in quick
        ),
        *(
            Pair(f"{each} / bare imports", effscale(each), python(BARE_FLOOR))
            for each in quick
        ),
        Pair("specs / import floor", effscale("specs"), python(FLOOR), beyond=0.6),
        Pair(
            f"check, less 10 ms for each of {specs} files / core",
            effscale(f"check {SPECS}"),
            python(CORE),
            bound=1.5,
            granted=0.01 * specs,
        ),
        Pair(
            "profile b7 / another library and fvcore by hand",
            effscale("profile b7"),
            python(BY_HAND),
            bound=1.0,
            runs=5,
        ),
        Pair(
            "profile b7 --measure torch / import torch",
            effscale("profile b7 --measure torch"),
            python(IMPORT_TORCH),
            beyond=0.6,
        ),
    ]


def seconds(command: list[str]) -> float:
    """How long the command takes as a whole process."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Run every pair and print a line for it."""
    for pair in pairs():
        seconds(pair.ours), seconds(pair.other)
        times = [(seconds(pair.ours), seconds(pair.other)) for _ in range(pair.runs)]
        ratios = [(ours - pair.granted) / other for ours, other in times]
        low, high = min(ratios), max(ratios)
        line = f"{statistics.median(ratios):5.2f} ({low:.2f} to {high:.2f})"
        if pair.bound is not None:
            line += f", at most {pair.bound}"
        if pair.beyond is not None:
            more = statistics.median(ours - other for ours, other in times)
            line += f"; {more:.2f} s beyond it, at most {pair.beyond}"
        print(f"{pair.name:52} {line}", flush=True)


if __name__ == "__main__":
    main()
