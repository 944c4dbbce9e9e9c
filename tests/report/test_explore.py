"""The page of `explore`: its figures are those of commands, and it is one file."""

from __future__ import annotations

import json
import re
import shlex
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import effscale as es
from effscale.cost.memory import memory
from effscale.network.network import network
from effscale.quantity import human
from effscale.report.explore import landscape, page
from tests.browser import chromium, needs_browser, page_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from tests.conftest import Run

pytestmark = pytest.mark.slow
LARGEST = 3_000_000  #: bytes


@pytest.fixture(scope="module")
def spec() -> es.Spec:
    return es.load("digits")


@pytest.fixture(scope="module")
def data(spec: es.Spec) -> dict[str, Any]:
    return landscape(spec, "digits", 0, 2)


def rows(run: Run, command: str) -> list[dict[str, Any]]:
    answer = run(*shlex.split(command)[1:], "--measure", "none", "--format", "json")
    found: list[dict[str, Any]] = json.loads(answer.stdout)["rows"]
    return found


def test_a_point_of_a_ray_is_the_network_of_its_command(
    data: dict[str, Any], run: Run
) -> None:
    assert len(data["rays"]) == 4
    for ray in data["rays"]:
        phis = [each["phi"] for each in ray["points"]]
        assert phis == sorted(phis)
        assert {0.0, 1.0, 2.0} <= {*phis}
        point = ray["points"][len(phis) // 2]
        row = rows(run, point["command"])[-1]
        assert point["name"] == row["name"]
        assert point["figures"] == [row[k] for k in ("macs", "params", "activations")]
        assert point["ratio"] == row["macs_ratio"]
        assert point["deviation"] == row["deviation"]
        assert [each[1] for each in point["why"]] == [
            each["value"] for each in row["explain"]
        ]
        assert point["parts"][0][5] == human(row["stages"][0]["macs"])


def test_a_point_says_what_its_feature_maps_take(
    spec: es.Spec, data: dict[str, Any]
) -> None:
    point = next(each for each in data["rays"][0]["points"] if each["phi"] == 1)
    held = memory(network(es.scale(spec, es.compound(1))))
    assert point["memory"] == [held.weights, held.peak]


def unpacked(data: dict[str, Any], name: str) -> Any:  # noqa: ANN401 - of numpy
    found = data["lattice"]
    numbers = np.frombuffer(b64decode(found[name]), dtype="<f8")
    sizes = [len(found[k]) for k in ("depth", "width", "resolution")]
    return numbers.reshape(sizes)


def test_the_lattice_is_what_counting_each_network_gives(
    spec: es.Spec, data: dict[str, Any]
) -> None:
    found = data["lattice"]
    macs, ratio = unpacked(data, "macs"), unpacked(data, "ratio")
    assert 1.0 in found["depth"]
    for at in ((0, 0, 0), (1, 2, 3), tuple(n - 1 for n in macs.shape)):
        keys = ("depth", "width", "resolution")
        given = es.Multipliers(
            *(found[key][k] for key, k in zip(keys, at, strict=True))
        )
        scaled = es.scale(spec, given)
        cost = es.count(scaled)
        assert macs[at] == cost.macs
        assert unpacked(data, "params")[at] == cost.params
        assert unpacked(data, "activations")[at] == cost.activations
        assert ratio[at] == int(cost.macs) / int(es.count(spec).macs)
        assert tuple(found["sides"][at[2]]) == scaled.resolution
        parts = network(scaled).parts
        assert found["repeats"][at[0]] == [each.repeats for each in parts]
        assert found["channels"][at[1]] == [each.channels for each in parts]


RISING = """\
name: rising
resolution: 32
rounding: {resolution_multiple: 4}
stem: {kernel: 3, stride: 2, channels: 8}
stages:
  - {name: fine, block: separable, kernel: 3, stride: 1, channels: 8, repeats: 1}
  - {block: conv, kernel: 3, stride: 4, channels: 8}
  - {name: up, block: upsample, factor: 4}
  - {block: join, reads: [fine, up], merge: sum}
head: {classes: 4}
"""


def test_sizes_at_which_lines_do_not_meet_are_left_out_of_the_lattice() -> None:
    found = landscape(es.loads(RISING), "rising.yaml", -1, 2)["lattice"]
    assert [32, 32] in map(list, found["sides"])
    assert all(side % 8 == 0 for sides in found["sides"] for side in sides)
    assert found["left"][2] > 0


def test_a_network_that_has_a_law_of_its_own_has_no_lattice() -> None:
    assert landscape(es.load("d0"), "d0", 0, 0.5)["lattice"] is None


def test_is_one_file_that_no_name_breaks_out_of(run: Run, tmp_path: Path) -> None:
    out, file = tmp_path / "page.html", tmp_path / "odd.yaml"
    file.write_text(
        es.dumps(es.load("digits").model_copy(update={"source": "</script><b>x"})),
        "utf-8",
    )
    done = run("explore", str(file), "--phi", "0..1", "--output", str(out))
    assert (done.exit_code, done.stderr) == (0, f"wrote {out}\n")
    text = out.read_text("utf-8")
    assert len(text) < LARGEST
    assert text.count("</script>") == 2
    assert not re.search(r"""(src|href)=["']?(?!data:)[^>]*http""", text)


@pytest.mark.parametrize("phi", ["4", "2..1", "0..40", "a..b", "1..1"])
def test_refuses_what_is_no_span(run: Run, phi: str) -> None:
    done = run("explore", "b0", "--phi", phi, "--output", "x.html")
    assert done.exit_code == 2
    assert "expected two numbers such as -2..4, at most 12 apart" in done.stderr


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def written(spec: es.Spec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page as `explore` writes it."""
    path = tmp_path_factory.mktemp("explore") / "digits.html"
    path.write_text(page(spec, "digits", 0, 2), "utf-8")
    return path


@pytest.fixture
def opened(browser: Browser, written: Path) -> Iterator[Page]:
    """The page in a browser."""
    with page_of(browser, written, 390, 800) as shown:
        yield shown


@needs_browser[1]
def test_in_a_browser_keys_and_clicks_choose_networks(
    opened: Page, data: dict[str, Any], run: Run
) -> None:
    assert opened.locator("#command").inner_text() == "effscale scale digits --phi 0"
    opened.locator("#phi").focus()
    opened.keyboard.press("End")
    last = data["rays"][0]["points"][-1]
    assert opened.locator("#command").inner_text() == last["command"]
    assert f"{last['figures'][0]:,}" in opened.locator("#figures").inner_text()
    assert opened.evaluate("document.documentElement.scrollWidth") == 390
    opened.get_by_label("width", exact=True).first.check()
    assert "--strategy width" in opened.locator("#command").inner_text()
    opened.get_by_label("any depth, width and resolution").check()
    opened.locator("#resolution").press("End")
    figures = opened.locator("#figures").inner_text()
    found = data["lattice"]
    one = found["depth"].index(1.0), found["width"].index(1.0), -1
    assert f"{int(unpacked(data, 'macs')[one]):,}" in figures
    before = opened.locator("#command").inner_text()
    assert before.startswith("effscale fit digits --free --macs ")
    nearest = rows(run, before)[0]
    assert nearest["macs"] == int(unpacked(data, "macs")[one])
    assert nearest["params"] == int(unpacked(data, "params")[one])
    opened.locator("#cloud").click(position={"x": 60, "y": 150})
    assert opened.locator("#command").inner_text() != before
    opened.locator("#copy").click()
    opened.get_by_text("Copied").wait_for()


@needs_browser[1]
def test_the_page_writes_numbers_as_commands_do(opened: Page) -> None:
    numbers = [0, 7, 999, 1000, 385814752, 5288548, 2.449e12, 99950]
    written = opened.evaluate(f"{numbers}.map(human)")
    assert written == [human(each) for each in numbers]


@pytest.fixture(scope="module")
def b0_written(b0: es.Spec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of a network beside which others are published."""
    path = tmp_path_factory.mktemp("explore") / "b0.html"
    path.write_text(page(b0, "b0", 0, 1), "utf-8")
    return path


@needs_browser[1]
@pytest.mark.parametrize("wide", [390, 1280])
def test_names_of_published_networks_stand_apart(
    wide: int, browser: Browser, b0_written: Path
) -> None:
    shown = browser.new_page(viewport={"width": wide, "height": 800})
    shown.goto(b0_written.as_uri())
    found = {kind: _boxes(shown, f"#cloud .{kind}") for kind in ("name", "known")}
    shown.close()
    assert len(found["name"]) >= 10
    every = [*found["name"], *found["known"]]
    for one in found["name"]:
        # Each touches itself alone, and its own mark at most.
        assert sum(_meet(one, other) for other in every) <= 2
        assert sum(_meet(one, other) for other in found["name"]) == 1


def _boxes(page: Page, which: str) -> list[dict[str, float]]:
    script = "all => all.map(each => each.getBoundingClientRect().toJSON())"
    found: list[dict[str, float]] = page.locator(which).evaluate_all(script)
    return found


def _meet(one: dict[str, float], other: dict[str, float]) -> bool:
    across = one["left"] < other["right"] and other["left"] < one["right"]
    return across and one["top"] < other["bottom"] and other["top"] < one["bottom"]
