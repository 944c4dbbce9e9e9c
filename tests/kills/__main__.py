"""`python -m tests.kills`: every command that writes, ended at many points."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.kills.attack import attacked
from tests.kills.cases import CASES, clear, ready


def main() -> int:
    """Run what is asked for; 1 if something was torn, left or replaced."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=34, help="of each signal")
    parser.add_argument("--only", default="", help="cases with this in their name")
    asked = parser.parse_args()
    total, wrong = Counter[str](), 0
    with TemporaryDirectory() as folder:
        ready(Path(folder))
        for case in [each for each in CASES if asked.only in each.name]:
            for piped in (False, True) if case.pipes else (False,):
                started = time.perf_counter()
                points = 4 if piped else asked.points
                found = attacked(case, Path(folder), points, piped=piped)
                clear(Path(folder), case)
                total += found.ended
                wrong += len(found.wrong)
                ends = ", ".join(f"{k} {n}" for k, n in found.ended.items())
                taken = time.perf_counter() - started
                print(  # noqa: T201
                    f"{found.name}: {found.events} events, {ends}, "
                    f"left by SIGKILL {found.left}, {taken:.1f} s",
                    *found.wrong[:5],
                    sep="\n  ",
                    flush=True,
                )
    print(f"{dict(total)}, {wrong} wrong")  # noqa: T201
    return 1 if wrong else 0


sys.exit(main())
