"""The program in a process of its own that starts at once, to be killed or stopped.

It is forked from a server that has loaded it, and what it would load as it runs. Each
test process has a server.
"""

from __future__ import annotations

import contextlib
import os
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess

SERVER = get_context("forkserver")
SERVER.set_forkserver_preload(
    [
        *("pytest", __name__, "effscale.cli.grid", "effscale.search.grid"),
        *("effscale.study.run", "effscale.cli.train", "effscale.train.trainer"),
        # what torch loads at the first step of an optimizer, and what exports
        *("torch._dynamo", "effscale.module.export", "effscale.cli.export"),
        *("effscale.report.plots", "matplotlib.pyplot"),
    ]
)


def started(arguments: list[str], said: str = os.devnull) -> ForkServerProcess:
    """`effscale ARGUMENTS`, what it says on stderr going to a file."""
    _await_server()
    process = SERVER.Process(target=_main, args=(arguments, said))
    process.start()
    return process


def end(process: ForkServerProcess, number: int) -> None:
    """Send it the signal, unless it has ended by itself."""
    assert process.pid is not None
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, number)


@cache
def _await_server() -> None:
    """Until it has loaded the program, from this tree."""
    first = SERVER.Process(target=int)
    with contextlib.chdir(Path(__file__).parents[1]):
        first.start()
    first.join()


def _main(arguments: list[str], said: str) -> None:
    from effscale.cli import main

    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        Path(said).open("w", encoding="utf-8") as file,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(file),
    ):
        main(arguments, prog_name="effscale")
