"""Where start-up and counting spend their time, for who wants to make them faster.

make bench-profile
"""

from __future__ import annotations

import cProfile
import pstats
import subprocess
import time

from counting import B0
from ratios import ENVIRONMENT, PYTHON

import effscale as es

COMMAND = ["-m", "effscale", "profile", "b0", "--measure", "none"]
MOST = 25


def imports() -> list[tuple[int, str]]:
    """Microseconds of each module that a command imports, without those within."""
    run = [PYTHON, "-X", "importtime", *COMMAND]
    subprocess.run(run, check=True, capture_output=True, env=ENVIRONMENT)
    done = subprocess.run(
        run, check=True, capture_output=True, text=True, env=ENVIRONMENT
    )
    lines = [line.split("|") for line in done.stderr.splitlines() if "|" in line]
    return sorted(
        ((int(own.rpartition(":")[2]), name.strip()) for own, _, name in lines[1:]),
        reverse=True,
    )


def main() -> None:
    """Print both."""
    found = imports()
    print(f"effscale {' '.join(COMMAND[2:])}: modules by what each takes itself, ms")
    print(f"{sum(own for own, _ in found) / 1e3:7.1f} all")
    for own, name in found[:MOST]:
        print(f"{own / 1e3:7.1f} {name}")
    es.count(B0)
    profile = cProfile.Profile(time.process_time)
    profile.enable()
    for _ in range(100):
        es.count(B0)
    profile.disable()
    print("\ncounting B0 a hundred times: functions by what each takes itself")
    pstats.Stats(profile).strip_dirs().sort_stats("tottime").print_stats(MOST)


if __name__ == "__main__":
    main()
