"""The table of speed: all that is promised, measured in one run of three minutes.

It is run on one core, in turns, after a warming run; a line has the median of the
pairs, the lowest and the highest, and what is to be reached.

    make bench
"""

from __future__ import annotations

import os
import platform
import statistics
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from counting import RATES, peak, rates
from ratios import compared, pairs

if TYPE_CHECKING:
    from collections.abc import Iterator

RESULTS = Path(__file__).with_name("RESULTS.md")
HEAD = """# Results

What `make bench` measured, {date}, on {machine}: Python {python}, torch {torch},
load {load:.1f} at the start and {after:.1f} at the end. Ratios are of wall times, side
by side on one core; lowest and highest of the pairs in brackets.

| | median | to reach |
|---|---|---|
"""
#: What says the name of a processor.
CPU = Path("/proc/cpuinfo")


def machine() -> str:
    """The processor, and how many cores there are."""
    lines = CPU.read_text("utf-8").splitlines() if CPU.exists() else []
    named = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return f"{(named or [platform.processor()])[0]}, {os.cpu_count()} cores"


def row(name: str, found: list[float], goal: str, unit: str = "") -> str:
    """A line of the table, of sorted values."""
    middle, low, high = statistics.median(found), found[0], found[-1]
    return f"| {name} | {middle:.2f}{unit} ({low:.2f} to {high:.2f}) | {goal} |"


def table() -> Iterator[str]:
    """Each line, as soon as it is measured."""
    for pair in pairs():
        unit = " s" if pair.beyond else ""
        yield row(pair.name, compared(pair), f"{pair.goal:g}{unit}", unit)
    for rate in RATES:
        millions = rate.goal >= 1e6  # noqa: PLR2004 - networks
        found = [each / 1e6 if millions else 1e3 / each for each in rates(rate)]
        unit = " M/s" if millions else " ms"
        goal = rate.goal / 1e6 if millions else 1e3 / rate.goal
        yield row(rate.name, sorted(found), f"{goal:g}{unit}", unit)
    for step in ("0.005", "0.0025"):
        points, most = peak(step)
        yield f"| memory of a grid of {points:,} points | {most} MiB | 200 MiB |"


def main() -> None:
    """Print the table, and write it beside this file."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    load, lines = os.getloadavg()[0], []
    for line in table():
        print(line, flush=True)
        lines.append(line)
    head = HEAD.format(
        date=datetime.now(UTC).date(),
        machine=machine(),
        python=platform.python_version(),
        torch=version("torch"),
        load=load,
        after=os.getloadavg()[0],
    )
    RESULTS.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
