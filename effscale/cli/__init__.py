"""The command line: the program, and beside it a file for each command."""

from __future__ import annotations

import errno
import io
import os
import sys
from importlib import import_module
from typing import Any

import click

from effscale.errors import EffscaleError, refusal
from effscale.extras import missing
from effscale.version import VERSION

#: Commands in the order of --help; each module has its `command`.
COMMANDS = (
    *("scale", "grid", "fit", "profile", "compare", "report", "export"),
    *("train", "study", "check", "rule", "schema", "specs"),
)

FAULT, INTERRUPTED = 3, 130


class Program(click.Group):
    """Loads a command's module when it is asked for; turns errors to exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"effscale.cli.{cmd_name}").command
        return command

    def main(self, *args: Any, **extra: Any) -> Any:  # noqa: ANN401 - click's own
        """Run, and exit: 0 good, 1 wrong, 2 usage, 3 a fault of ours, 130 Ctrl-C."""
        extra["standalone_mode"] = False
        if "_EFFSCALE_COMPLETE" in os.environ:
            import_module("effscale.cli.completion")
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # φ and × for those who can read
                stream.reconfigure(errors="replace")
        try:
            sys.exit(super().main(*args, **extra) or 0)
        except click.ClickException as error:
            error.show()
            sys.exit(error.exit_code)
        except (click.Abort, KeyboardInterrupt):
            # `python -m` would die of the signal where it fell into code that is run
            # from a text, as by torch's imports: Python keeps in mind how the last such
            # code ended.
            exec("")  # noqa: S102
            click.echo("interrupted", err=True)
            sys.exit(INTERRUPTED)
        except EffscaleError as error:
            click.echo(str(error), err=True)
            sys.exit(1)
        except OSError as error:
            if error.errno != errno.EPIPE:
                where = f"{error.filename}: " if error.filename else ""
                click.echo(f"{where}{refusal(error)}", err=True)
                sys.exit(1)
            # The reader has gone (`| head -1`); so has the point of saying more.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except ModuleNotFoundError as error:
            if not (said := missing(error)):
                _fault(error)
            click.echo(said, err=True)
            sys.exit(1)
        except Exception as error:  # noqa: BLE001 - the last line of defence
            _fault(error)


def _fault(error: Exception) -> None:
    if "--traceback" in sys.argv:
        raise error
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    click.echo(
        f"effscale {VERSION}: a fault of ours, please report it: {what} "
        "(effscale --traceback … shows where)",
        err=True,
    )
    sys.exit(FAULT)


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
    click.echo(f"effscale {VERSION} ({engines}; MACs of convolution and linear)")
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

    effscale scales a baseline network by one coefficient φ (depth, width and resolution
    together), counts what every variant costs, builds it, measures it, and says how
    close it lands to the 2^φ budget. A network is a YAML spec of stages, your own or
    one that is built in.

    \b
      effscale scale --phi 4             B0 scaled to 16 times its cost
      effscale scale --phi 2 --strategy all
      effscale profile b4                where a published network's cost is
      effscale profile my.yaml           where your own one's is
      effscale compare b4 resnet152      networks side by side
      effscale report b0 b4 --output report.html
      effscale export b4 --output b4.onnx
      effscale train my.yaml             how accurate it becomes
      effscale check specs               what is wrong with spec files
      effscale specs                     what is built in

    MACs are multiply-accumulates of convolution and linear layers, one image: the
    "FLOPS" of the EfficientNet paper. Completion for your shell:
    eval "$(_EFFSCALE_COMPLETE=bash_source effscale)" (zsh_source, fish_source).
    """
