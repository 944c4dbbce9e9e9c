"""Tests of `effscale.report.answers`: the rows of the commands, from Python."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

import effscale as es
from effscale.cli import main
from effscale.cost.latency_model import Error, Kind, Model
from effscale.errors import MeasureError, ScaleError, UnreachableError
from effscale.report.grid import FINALISTS
from tests.documents import ROOT
from tests.spec.small import TEXT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from effscale.cost.latency_model import Device
    from effscale.search.measured import Tries

SPECS = str(ROOT / "specs" / "b0.yaml")
PAIRS: dict[str, Callable[[], es.Answer]] = {
    "fit --macs <=_300M --params <=_4M --hold resolution": lambda: es.fit(
        macs="<= 300M", params="<= 4M", hold="resolution"
    ),
    "fit mobilenetv3-large --macs 250M --memory <=_64MB --dtype int8": lambda: es.fit(
        "mobilenetv3-large", macs="250M", memory="<= 64MB", dtype="int8"
    ),
    "fit --macs 450M --free --max-resolution 224 --max-depth 1": lambda: es.fit(
        macs="450M", free=True, max_resolution=224, max_depth=1.0
    ),
    "grid --step 0.1 --macs <=_800M --alpha 1:1.5": lambda: es.grid(
        step=0.1, macs="<= 800M", alpha=(1, 1.5)
    ),
    "grid --step 0.2 --phi 1..3 --sort params": lambda: es.grid(
        step=0.2, phi=[1, 2, 3], sort="params"
    ),
    "profile b0 --by operator --as thop --measure none": lambda: es.profile(
        "b0", by="operator", tool="thop"
    ),
    "profile d0 --by level --memory --batch 2 --measure none": lambda: es.profile(
        "d0", by="level", memory=True, batch=2
    ),
    "compare b1 b0 lcnet --relative-to b0 --measure none": lambda: es.compare(
        "b1", "b0", "lcnet", relative_to="b0"
    ),
    "fit --from b0,lcnet --macs <=_200M": lambda: es.fit(
        ["b0", "lcnet"], macs="<= 200M"
    ),
    "fit --from b0,lcnet --macs 200M --free --max-resolution 208": lambda: es.fit(
        [es.load("b0"), "lcnet"], macs="200M", free=True, max_resolution=208
    ),
    "fit --from b0,lcnet --latency <=_200ms --free --max-depth 1": lambda: es.fit(
        ["b0", "lcnet"], latency="<= 200ms", free=True, max_depth=1.0
    ),
    "fit lcnet --latency <=_200ms --free --max-depth 1": lambda: es.fit(
        "lcnet", latency="<= 200ms", free=True, max_depth=1.0
    ),
    "grid --from lcnet,b0 --step 0.2 --latency <=_900ms --top 20": lambda: es.grid(
        ["lcnet", "b0"], step=0.2, latency="<= 900ms"
    ),
    "grid lcnet --step 0.2 --latency <=_900ms": lambda: es.grid(
        "lcnet", step=0.2, latency="<= 900ms"
    ),
    "fit lcnet --latency <=_1s --hold depth": lambda: es.fit(
        "lcnet", latency="<= 1s", hold="depth"
    ),
    "fit --from b0,lcnet --latency 700ms --batch 2 --threads 2": lambda: es.fit(
        ["b0", "lcnet"], latency="700ms", batch=2, threads=2
    ),
    "grid --from lcnet,d0 --step 0.2 --macs <=_5G --sort macs": lambda: es.grid(
        ["lcnet", "d0"], step=0.2, macs="<= 5G", sort="macs"
    ),
    f"check {SPECS} --latency <=_100ms": lambda: es.check(SPECS, latency="<= 100ms"),
    f"check {SPECS} --latency <=_1s --compile --channels-last": lambda: es.check(
        SPECS, latency="<= 1s", compiled=True, channels_last=True
    ),
    f"check {SPECS} --macs <=_100M": lambda: es.check(SPECS, macs="<= 100M"),
}
#: What a type checker would not let through.
BAD: dict[str, Any] = {"hold": {"hold": "x"}, "name": {"mac": "1G"}}


def seconds(spec: es.Spec, device: Device) -> float:
    """A clock that takes a second for a billion MACs, on every device alike."""
    return int(es.count(spec).macs) * device.batch / 1e9


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every device runs by that clock, and is calibrated by it."""

    def calibrated(device: Device) -> Model:
        kinds = {"": Kind((1e-9, 0.0, 0.0, 0.0))}
        return Model(device, "x", kinds, {}, Error(0.0, 1.0, 1))

    def tries(spec: es.Spec, device: Device) -> Tries:
        return nullcontext(lambda: seconds(spec, device))

    monkeypatch.setattr("effscale.module.calibrate.tries", tries)
    monkeypatch.setattr("effscale.cost.latency_model.load", calibrated)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("words", PAIRS)
