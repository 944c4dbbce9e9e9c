"""How the time of counting grows: with depth, with candidates, with files in a folder.

Drawn into docs/assets/growth.svg; times are of the processor, the least of a few.

    make growth
"""

from __future__ import annotations

import math
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np

import effscale as es
from effscale.checking.run import check, read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "assets" / "growth.svg"
B0 = es.load("b0")
DEPTHS = (1, 4, 16, 64, 256)
CANDIDATES = (1, 10, 10**2, 10**3, 10**4, 10**5, 10**6)
FILES = (1, 10, 100, 1000)


def least(work: Callable[[], object], runs: int) -> float:
    """Seconds of the processor, of the fastest run."""
    found = []
    for _ in range(runs):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


def by_depth(depth: int) -> float:
    """Counting B0 with so many times the blocks."""
    spec = es.scale(B0, es.Multipliers(depth=depth))
    return least(lambda: es.count(spec), 20)


def by_candidates(number: int) -> float:
    """Scaling and counting so many candidates that share no axis."""
    draw = np.random.default_rng(0)
    d, w, r = (draw.uniform(1, high, number) for high in (2, 1.42, 1.42))
    return least(lambda: es.count(es.scale(B0, es.Multipliers(d, w, r))), 3)


def by_files(number: int) -> float:
    """Checking a folder of so many specs, the built-in ones again and again."""
    texts = [
        path.read_text("utf-8") for path in sorted((ROOT / "specs").glob("*.yaml"))
    ]
    with tempfile.TemporaryDirectory() as folder:
        for index, text in enumerate(islice(cycle(texts), number)):
            (Path(folder) / f"{index}.yaml").write_text(text, "utf-8")
        paths = sorted(Path(folder).iterdir())
        return least(lambda: [check(read(str(path))) for path in paths], 1)


def drawn(axes: Axes, what: str, numbers: Sequence[int], seconds: list[float]) -> None:
    """One curve, both axes by powers of ten: what does not grow is level."""
    axes.plot(numbers, seconds, marker="o")
    axes.set(xscale="log", yscale="log", xlabel=what, ylabel="seconds")
    low, high = math.log10(min(seconds)), math.log10(max(seconds))
    axes.set_ylim(10.0 ** math.floor(low), 10.0 ** math.ceil(high))
    axes.grid(visible=True, alpha=0.3)


def main() -> None:
    """Measure, draw, and print what was drawn."""
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "effscale"
    mpl.rcParams["svg.fonttype"] = "none"
    from matplotlib.figure import Figure

    figure = Figure((10, 3), layout="constrained")
    measured = (
        ("times B0's blocks", DEPTHS, by_depth),
        ("candidates at once", CANDIDATES, by_candidates),
        ("files in a folder", FILES, by_files),
    )
    panels = figure.subplots(1, len(measured))
    for axes, (what, numbers, work) in zip(panels, measured, strict=True):
        seconds = [work(each) for each in numbers]
        print(what, {n: round(s, 5) for n, s in zip(numbers, seconds, strict=True)})
        drawn(axes, what, numbers, seconds)
    figure.savefig(PICTURE, metadata={"Date": None})


if __name__ == "__main__":
    main()
