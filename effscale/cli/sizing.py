"""`--memory` and what belongs to it: options to bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from effscale.cli.types import Range

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from effscale.report.document import Report
    from effscale.spec.models import Spec

F = TypeVar("F", bound="Callable[..., Any]")

#: `effscale.cost.memory.BALANCE`, which would have to be loaded for --help.
BALANCE = 10


def memory_options(function: F) -> F:
    """`--memory` and `--balance`."""
    balance = click.option(
        "--balance",
        type=Range(0, 10**6),
        metavar="N",
        help="With --memory: MACs that the machine does while it moves a byte; parts "
        f"below are bound by memory.  [default: {BALANCE}, a V100's in float32]",
    )
    memory = click.option(
        "--memory",
        is_flag=True,
        help="Bytes of weights and feature maps, for --batch and --dtype: at once in "
        "inference and in training, and moved, by part.",
    )
    return memory(balance(function))


def with_memory(  # noqa: PLR0913 - options
    report: Report,
    network: Spec,
    *,
    memory: bool,
    balance: float | None,
    batch: Sequence[int],
    dtype: Sequence[str],
) -> Report:
    """The answer of `profile`, and its bytes, if they are asked for."""
    if not memory:
        return report
    from effscale.cost.memory import memory as taken
    from effscale.network import staged
    from effscale.report import memory as answer

    net = staged.network(network)
    found = [taken(net, n, kind) for kind in dtype for n in batch]
    return answer.by_part(report, found, BALANCE if balance is None else balance)


def refuse_unused(
    *,
    memory: bool,
    balance: float | None,
    timed: bool,
    batch: Sequence[int],
    dtype: Sequence[str],
) -> None:
    """Refuse what only --memory, or --latency too, would make something of.

    Raises:
        click.UsageError: if that is given, and they are not asked for.
    """
    if balance is not None and not memory:
        raise click.UsageError("--balance is for --memory, which was not asked for")
    given = {"--batch": batch != [1], "--dtype": dtype != ["float32"]}
    for option in (name for name, value in given.items() if value):
        if not (memory or timed):
            message = f"{option} is for --memory and --latency: ask for one of them"
            raise click.UsageError(message)