def test_an_answer_is_the_json_of_its_command(words: str) -> None:
    arguments = [each.replace("_", " ") for each in words.split()]
    done = CliRunner().invoke(main, [*arguments, "--format", "json"])
    answer = PAIRS[words]()
    assert answer.data == json.loads(done.stdout)
    assert list(answer) == answer.rows == answer.data[answer.key]
    assert len(answer) > 0 or "--latency <=_1s" in words


def test_an_answer_prints_as_its_command_does() -> None:
    words = ["compare", "b0", "b1", "--measure", "none"]
    assert f"{es.compare('b0', 'b1')}\n" == CliRunner().invoke(main, words).stdout


def test_the_best_network_of_an_answer_is_the_first() -> None:
    answer = es.fit("b0", macs="<= 300M")
    assert es.count(answer.networks[0]).macs == answer[0]["macs"] <= 300_000_000
    assert len(answer.networks) == len(answer)


def test_a_spec_of_ones_own_is_compared_under_its_name() -> None:
    spec = es.load("b0")
    wider = es.scale(spec, es.Multipliers(width=1.1))
    rows = es.compare(spec, wider.model_copy(update={"name": "wider"}))
    assert [row["name"] for row in rows] == ["b0", "wider"]
    assert rows[1]["width_multiplier"] is None


def test_a_network_is_loaded_at_its_own_size() -> None:
    spec = es.load("b0", resolution=(192, 320), classes=4)
    assert (spec.resolution, spec.classes) == ((192, 320), 4)
    assert es.load("b0", resolution=96).resolution == (96, 96)


def test_notebooks_show_what_fits_into_cells() -> None:
    shown = es.fit("b0", macs="<= 300M")._repr_html_()
    assert "<th>macs</th>" in shown
    assert "<th>explain</th>" not in shown


def test_rows_go_to_pandas_as_they_are() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(es.compare("b0", "b1"))
    assert list(frame["name"]) == ["b0", "b1"]
    assert frame["macs"].dtype == "int64"


@pytest.mark.usefixtures("clock")
def test_what_was_predicted_is_run_as_well() -> None:
    rows = es.grid("lcnet", step=0.2, latency="<= 900ms")
    assert [row["measured_latency"] is None for row in rows] == [
        k >= FINALISTS for k in range(len(rows))
    ]
    assert all(row["latency"] == pytest.approx(row["macs"] / 1e9) for row in rows)
    best = es.fit("lcnet", latency="<= 200ms", free=True, max_depth=1.0)[0]
    assert 0.199 < best["latency"] <= 0.2
    assert best["measured_latency"] == pytest.approx(best["latency"])


@pytest.mark.usefixtures("clock")
def test_of_several_baselines_the_networks_are_the_best_of_each() -> None:
    answer = es.fit(["b0", es.load("lcnet")], latency="<= 200ms")
    assert [row["baseline"] for row in answer] == ["b0", "lcnet"]
    assert [each.name for each in answer.networks] == [row["name"] for row in answer]
    assert all(int(es.count(each).macs) <= 200_000_000 for each in answer.networks)


def test_a_network_that_the_device_does_not_run_is_warned_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def absent(_spec: es.Spec, device: Device) -> Tries:
        raise MeasureError(f"expected {device.device}, found none")

    monkeypatch.setattr("effscale.module.calibrate.tries", absent)
    with pytest.warns(UserWarning, match="alexnet not timed: expected cuda"):
        answer = es.check(
            ROOT / "specs" / "alexnet.yaml", latency="<= 20ms", device="cuda"
        )
    assert answer.data["summary"]["unmeasured"] == 1


#: What options refuse, and what Python's own calls refuse alike.
REFUSED: list[tuple[Callable[..., es.Answer], dict[str, Any], str]] = [
    (es.profile, {"by": "row"}, "by: expected one of part, layer, operator, level"),
    (es.profile, {"tool": "wc"}, "tool: expected one of paper, fvcore"),
    (es.fit, {"macs": "<= 1G", "most": "x"}, "most: expected one of macs, params"),
    (es.fit, {"macs": "1G", "tolerance": "5%"}, "tolerance: expected a number from 0"),
    (es.fit, {"macs": "1G", "max_resolution": 0}, "max_resolution: expected a whole"),
    (es.fit, {"macs": "1G", "min_width": -1}, "min_width: expected a number from 0,"),
    (
        es.fit,
        {"macs": "1G", "min_width": 3, "max_width": 2},
        "width: expected a multiplier of at least 3, and at most 2: there is none",
    ),
    (es.grid, {"constraint": "real"}, "constraint: expected one of nominal, realised"),
    (es.grid, {"sort": "x"}, "sort: expected one of deviation"),
    (es.grid, {"target_ratio": 0.5}, "target_ratio: expected a number from 1 to 1000"),
    (es.grid, {"tolerance": -1}, "tolerance: expected a number from 0 to 1000, got -1"),
    (es.grid, {"step": "x"}, "step: expected a number from 0 to 1000, got 'x'"),
    (es.grid, {"phi": True}, "phi: expected a number from -50 to 50, got True"),
    (es.grid, {"alpha": 1.2}, "alpha: expected two numbers, from and to, got 1.2"),
    (es.grid, {"alpha": ("a", 2)}, "alpha: expected two numbers, from and to"),
    (es.compare, {"other": []}, "compare: expected specs or names, got "),
    (es.check, {"other": []}, "check: expected paths, got "),
]


