"""Code that takes multipliers, scaled without a spec of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from effscale.cli import main
from effscale.errors import ScaleError, UnreachableError
from effscale.importing.factory import Factory

if TYPE_CHECKING:
    from collections.abc import Sequence

CODE = "tests.importing.nets:sized"
TAKES = {"depth": "d", "width": "w", "resolution": "side"}


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, arguments)
    return result.exit_code, result.stdout, result.stderr


def test_each_network_has_what_its_multipliers_say() -> None:
    code = Factory(CODE, TAKES, resolution=(32, 32))
    made = code.at(2.0)
    assert made.name == "sized-phi2"
    assert made.sides == (40, 40)  # 32 · 1.15² = 42.3, to a multiple of 8
    assert made.multipliers.depth == pytest.approx(1.44)
    # 2 · 1.44 layers are 3, 8 · 1.21 channels 9
    assert made.cost.params == 3 * 9 * 9 + 3 * (9 * 9 * 9) + 10 * 5


def test_what_no_keyword_takes_keeps_its_one() -> None:
    made = Factory(CODE, {"width": "w"}, resolution=(32, 32)).at(1.0)
    assert made.multipliers.depth == 1
    assert made.multipliers.width == pytest.approx(1.1)


def test_scale_shows_the_table_of_specs() -> None:
    said = "depth=d,width=w,resolution=side"
    asked = "--as-args", said, "--resolution", "32", "--format", "json"
    code, out, _ = run("scale", CODE, "--phi", "0..2", *asked)
    assert code == 0
    answer = json.loads(out)
    assert [row["name"] for row in answer["rows"]][1:] == [
        "sized-phi0",
        "sized-phi1",
        "sized-phi2",
    ]
    first, *rest = answer["rows"]
    assert rest[0]["macs_ratio"] == first["macs_ratio"] == 1
    assert all(row["target_ratio"] == 2 ** row["phi"] for row in rest)
    assert answer["as_args"] == TAKES


def test_a_strategy_of_what_no_keyword_takes_is_refused() -> None:
    with pytest.raises(ScaleError, match="width scales nothing that a keyword of"):
        Factory(CODE, {}, resolution=(32, 32)).at(1, "width")


def test_all_strategies_are_those_of_a_spec() -> None:
    said = ",".join(f"{key}={value}" for key, value in TAKES.items())
    asked = "--as-args", said, "--resolution", "32", "--strategy", "all"
    code, out, error = run("scale", CODE, *asked, "--phi", "1", "--format", "json")
    assert (code, error) == (0, "")
    names = [row["strategy"] for row in json.loads(out)["rows"][1:]]
    assert names == ["compound", "depth", "width", "resolution"]


def test_fit_finds_the_networks_around_a_cost() -> None:
    code = Factory(CODE, TAKES, resolution=(32, 32))
    nearest, other = code.fit(3_000_000)
    assert min(nearest.cost.macs, other.cost.macs) <= 3_000_000
    assert max(nearest.cost.macs, other.cost.macs) > 3_000_000
    with pytest.raises(UnreachableError, match="expected to reach 1, got"):
        Factory(CODE, {}, resolution=(32, 32)).fit(1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([CODE], "--as-args says which keywords take the multipliers"),
        (["b0", "--as-args", "width=w"], "--as-args and --arg are for MODULE:CALLABLE"),
        ([CODE, "--as-args", "height=h"], "expected DIMENSION=KEYWORD of depth, width"),
        ([CODE, "--as-args", "depth=d,width=d"], "a keyword for each"),
        ([CODE, "--as-args", "width=w", "--classes", "5"], "--classes is of a spec"),
        ([CODE, "--as-args", "width=w", "--arg", "w=2"], "--arg w: is given by"),
        ([CODE, "--as-args", "width=w", "--sweep", "depth=1..2"], "--sweep is for"),
        ([CODE, "--as-args", "width=w", "--measure", "none"], "--measure is for specs"),
        ([CODE, "--as-args", "width=w", "--output", "x.yaml"], "no spec to write to"),
    ],
)
def test_what_is_not_asked_well_is_refused(
    arguments: Sequence[str], message: str
) -> None:
    code, _, error = run("scale", *arguments)
    assert code == 2
    assert message in " ".join(error.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--macs", "9M", "--max-resolution", "64"], "--max-resolution is for specs"),
        (["--macs", "9M", "--hold", "resolution"], "--hold is for specs, not for code"),
        (["--macs", "9M", "--free"], "--free is for specs, not for code"),
        (["--macs", "9M", "--params", "<= 1M"], "--params is for specs, not for code"),
        (["--macs", "<= 9M"], "code is fitted to a cost to meet, such as --macs 300M"),
        (["--macs", "8M,9M"], "code is fitted to a cost to meet, such as --macs 300M"),
        (["--macs", "9M", "--strategy", "all"], "--strategy: expected one strategy"),
    ],
)
def test_fit_looks_along_one_strategy_of_code(
    arguments: Sequence[str], message: str
) -> None:
    code, _, error = run("fit", CODE, "--as-args", "width=w", *arguments)
    assert code == 2
    assert message in " ".join(error.split())


def test_an_assumed_image_is_said_to_be() -> None:
    asked = "--as-args", "width=w", "--phi", "0"
    _, out, _ = run("scale", CODE, *asked)
    assert "224×224 px (assumed; --resolution says another)" in out
    _, out, _ = run("scale", CODE, *asked, "--resolution", "32")
    assert "32×32 px\n" in out
