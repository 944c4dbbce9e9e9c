"""What tests of studies share: a study of a few candidates, and jobs for one of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from effscale.study.folder import Header, candidate_name
from effscale.study.run import Plan

if TYPE_CHECKING:
    from collections.abc import Iterator

STAND_IN = Path(__file__).parent / "stand_in.sh"
#: A command that answers at once.
EMPTY = """sh -c 'echo "{\\"accuracy\\": 0.5}" >{out}' {spec}"""


def rows(count: int = 3) -> list[dict[str, Any]]:
    """Rows as `grid` makes them; the costs fall as the accuracies of tests rise."""
    return [
        {
            "alpha": 1 + 0.1 * index,
            "beta": 1.1,
            "gamma": 1.15,
            "resolution": [32, 48],
            "params": 1000 - index,
            "macs": 400_000_000 - index,
            "activations": 3000 - index,
            "macs_ratio": 2.0,
            "deviation": 0.0,
            "own": index == 0,
        }
        for index in range(count)
    ]


def made(command: str = EMPTY, count: int = 3, **changed: Any) -> Header:  # noqa: ANN401
    """The header of a study of so many candidates."""
    given: dict[str, Any] = {
        "name": "tiny",
        "spec": "name: tiny\n",
        "target_ratio": 2.0,
        "phi": 1.0,
        "command": command,
        "candidates": rows(count),
    }
    given |= changed
    given["candidates"] = [
        {"name": candidate_name(row), **row} for row in given["candidates"]
    ]
    return Header(**given)


def plan(of: Header, attempts: int = 2, timeout: float | None = None) -> Plan:
    """Networks that are but names."""
    return Plan({name: f"name: {name}\n" for name in of.names}, attempts, timeout)


def running(token: str) -> Iterator[int]:
    """The processes whose command line has `token` in it, this one aside."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and int(folder.name) != os.getpid():
            try:
                line = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if token.encode() in line:
                yield int(folder.name)