@pytest.mark.parametrize(("call", "given", "said"), REFUSED)
def test_python_refuses_what_options_do(
    call: Callable[..., es.Answer], given: dict[str, Any], said: str
) -> None:
    others = [given.pop("other")] if "other" in given else []
    with pytest.raises(ScaleError, match=said):
        call("b0", *others, **given)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: es.fit(macs="much"), ScaleError, "macs: expected a limit such as"),
        (lambda: es.fit(params=">= 1M"), ScaleError, "expected a cost to meet, macs"),
        (
            lambda: es.fit(macs="1G", **BAD["hold"]),
            ScaleError,
            "hold: expected depth",
        ),
        (lambda: es.fit(macs="1G", dtype="x"), ScaleError, "dtype: expected one of"),
        (lambda: es.fit([], macs="1G"), ScaleError, "expected baselines, got none"),
        (
            lambda: es.fit([es.load("b0"), es.load("b0", classes=3)], macs="1G"),
            ScaleError,
            "expected networks of different names, got two b0",
        ),
        (
            lambda: es.fit(["b0", "lcnet"], macs="<= 1"),
            UnreachableError,
            "(?s)within <= 1 MACs.* has .*within <= 1 MACs",
        ),
        (
            lambda: es.grid(["b0", "lcnet"], macs="<= 1"),
            ScaleError,
            "(?s)b0: .*lcnet: ",
        ),
        (
            lambda: es.grid(latency="<= 1s", threads=999),
            MeasureError,
            "expected a calibration of cpu, 999 threads",
        ),
        (
            lambda: es.fit(latency="<= 1s", device="tpu"),
            ScaleError,
            "device: expected cpu",
        ),
        (
            lambda: es.fit(latency="1s", threads=0),
            ScaleError,
            "threads: expected a whole number from 1 to 1024, got 0",
        ),
        (
            lambda: es.fit(macs="1G", batch=2.5),  # type: ignore[arg-type]
            ScaleError,
            "batch: expected a whole number from 1 to 65536, got 2.5",
        ),
        (
            lambda: es.grid(batch=True),
            ScaleError,
            "batch: expected a whole number from 1 to 65536, got True",
        ),
        (
            lambda: es.profile("lcnet", memory=True, batch=0),
            ScaleError,
            "batch: expected a whole number from 1 to 65536, got 0",
        ),
        (
            lambda: es.profile("lcnet", memory=True, dtype="half"),
            ScaleError,
            "dtype: expected one of float32, bfloat16, float16, int8, got 'half'",
        ),
        (
            lambda: es.check(SPECS, channels_last="no"),  # type: ignore[arg-type]
            ScaleError,
            "channels_last: expected True or False, got 'no'",
        ),
        (
            lambda: es.fit(latency="1s", cuda_graph=True),
            ScaleError,
            "cuda_graph: expected a device cuda, got 'cpu'",
        ),
        (
            lambda: es.fit(latency="1s", runtime="tflite"),  # type: ignore[arg-type]
            ScaleError,
            "runtime: expected one of torch, onnxruntime, got 'tflite'",
        ),
        (
            lambda: es.fit(latency="1s", runtime="onnxruntime", compiled=True),
            ScaleError,
            "compiled: expected none that torch alone has beside onnxruntime, got True",
        ),
        (
            lambda: es.check(SPECS, latency="<= 1s", dtype="int8"),
            ScaleError,
            "latency: nothing is run in int8 here",
        ),
        (lambda: es.fit(macs="<= 1"), UnreachableError, "no network is within <= 1 MA"),
        (lambda: es.fit(**BAD["name"]), TypeError, "unexpected keyword argument 'mac'"),
        (lambda: es.grid(macs="1G"), ScaleError, "grid: expected limits such as"),
        (lambda: es.grid("d0", alpha=(1, 2)), ScaleError, "alpha: of classifiers"),
        (lambda: es.check(macs="1G"), ScaleError, "check: expected limits such as"),
        (es.compare, ScaleError, "compare: expected networks, got none"),
        (
            lambda: es.compare("b0", relative_to="x"),
            ScaleError,
            "to: expected one of b0, chea",
        ),
    ],
)
def test_what_cannot_be_asked_is_said(
    call: Callable[[], es.Answer], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        call()


def test_the_code_of_one_rule_may_stand_alone(tmp_path: Path) -> None:
    path = tmp_path / "even.yaml"
    path.write_text(TEXT.replace("kernel: 3", "kernel: 4"))
    found = es.check(path, select="EFF202")
    assert {row["code"] for row in found} == {"EFF202"}
    assert found == es.check(path, select=["EFF202"])
    assert not es.check(path, ignore="EFF")
