"""The program as a whole: help, versions, exit codes, what goes where."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest

import effscale.report.specs
from effscale import cli, extras
from effscale.errors import EffscaleError
from tests.cli.interrupting import interrupted, wait_for_torch

if TYPE_CHECKING:
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

    from tests.conftest import Run

pytestmark = pytest.mark.slow

PROGRAM = [sys.executable, "-m", "effscale"]


def broken(error: BaseException) -> object:
    def raises(*_arguments: object, **_options: object) -> None:
        raise error

    return raises


@pytest.mark.parametrize("arguments", [[], *([name] for name in cli.COMMANDS)])
def test_help(run: Run, snapshot: SnapshotAssertion, arguments: list[str]) -> None:
    result = run(*arguments, "--help")
    assert result.exit_code == 0
    assert result.output == snapshot


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_option_says_what_it_is_for(name: str) -> None:
    command = cli.main.get_command(click.Context(cli.main), name)
    assert command is not None
    options = [each for each in command.params if isinstance(each, click.Option)]
    assert [each.name for each in options if not each.help] == []
    assert len(options) >= 2


#: Options of a command that are read at a glance, without headings.
FEW = 8


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_many_options_stand_under_headings(name: str) -> None:
    command = cli.main.get_command(click.Context(cli.main), name)
    assert command is not None
    options = [each for each in command.params if isinstance(each, click.Option)]
    if len(options) > FEW:
        assert [each.name for each in options if not hasattr(each, "title")] == []


def test_version_names_the_engines_and_the_convention(run: Run) -> None:
    result = run("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("effscale 0.2.0 (torch ")
    assert ")\nMACs of convolutions, linear layers" in result.stdout
    assert "attention\nextras installed: onnx, plot, report" in result.stdout


def test_version_names_extras_that_are_not_there(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(extras.EXTRAS, "train", ("no_such_library",))
    assert run("--version").stdout.endswith("; not installed: train\n")


def test_an_unknown_command_is_a_usage_error(run: Run) -> None:
    result = run("scael")
    assert result.exit_code == 2
    assert "No such command 'scael'. Did you mean 'scale'?" in result.stderr


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (EffscaleError("wrong here"), 1, "wrong here\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (
            KeyError("lost"),
            3,
            (
                "effscale 0.2.0: a fault of ours, please report it: KeyError: 'lost' "
                "(effscale --traceback … shows where)\n"
            ),
        ),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            1,
            "standard output: no space left on device\n",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_are_one_line_and_an_exit_code(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    message: str,
) -> None:
    monkeypatch.setattr(effscale.report.specs, "report", broken(error))
    result = run("specs")
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.strip() == message.strip()


def test_a_closed_pipe_is_no_error_of_ours() -> None:
    pipe = f"{' '.join(PROGRAM)} profile b7 --by layer --measure none | head -1"
    done = subprocess.run(
        ["bash", "-c", pipe], capture_output=True, text=True, check=False
    )
    assert (done.stdout[:7], done.stderr) == ("network", "")


@pytest.mark.torch
def test_ctrl_c_in_the_middle_of_a_measurement() -> None:
    with subprocess.Popen(
        [*PROGRAM, "profile", "l2", "--resolution", "1600"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_for_torch(process.pid)
        out, err = interrupted(process)
    assert (process.returncode, out, err.strip()) == (130, "", "interrupted")


def test_ctrl_c_within_code_that_is_run_from_a_text(tmp_path: Path) -> None:
    (tmp_path / "started.py").write_text(
        "import effscale.report.specs\n"
        "from effscale.cli import main\n"
        "def report(*_, **__):\n"
        "    exec('raise KeyboardInterrupt')\n"
        "effscale.report.specs.report = report\n"
        "main(['specs'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "started"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.strip()) == (130, "interrupted")


def test_completes_commands_and_built_in_names() -> None:
    environment = {**os.environ, "_EFFSCALE_COMPLETE": "bash_complete"}
    for words, count, expected in (
        ("effscale sc", "1", "plain,scale"),
        ("effscale profile b4", "2", "plain,b4"),
        ("effscale profile --measure t", "3", "plain,torch"),
    ):
        code = "from effscale.cli import main; main(prog_name='effscale')"
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**environment, "COMP_WORDS": words, "COMP_CWORD": count},
            capture_output=True,
            text=True,
            check=False,
        )
        assert expected in done.stdout.splitlines()


def test_a_terminal_gets_colours_and_a_pipe_none(tmp_path: Path) -> None:
    command = [*PROGRAM, "scale", "--measure", "none"]
    clean = {
        k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "FORCE_COLOR"}
    }
    plain, forced = (
        subprocess.run(
            command,
            env={**clean, **more},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for more in ({}, {"FORCE_COLOR": "1", "TERM": "xterm"})
    )
    assert "\x1b[" not in plain
    assert "\x1b[" in forced


def test_nothing_is_looked_through_at_the_end() -> None:
    """Python would look for cycles in all that is left, torch's too, to free it."""
    code = """if True:
        import atexit, gc
        atexit.register(lambda: print(gc.get_freeze_count() > 0))
        from effscale.cli import main
        main(["--version"])
        """
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "True"
