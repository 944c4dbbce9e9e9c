"""What effscale promises of its speed as a program: commands beside each other.

Each pair of commands is run in turn, A B A B …, in processes of their own on one core;
what counts is the median of the ratios A/B, or of the seconds that A takes beyond B.
"""

from __future__ import annotations

import os
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

#: Without bytecode each run would compile the package anew.
ENVIRONMENT = {
    **{k: each for k, each in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"},
    "OMP_NUM_THREADS": "1",
}


@dataclass(frozen=True)
class Pair:
    """Two commands, and what the first may be of the second."""

    name: str
    ours: list[str]
    other: list[str]
    goal: float  #: of the ratio, or of the seconds beyond
    runs: int
    beyond: bool = False  #: whether seconds beyond the other are meant, no ratio
    granted: float = 0.0  #: seconds of the first that the ratio leaves out


def effscale(arguments: str) -> list[str]:
    """The installed program with these arguments."""
    return [EFFSCALE, *arguments.split()]


def python(code: str) -> list[str]:
    """A bare script."""
    return [PYTHON, "-c", code]


def pairs() -> list[Pair]:
    """All that is promised."""
    floor, core, torch = python(FLOOR), python(CORE), python(IMPORT_TORCH)
    files = len(list(SPECS.glob("*.yaml")))
    quick = {
        "--help": 0.4,
        "profile b0 --measure none": 1.1,
        "scale --phi 4 --measure none": 1.25,
        "specs": 1.5,
    }
    return [
        *(
            Pair(f"`{each}` / import floor", effscale(each), floor, goal, 9)
            for each, goal in quick.items()
        ),
        Pair(
            f"`check specs` less 10 ms for each of {files} files / its core",
            effscale(f"check {SPECS}"),
            core,
            1.5,
            3,
            granted=0.01 * files,
        ),
        Pair(
            "`scale --phi 4` beyond `import torch`",
            effscale("scale --phi 4"),
            torch,
            1.5,
            3,
            beyond=True,
        ),
        Pair(
            "`profile b7` / another library and fvcore by hand",
            effscale("profile b7"),
            python(BY_HAND),
            0.5,
            3,
        ),
        Pair(
            "`profile b7 --measure torch` beyond `import torch`",
            effscale("profile b7 --measure torch"),
            torch,
            0.4,
            5,
            beyond=True,
        ),
    ]


def seconds(command: list[str]) -> float:
    """How long the command takes as a whole process."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=ENVIRONMENT)
    return time.perf_counter() - start


def compared(pair: Pair) -> list[float]:
    """The ratio of each run to the one beside it, or its seconds beyond; sorted."""
    seconds(pair.ours), seconds(pair.other)
    found = []
    for _ in range(pair.runs):
        ours, other = seconds(pair.ours), seconds(pair.other)
        less = ours - pair.granted
        found.append(less - other if pair.beyond else less / other)
    return sorted(found)
