"""The command line: the program, and beside it a file for each command."""

from __future__ import annotations

import atexit
import errno
import gc
import io
import os
import signal
import sys
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from effscale.errors import EffscaleError, refusal
from effscale.extras import EXTRAS, installed, missing
from effscale.markup import LEGIBLE, lines
from effscale.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

#: Commands in the order of --help; each module has its `command`.
COMMANDS = (
    *("scale", "grid", "fit", "profile", "compare", "report", "explore"),
    *("import", "export", "weights", "train", "study"),
    *("calibrate", "check", "rule", "schema", "specs"),
)

FAULT, INTERRUPTED = 3, 130
#: Objects that are made before Python looks for cycles among them: more than modules
#: define, which stays. Networks are in no cycles, and are freed without.
MADE = 200_000
# At its end Python would look for cycles among all that is left, which goes anyway.
atexit.register(gc.freeze)
#: What the system says of streams that take no more.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
#: What ends a program as Ctrl-C does, so that it leaves nothing half done.
_ENDING = [getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP")]


class Program(click.Group):
    """Loads a command's module when it is asked for; turns errors to exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        name = "importing" if cmd_name == "import" else cmd_name  # a word of Python's
        command: click.Command = import_module(f"effscale.cli.{name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command of a name; where there is none, what may be meant is said."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            name = error.command_name
            raise click.NoSuchCommand(name, possibilities=COMMANDS, ctx=ctx) from None

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """The commands and the first sentence of each, whole, over lines if need be."""
        named = [(name, self.get_command(ctx, name)) for name in COMMANDS]
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, each.get_short_help_str(200)) for name, each in named if each]
            )

    def main(self, *args: Any, **extra: Any) -> Any:  # noqa: ANN401 - click's own
        """Run, and exit: 0 good, 1 wrong, 2 usage, 3 a fault of ours, 130 Ctrl-C."""
        extra["standalone_mode"] = False
        gc.set_threshold(MADE)
        if "_EFFSCALE_COMPLETE" in os.environ:
            import_module("effscale.cli.completion")
        _open_streams()
        with _ending() as heard:
            try:
                code = super().main(*args, **extra) or 0
                sys.stdout.flush()  # while there is someone to say that it cannot be
            except click.ClickException as error:
                error.message = lines(error.message)  # type: ignore[misc]
                error.show()
                code = error.exit_code
            except (click.Abort, KeyboardInterrupt):
                # `python -m` would die of the signal where it fell into code that is
                # run from a text, as by torch's imports: Python keeps in mind how the
                # last such code ended.
                exec("")  # noqa: S102
                code = 128 + heard[0] if heard else INTERRUPTED
                click.echo("terminated" if heard else "interrupted", err=True)
            except EffscaleError as error:
                click.echo(lines(str(error)), err=True)
                code = 1
            except OSError as error:
                code = _system(error)
            except ModuleNotFoundError as error:
                if not (said := missing(error)):
                    code = _fault(error)
                else:
                    click.echo(said, err=True)
                    code = 1
            except Exception as error:  # noqa: BLE001 - the last line of defence
                code = _fault(error)
            sys.exit(code)


def _open_streams() -> None:
    """Streams that say φ and × to those who can read it, and are all there.

    Where one is closed (`>&-`), the next file that is opened would take its number, and
    get what C libraries print.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            # A way that lets nothing through: what reads or prints is refused.
            way = os.O_RDONLY if number == 1 else os.O_RDWR
            handle = os.open(os.devnull, way)
            if handle != number:
                os.dup2(handle, number)
                os.close(handle)
            mode = "w" if number else "r"
            stream = os.fdopen(number, mode, encoding="utf-8", closefd=False)
            setattr(sys, name, stream)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=LEGIBLE)


@contextmanager
def _ending() -> Iterator[list[int]]:
    """Signals that end the program, as an interrupt; those that were heard so.

    Those that someone has taken already, or ignores as nohup does, are left to them.
    """
    heard: list[int] = []
    ours = os.getpid()

    def end(number: int, _frame: FrameType | None) -> None:
        if os.getpid() != ours:  # in a process forked from this one
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        heard.append(number)
        raise KeyboardInterrupt

    taken = []
    for number in _ENDING:
        try:
            if number is not None and signal.getsignal(number) == signal.SIG_DFL:
                signal.signal(number, end)
                taken.append(number)
        except ValueError:  # not in the main thread, which alone hears signals
            break
    try:
        yield heard
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _system(error: OSError) -> int:
    """Say what the system refused, unless it is that nobody reads any more."""
    out = "standard output: "
    if error.errno == errno.EBADF:
        said = f"{out}is closed"
    elif error.filename:
        said = lines(f"{error.filename}: {refusal(error)}")
    else:
        said = f"{out if error.errno in _FULL else ''}{refusal(error)}"
    if error.errno != errno.EPIPE:  # `| head -1`: no point in saying more
        click.echo(said, err=True)
    with suppress(OSError, ValueError):  # what is left would be tried once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _fault(error: Exception) -> int:
    if "--traceback" in sys.argv:
        raise error
    what = lines(f"{type(error).__name__}: {error}".splitlines()[0])
    click.echo(
        f"effscale {VERSION}: a fault of ours, please report it: {what} "
        "(effscale --traceback … shows where)",
        err=True,
    )
    return FAULT


def _version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001
    if not value or ctx.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError, version

    def found(name: str) -> str:
        try:
            return f"{name} {version(name)}"
        except PackageNotFoundError:
            return f"no {name}"

    engines = ", ".join(map(found, ("torch", "fvcore")))
    click.echo(f"effscale {VERSION} ({engines})")
    click.echo("MACs of convolutions, linear layers and products in attention")
    has = installed()
    lacks = [name for name in EXTRAS if name not in has]
    click.echo(f"extras installed: {', '.join(has) or 'none'}", nl=not lacks)
    if lacks:
        click.echo(f"; not installed: {', '.join(lacks)}")
    ctx.exit()


@click.command(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show versions and the convention, and exit.",
)
@click.option(
    "--traceback",
    is_flag=True,
    expose_value=False,
    help="On a fault of the program's own, show where it happened.",
)
def main() -> None:
    """Size families of convolutional networks for a compute budget.

    \b
      effscale scale --phi 4         B0 at 16 times its cost
      effscale fit --macs 1.5G       the network of that cost
      effscale profile b4            where its cost is
      effscale compare b4 resnet152  networks side by side
      effscale check specs           what is wrong with files
      effscale train my.yaml         how accurate it becomes
      effscale export b4 --output b4.onnx
      effscale report b0 b4 --output report.html
      effscale import timm:resnet50 --output my.yaml
      effscale specs                 what is built in

    effscale scales a baseline network by one coefficient φ (depth, width and resolution
    together), counts what every variant costs, builds it, measures it, and says how
    close it lands to the target, 2^φ times the baseline. A network is a YAML spec of
    stages, your own or one that is built in.

    MACs are multiply-accumulates of convolutions, linear layers and products in
    attention, for one image: the "FLOPS" of the EfficientNet paper.

    Completion, for bash (or zsh_source, fish_source):

    \b
      eval "$(_EFFSCALE_COMPLETE=bash_source effscale)"
    """
