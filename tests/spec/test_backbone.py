"""Tests of `effscale.spec.references`: stem and stages that another spec brings."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

import effscale as es
from effscale.errors import SpecError
from effscale.spec.loading import load_file
from effscale.spec.references import TAKEN
from tests.spec.small import TEXT as SMALL

if TYPE_CHECKING:
    from pathlib import Path

    from effscale.spec.models import Spec

GIT = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com"]
DETECTOR = """\
name: found
backbone: {backbone}
resolution: 64
neck: {{levels: [{low}, 4], channels: 8, wiring: bifpn}}
heads: {{classes: 4}}
"""


def text(backbone: str, low: int = 1) -> str:
    return DETECTOR.format(backbone=backbone, low=low)


def refused(given: str) -> str:
    """What is wrong with a detector on this backbone."""
    with pytest.raises(SpecError) as caught:
        es.loads(given)
    return str(caught.value)


def test_all_that_a_file_leaves_out_is_its_backbone_s(b0: Spec) -> None:
    spec = es.loads(text("b0", 3))
    assert spec.backbone == "b0"
    for name in TAKEN:
        assert getattr(spec, name) == getattr(b0, name)
    assert spec.head is None
    assert spec.variants == {}
    assert spec.resolution == (64, 64)


def test_what_a_file_states_is_not_its_backbone_s(b0: Spec) -> None:
    more = "activation: relu\nstochastic_depth: 0.0\nrounding: {ties: even}\n"
    spec = es.loads(text("b0", 3) + more)
    assert (spec.activation, spec.stochastic_depth) == ("relu", 0.0)
    assert spec.rounding.ties == "even"
    assert spec.stages == b0.stages


def test_a_classifier_may_stand_on_another_s_stages(b0: Spec) -> None:
    spec = es.loads("name: x\nbackbone: b0\nresolution: 96\nhead: {classes: 7}\n")
    assert (spec.stages, spec.classes) == (b0.stages, 7)


def test_listed_relatives_become_their_multipliers() -> None:
    scaling = "scaling: {backbones: [b0, b1, b4]}\n"
    spec = es.loads(text("b0", 3) + scaling)
    assert spec.scaling is not None
    found = spec.scaling.backbones
    assert {name: tuple(vars(each).values()) for name, each in found.items()} == {
        "b0": (1.0, 1.0),
        "b1": (1.1, 1.0),
        "b4": (1.8, 1.4),
    }
    d0 = es.load("d0")
    assert d0.scaling is not None
    assert list(d0.scaling.backbones) == [f"b{k}" for k in range(8)]


def test_a_variant_on_a_relative_has_its_stages() -> None:
    more = "scaling: {backbones: [b0, b4]}\nvariants:\n  big: {backbone: b4, "
    spec = es.loads(text("b0", 3) + more + "resolution: 128}\n")
    stages = es.variant(spec, "big").stages
    assert stages == es.load("b4").stages


def test_what_is_dumped_needs_no_backbone_any_more() -> None:
    spec = es.loads(text("b0", 3))
    again = es.dumps(spec)
    assert "stages:" in again
    assert es.loads(again) == spec


def test_a_file_s_backbone_lies_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "detectors"
    folder.mkdir()
    (tmp_path / "small.yaml").write_text(SMALL, "utf-8")
    (folder / "found.yaml").write_text(text("../small.yaml"), "utf-8")
    spec = load_file(folder / "found.yaml")
    assert spec.stages == es.loads(SMALL).stages
    whole = text(str(tmp_path / "small.yaml"))
    assert es.loads(whole).stages == spec.stages


def test_in_git_a_backbone_is_of_the_same_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(SMALL, "utf-8")
    (tmp_path / "found.yaml").write_text(text("./small.yaml"), "utf-8")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*GIT, *command], check=True)
    wider = SMALL.replace(
        "expand_ratio: 1, channels: 8", "expand_ratio: 1, channels: 16"
    )
    assert wider != SMALL
    (tmp_path / "small.yaml").write_text(wider, "utf-8")
    assert es.load("found.yaml").stages == es.loads(wider).stages
    assert es.load("HEAD:found.yaml").stages == es.loads(SMALL).stages


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ("b00", "expected a file or a built-in spec, got 'b00'; did you mean 'b0'?"),
        (
            "./nothing.yaml",
            (
                "expected a file that can be read, got './nothing.yaml': "
                "no such file or directory"
            ),
        ),
        ("d0", "expected a classifier's spec, got 'd0', a detector's"),
        (
            "b3",
            (
                "expected a baseline, got 'b3', a variant; state b0 here, and it in "
                "scaling.backbones"
            ),
        ),
    ],
)
def test_what_is_no_backbone_is_said_where_it_is_named(
    backbone: str, message: str
) -> None:
    assert refused(text(backbone)) == f"<text>:2:11: backbone: {message}"


def test_a_fault_of_the_backbone_is_said_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(
        SMALL.replace("repeats: 1", "repeats: 0"), "utf-8"
    )
    (tmp_path / "found.yaml").write_text(text("./small.yaml"), "utf-8")
    with pytest.raises(SpecError) as caught:
        load_file(tmp_path / "found.yaml")
    assert str(caught.value).endswith(
        "found.yaml:2:11: backbone: expected a spec without faults, got "
        "'./small.yaml': line 5: expected a whole number from 1 to 10000, got 0"
    )


def test_backbones_that_name_each_other_end(tmp_path: Path) -> None:
    for one, other in (("a", "b"), ("b", "a")):
        (tmp_path / f"{one}.yaml").write_text(text(f"./{other}.yaml"), "utf-8")
    with pytest.raises(SpecError) as caught:
        load_file(tmp_path / "a.yaml")
    assert str(caught.value).endswith(
        "a.yaml:2:11: backbone: expected a classifier's spec, got './b.yaml', which "
        "names a backbone itself"
    )
