"""`python -m tests.fuzz`: many mutants, and what became of them."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections import Counter

from tests.fuzz.journey import drawn, journey
from tests.fuzz.mutants import mutant


def main() -> int:
    """Run what is asked for; 1 if an answer was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200_000, help="mutants")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--built", type=int, help="of these; 1 of 20 unless given")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--show", type=int, help="the text of this mutant, and no more")
    asked = parser.parse_args()
    if asked.show is not None:
        sys.stdout.write(mutant(drawn(asked.seed, asked.show)))
        return 0
    found: Counter[str] = Counter()
    built: list[int] = []
    wanted = asked.count // 20 if asked.built is None else asked.built
    started = time.perf_counter()
    for index in range(asked.first, asked.first + asked.count):
        if time.perf_counter() - started > asked.seconds:
            break
        due = wanted * (index + 1 - asked.first) > len(built) * asked.count
        try:
            found[journey(asked.seed, index, built if due else None)] += 1
        except Exception:  # noqa: BLE001 - each is a find
            found["lost"] += 1
            last = traceback.format_exc().strip().splitlines()[-1]
            print(f"--seed {asked.seed} --show {index}: {last}", flush=True)  # noqa: T201
    taken = time.perf_counter() - started
    listed = ", ".join(f"{name} {number:,}" for name, number in found.most_common())
    print(  # noqa: T201
        f"{found.total():,} mutants in {taken:.0f} s: {listed};"
        f" {len(built):,} built and measured"
    )
    return 1 if found["lost"] else 0


sys.exit(main())
