"""Code in place of a spec, where a command scales what it makes of multipliers."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

import click

from effscale.cli.options import every, refuse, refuse_others
from effscale.cli.types import Parsed, argument, taking

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from effscale.importing.factory import Factory

code_options = every(
    click.option(
        "--as-args",
        "takes",
        type=Parsed("DIMENSION=KEYWORD", taking),
        help="For SPEC as MODULE:CALLABLE, the keywords that it takes multipliers of "
        "depth and width by, and the image's side: depth=d,width=w,resolution=size.",
    ),
    click.option(
        "--arg",
        "arguments",
        type=Parsed("KEY=VALUE", argument),
        multiple=True,
        help="Further argument of the call: a Python literal, or text.",
    ),
    title="Code in place of a spec",
)


#: Options that say something of code; the others speak of specs.
_OF_CODE = {
    *("spec", "takes", "arguments", "resolution", "classes"),
    *("phi", "strategy", "macs", "tolerance"),
    *("form", "output", "force", "units", "quiet", "verbose"),
}


def factory(
    *,
    spec: str,
    takes: Mapping[str, str] | None,
    arguments: Sequence[tuple[str, str]],
    resolution: tuple[int, int] | None,
    classes: int | None,
) -> Factory | None:
    """The code that SPEC names, if it names some.

    Raises:
        click.UsageError: for code without --as-args or with what it takes itself or
            specs alone have, or a spec with it.
    """
    from effscale.spec.builtin import names_callable

    if not names_callable(spec):
        if takes is not None or arguments:
            raise click.UsageError("--as-args and --arg are for MODULE:CALLABLE")
        return None
    if takes is None:
        hint = "--as-args says which keywords take the multipliers"
        raise click.UsageError(f"{spec}: {hint}; or effscale import makes a spec of it")
    refuse_others(_OF_CODE, "is for specs, not for code")
    refuse({"--classes": classes}, "is of a spec; --arg gives the code its own")
    both = {keyword for keyword, _ in arguments} & {*takes.values()}
    if both:
        message = f"--arg {min(both)}: is given by --as-args"
        raise click.UsageError(message)
    from effscale.importing.factory import Factory

    return Factory(spec, takes, dict(arguments), resolution)


@contextlib.contextmanager
def aside() -> Iterator[None]:
    """What others' code prints goes to stderr, since it is no answer."""
    with contextlib.redirect_stdout(sys.stderr):
        yield
