"""What a network is run on and as: options of commands that measure or size a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from effscale.cli.types import Parsed

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")

#: What weights and feature maps may be stored as.
DTYPES = ("float32", "bfloat16", "float16")
MAX_BATCH, MAX_THREADS = 2**16, 1024


def whole_numbers(limit: int) -> Callable[[str], list[int]]:
    """A parser of `8`, or `1,8,64`: whole numbers from 1 to `limit`, each once."""

    def parse(text: str) -> list[int]:
        found = [each.strip() for each in text.split(",")]
        if not all(each.isascii() and each.isdecimal() for each in found):
            raise ValueError("whole numbers such as 8 or 1,8,64")
        numbers = [int(each) for each in found if len(each) <= len(str(limit))]
        if len(numbers) < len(found) or not all(1 <= n <= limit for n in numbers):
            raise ValueError(f"whole numbers from 1 to {limit}")
        return list(dict.fromkeys(numbers))

    return parse


def dtypes(text: str) -> list[str]:
    """`bfloat16`, or several with commas."""
    found = [each.strip() for each in text.split(",")]
    if not set(found) <= set(DTYPES):
        raise ValueError(f"{', '.join(DTYPES)}, or several with commas")
    return list(dict.fromkeys(found))


BATCHES = Parsed("N[,N…]", whole_numbers(MAX_BATCH))
THREADS = Parsed("N[,N…]", whole_numbers(MAX_THREADS))
DTYPE = Parsed("NAME[,NAME…]", dtypes)


def batch_and_dtype(function: F) -> F:
    """`--batch` and `--dtype`, of which each may be several."""
    batch = click.option(
        "--batch",
        type=BATCHES,
        default="1",
        show_default=True,
        help="Images that go through at once; several with commas.",
    )
    dtype = click.option(
        "--dtype",
        type=DTYPE,
        default="float32",
        show_default=True,
        help="What weights and feature maps are stored as: float32, bfloat16, float16; "
        "several with commas.",
    )
    return batch(dtype(function))
