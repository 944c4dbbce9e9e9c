"""Tests of `measure_spec` and `difference`: a spec measured, beside its count."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from effscale.errors import MeasureError
from effscale.module import machine
from effscale.module.machine import bytes_to_run
from effscale.module.measure import difference, measure_spec
from effscale.network.network import network

if TYPE_CHECKING:
    import effscale as es
    from effscale.module.measure import Engine, Measurement

pytestmark = pytest.mark.torch

#: In B0 the largest feature maps have 6 · 16 channels at 112×112 (stage 3 of table 1 of
#: arXiv:1905.11946v5); it has 5,288,548 params; a float has four bytes.
B0_BYTES = 4 * (5_288_548 + 6 * 96 * 112 * 112)


@pytest.fixture(scope="module")
def measured(b0: es.Spec) -> Measurement:
    """B0, by fvcore."""
    return measure_spec(b0)


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """The machine's memory, which a test may write."""
    held: list[int | None] = [0]
    monkeypatch.setattr(machine, "_physical_memory", lambda: held[0])
    return held


def test_the_engine_is_fvcore_unless_said(b0: es.Spec, measured: Measurement) -> None:
    assert measured.engine == "fvcore"
    assert measure_spec(b0, "torch").engine == "torch"


def test_the_image_is_the_specs_own(b0: es.Spec) -> None:
    spec = b0.model_copy(update={"resolution": (33, 65), "image_channels": 1})
    stem = 32 * 9 * 17 * 33
    assert measure_spec(spec, "fvcore").modules["stem"] == stem
    assert measure_spec(spec, "torch").modules["stem"] == stem


@pytest.mark.parametrize("engine", ["fvcore", "torch"])
def test_no_weights_are_drawn(b0: es.Spec, engine: Engine) -> None:
    random = torch.get_rng_state()
    measure_spec(b0, engine)
    assert torch.equal(torch.get_rng_state(), random)


def test_what_does_not_fit_into_memory_is_refused(
    b0: es.Spec, memory: list[int | None]
) -> None:
    memory[0] = B0_BYTES - 1
    message = (
        "b0: running it once takes about 50.1 MB of memory and this machine has "
        "50.1 MB; --measure torch needs none"
    )
    with pytest.raises(MeasureError, match=f"^{re.escape(message)}$"):
        measure_spec(b0, "fvcore")
    memory[0] = 2_000_000
    with pytest.raises(MeasureError, match=r"has 2\.00 MB;"):
        measure_spec(b0, "fvcore")


@pytest.mark.parametrize("enough", [B0_BYTES, None])
def test_what_fits_or_may_fit_is_measured(
    b0: es.Spec, memory: list[int | None], enough: int | None
) -> None:
    memory[0] = enough
    assert measure_spec(b0).params == 5_288_548


def test_torch_needs_no_memory(b0: es.Spec, memory: list[int | None]) -> None:
    memory[0] = 1
    huge = b0.model_copy(update={"resolution": (2**16, 2**16)})
    assert difference(huge, measure_spec(huge, "torch")) is None


def test_agreement_is_no_difference(b0: es.Spec, measured: Measurement) -> None:
    assert difference(b0, measured) is None


@pytest.mark.parametrize(
    ("tampered", "sentence"),
    [
        (
            {"macs": 385_814_753},
            "b0: counted 385,814,752 macs but fvcore measured 385,814,753",
        ),
        ({"params": 0}, "b0: counted 5,288,548 params but fvcore measured 0"),
        (
            {"activations": 6_748_037, "engine": "torch"},
            "b0: counted 6,748,036 activations but torch measured 6,748,037",
        ),
        (
            {"params": 1, "macs": 2},
            "b0: counted 385,814,752 macs but fvcore measured 2",
        ),
    ],
)
def test_a_difference_is_said(
    b0: es.Spec, measured: Measurement, tampered: dict[str, Any], sentence: str
) -> None:
    assert difference(b0, replace(measured, **tampered)) == sentence


@pytest.mark.parametrize(
    ("paths", "name"),
    [
        (["stem"], "stem"),
        (["stages.3"], "stage 4"),
        (["head", "stages.6", "stages.2"], "stage 3"),
        (["head"], "head"),
    ],
)
def test_the_first_part_that_differs_is_named(
    b0: es.Spec, measured: Measurement, paths: list[str], name: str
) -> None:
    modules = {**measured.modules, **dict.fromkeys(paths, 1)}
    tampered = replace(measured, macs=1, modules=modules)
    assert difference(b0, tampered) == (
        "b0: counted 385,814,752 macs but fvcore measured 1; "
        f"first difference in {name}"
    )


def test_a_part_that_was_not_seen_differs(b0: es.Spec, measured: Measurement) -> None:
    modules = {p: n for p, n in measured.modules.items() if not p.startswith("stages")}
    text = difference(b0, replace(measured, macs=1, modules=modules))
    assert text is not None
    assert text.endswith("; first difference in stage 1")


def test_tracing_takes_the_weights_and_six_of_the_largest_map(b0: es.Spec) -> None:
    assert bytes_to_run(network(b0)) == B0_BYTES


def test_the_memory_of_this_machine_is_known_or_said_to_be_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    memory = machine._physical_memory  # noqa: SLF001 - its edges
    known = memory()
    assert known is None or known > 2**28

    def unknown(_name: str) -> int:
        raise ValueError

    monkeypatch.setattr("os.sysconf", unknown, raising=False)
    assert memory() is None
    monkeypatch.delattr("os.sysconf")
    assert memory() is None


def test_by_torch_no_compiler_and_no_algebra_is_loaded() -> None:
    program = """
import json, sys
import effscale as es
from effscale.module.measure import difference, measure_spec
from effscale.spec.norm import Norm
found = []
b0, joined = es.load("b0"), es.load("densenet121")
for spec in (b0, b0.model_copy(update={"norm": Norm(kind="layer")}), joined):
    found.append(difference(spec, measure_spec(spec, "torch")))
heavy = [m for m in ("torch._dynamo", "sympy", "fvcore") if m in sys.modules]
print(json.dumps([found, heavy, "torch.utils.flop_counter" in sys.modules]))
"""
    command = [sys.executable, "-W", "error", "-c", program]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.stderr == ""
    assert json.loads(run.stdout) == [[None] * 3, [], True]
