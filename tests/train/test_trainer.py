"""Tests of `effscale.train.trainer`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

import effscale as es
from effscale.errors import TrainError
from effscale.train import trainer
from effscale.train.recipe import RATE_PER_IMAGE, Recipe, chance, is_chance
from effscale.train.sources import digits, fitted
from effscale.train.trainer import Training, mixing
from tests.train.small import RECIPE, Shades, shades, small, training, weights

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from effscale.train.batches import View

pytestmark = pytest.mark.torch


def same(one: Training, other: Training) -> bool:
    """Whether all weights are the same, bit for bit, and all that was noted."""
    mine, theirs = weights(one), weights(other)
    equal = [torch.equal(each, theirs[name]) for name, each in mine.items()]
    return all(equal) and one.history == other.history


def finished(one: Training) -> Training:
    list(one.run())
    return one


def test_the_digits_are_learnt() -> None:
    data = digits()
    spec = fitted(small(), data, None)
    recipe = Recipe(epochs=6, batch=64, lr=64 * RATE_PER_IMAGE)
    learnt = finished(Training(spec, data, recipe))
    # chance is 0.1; a network of 2,600 weights
    assert learnt.history[-1].accuracy > 0.75
    assert [each.epoch for each in learnt.history] == [1, 2, 3, 4, 5, 6]
    assert learnt.history[-1].loss < learnt.history[0].loss
    assert learnt.images_per_second > 0


def test_the_same_seed_gives_the_same_weights_and_another_others() -> None:
    first = finished(training())
    assert same(first, finished(training()))
    assert not same(first, finished(training(seed=1)))


# within the first epoch, at its end, within the second, all but done
@pytest.mark.parametrize("stops", [(2,), (5,), (1, 7, 8), (19,)])
def test_resumed_is_uninterrupted_bit_for_bit(
    tmp_path: Path, stops: tuple[int, ...]
) -> None:
    whole = finished(training())
    file = tmp_path / "a.checkpoint"
    done = 0
    for stop in stops:
        part = training(file=file)
        assert part.step == done
        list(islice(part.run(), stop - done))
        part.save()
        done = stop
    assert same(whole, finished(training(file=file)))


def test_in_parts_of_the_schedule_it_is_the_whole_bit_for_bit(tmp_path: Path) -> None:
    complete = finished(training())
    file = tmp_path / "a.checkpoint"
    for until in (1, 3, 4):
        part = finished(training(file=file, until=until))
        assert part.step == until * 5
        told = part.outcome()
        assert (told["until"], told["epochs"], told["steps"]) == (until, 4, until * 5)
        assert told["accuracy"] == complete.history[until - 1].accuracy
        assert [each["epoch"] for each in told["history"]] == [*range(1, until + 1)]
    assert same(complete, part)
    # Whoever asks for less than there is gets what it came to there.
    before = finished(training(file=file, until=2))
    assert before.outcome()["accuracy"] == complete.history[1].accuracy
    assert same(complete, before)


@pytest.mark.parametrize("until", [0, 5])
def test_no_more_epochs_than_the_schedule_has(until: int) -> None:
    with pytest.raises(TrainError) as caught:
        training(until=until)
    expected = "expected 1 to the 4 epochs of the schedule"
    assert str(caught.value) == f"until: {expected}, got {until}"


def test_all_draws_are_resumed_too(tmp_path: Path) -> None:
    """Of crops and RandAugment, beside those of dropout and stochastic depth."""
    pytest.importorskip("kornia")
    whole = finished(training(augment="rand:5", epochs=2))
    file = tmp_path / "a.checkpoint"
    part = training(augment="rand:5", epochs=2, file=file)
    list(islice(part.run(), 3))
    part.save()
    assert same(whole, finished(training(augment="rand:5", epochs=2, file=file)))


def test_mixed_and_erased_images_are_resumed_too(tmp_path: Path) -> None:
    pytest.importorskip("kornia")
    whole = finished(training(mixup=0.4, erase=0.5, epochs=2))
    assert not same(whole, finished(training(mixup=0.4, epochs=2)))
    file = tmp_path / "a.checkpoint"
    part = training(mixup=0.4, erase=0.5, epochs=2, file=file)
    list(islice(part.run(), 3))
    part.save()
    assert same(whole, finished(training(mixup=0.4, erase=0.5, epochs=2, file=file)))


def test_each_image_is_mixed_with_the_next_and_so_is_its_class(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[torch.Tensor] = []
    asked: list[list[int]] = []

    def loss(logits: torch.Tensor, labels: torch.Tensor, **_: float) -> torch.Tensor:
        asked.append(labels.tolist())
        return logits.sum() * 0 + float(len(asked))  # 1, 2, …

    for share in (1.0, 0.75):
        monkeypatch.setattr(trainer, "mixing", lambda _alpha, share=share: share)
        part = training(epochs=1)
        part.net.register_forward_pre_hook(lambda _net, given: seen.append(given[0]))
        if share < 1:
            monkeypatch.setattr(torch.nn.functional, "cross_entropy", loss)
        finished(part)
    before, after = seen[0], seen[5]
    torch.testing.assert_close(after, 0.75 * before + 0.25 * before.roll(1, 0))
    assert asked[1] == asked[0][-1:] + asked[0][:-1]
    # of five steps k, 0.75·(2k − 1) + 0.25·2k
    assert part.history[-1].loss == pytest.approx(5.25)


def test_shares_are_drawn_from_beta() -> None:
    torch.manual_seed(0)
    shares = [mixing(0.2) for _ in range(500)]
    assert sum(shares) / 500 == pytest.approx(0.5, abs=0.06)
    assert sum(0.1 < each < 0.9 for each in shares) / 500 < 0.45  # most are extremes
    assert mixing(0) == 1


def test_the_averaged_weights_of_a_checkpoint_are_those_of_a_built_network(
    tmp_path: Path,
) -> None:
    file = tmp_path / "a.checkpoint"
    trained = finished(training(epochs=1, file=file))
    net = es.build(small())
    net.load_state_dict(torch.load(file, weights_only=True)["average"])
    average = trained.average.module
    kept = average.state_dict()
    assert all(torch.equal(each, kept[name]) for name, each in net.state_dict().items())
    images = torch.rand(3, 1, 8, 8)
    # Where a processor's kernels begin depends on where tensors lie in memory.
    torch.testing.assert_close(net.eval()(images), average(images))


def test_each_epoch_is_kept_as_it_ends(tmp_path: Path) -> None:
    file = tmp_path / "a.checkpoint"
    part = training(file=file)
    list(islice(part.run(), 7))  # killed in the second epoch
    assert training(file=file).step == 5


def test_a_long_epoch_is_kept_every_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "OFTEN", 0.0)
    file = tmp_path / "a.checkpoint"
    list(islice(training(file=file).run(), 3))
    assert training(file=file).step == 3


def test_a_finished_training_has_no_steps_left(tmp_path: Path) -> None:
    file = tmp_path / "a.checkpoint"
    first = finished(training(file=file))
    again = training(file=file)
    assert list(again.run()) == []
    assert same(first, again)


def test_another_spec_s_checkpoint_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.checkpoint"
    training(file=file).save()
    other = small().model_copy(update={"activation": "relu"})
    with pytest.raises(TrainError) as caught:
        Training(other, shades(), RECIPE, file=file)
    assert "expected a checkpoint of this spec, got one of another" in str(caught.value)


def test_a_loss_that_is_no_number_ends_it_and_is_not_kept(tmp_path: Path) -> None:
    file = tmp_path / "a.checkpoint"
    with pytest.raises(TrainError) as caught:
        finished(training(lr=1e30, file=file))
    message = "loss: expected a number, got nan in epoch 1; a learning rate below 1e+30"
    assert str(caught.value) == f"{message} may do"
    assert not file.exists()


def test_the_averaged_weights_are_asked_and_dropout_is_not() -> None:
    part = training(epochs=1)
    seen: list[bool] = []
    part.average.module.register_forward_hook(
        lambda module, _x, _y: seen.append(module.training)
    )
    finished(part)
    # once for statistics; then ten images held out, eight at once
    assert seen == [False, False, False]
    assert part.net.training


def test_labels_are_smoothed_in_training_alone() -> None:
    # With smoothing 1 every class is as right as any: a loss of ln 2 at the least.
    blind = finished(training(smoothing=1.0, epochs=2))
    assert min(each.loss for each in blind.history) >= 0.6931
    told = finished(training(smoothing=0.0, epochs=8))
    assert told.history[-1].loss < 0.3


def test_one_image_a_batch_too_many_for_memory_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuses(*_arguments: object, **_options: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate …")

    part = training()
    monkeypatch.setattr(part.net, "forward", refuses)
    with pytest.raises(TrainError) as caught:
        finished(part)
    assert str(caught.value) == "batch: 8 images take more memory than the device has"


@pytest.mark.parametrize(
    ("output", "what"),
    [
        (lambda x: (x, x), "a tuple"),
        (lambda x: {"boxes": x}, "a dict"),
        (lambda x: x[:, :, None], "a tensor of (1, 2, 1)"),
    ],
)
def test_a_network_that_is_no_classifier_is_refused(
    monkeypatch: pytest.MonkeyPatch, output: Callable[[torch.Tensor], object], what: str
) -> None:
    def build(spec: es.Spec) -> nn.Module:
        net = es.build(spec)
        net.register_forward_hook(lambda _module, _x, y: output(y))
        return net

    monkeypatch.setattr(trainer, "build", build)
    with pytest.raises(TrainError) as caught:
        training()
    expected = "expected a network that puts out a number for each class"
    assert str(caught.value) == f"small: {expected}, got {what}"


def test_a_batch_of_more_images_than_there_are_is_refused() -> None:
    with pytest.raises(TrainError) as caught:
        training(batch=41)
    message = "batch: expected at most the 40 images to learn from, got 41"
    assert str(caught.value) == message


def test_images_of_other_channels_are_refused() -> None:
    spec = small().model_copy(update={"image_channels": 4})
    with pytest.raises(TrainError) as caught:
        Training(spec, shades(), RECIPE)
    expected = "expected 1 or 3 to train on images, got 4"
    assert str(caught.value) == f"small: image_channels: {expected}"


def test_bfloat16_learns_as_well() -> None:
    mixed = finished(training(precision="bfloat16", epochs=8))
    assert mixed.history[-1].accuracy == 1
    assert {each.dtype for each in mixed.net.parameters()} == {torch.float32}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_on_cuda_it_learns_and_resumes(tmp_path: Path, precision: str) -> None:
    file = tmp_path / "a.checkpoint"
    recipe = replace(RECIPE, epochs=8, precision=precision)  # type: ignore[arg-type]
    part = Training(small(), shades(), recipe, device="cuda", file=file)
    list(islice(part.run(), 7))
    part.save()
    learnt = Training(small(), shades(), recipe, device="cuda", file=file)
    assert learnt.step == 7
    finished(learnt)
    assert {each.device.type for each in weights(learnt).values()} == {"cuda"}
    assert learnt.history[-1].accuracy == 1


@dataclass(frozen=True)
class Blank(Shades):
    """Images that show nothing of their class."""

    def image(self, index: int, view: View, draws: torch.Generator) -> torch.Tensor:
        """Black."""
        return torch.zeros_like(super().image(index, view, draws))


def warnings_of(one: Training) -> list[str]:
    found: list[str] = finished(one).outcome()["warnings"]
    return found


def test_an_accuracy_of_chance_is_said_to_be_one() -> None:
    few = (
        "40 of at least 300 steps: so short a training run says little about what the "
        "network can become"
    )
    other_kind = replace(shades(), validation=Blank(10))
    learnt, _ = warnings = warnings_of(training(data=other_kind, epochs=8))
    assert warnings[1] == few
    assert learnt == (
        "the accuracy of 50.0 % is within two standard errors of chance, 50.0 %, "
        "though it is 100.0 % in training: images of validation are of another kind, "
        "or others were memorised"
    )
    blind = warnings_of(training(data=replace(other_kind, train=Blank(40)), epochs=8))
    assert blind == [
        learnt.partition(", though")[0]
        + ", and so is the one in training: nothing was learnt yet",
        few,
    ]


def test_that_few_images_cannot_tell_what_was_learnt_is_said() -> None:
    learnt = training(epochs=60)
    finished(learnt)
    learnt.history[-1] = replace(
        learnt.history[-1], accuracy=0.8, train_accuracy=0.9, epoch=60
    )
    (said,) = learnt.outcome()["warnings"]
    assert said == (
        "the accuracy of 80.0 % is within two standard errors of chance, 50.0 %, and "
        "10 validation images are too few to tell: it is 90.0 % in training"
    )


def test_what_is_left_takes_as_long_as_what_was_done() -> None:
    learnt = training(epochs=4)
    assert learnt.seconds_left == 0
    list(islice(learnt.run(), 5))
    learnt.seconds, learnt.evaluation_seconds = 9.0, 1.0
    assert learnt.seconds_left == 2 * (learnt.last_step - 5)
    finished(learnt)
    assert learnt.seconds_left == 0


def test_nothing_is_said_of_a_long_training_that_has_learnt() -> None:
    learnt = training(epochs=60)
    assert warnings_of(learnt) == []
    assert learnt.outcome()["chance"] == 0.5


def test_chance_is_the_most_frequent_class_within_two_errors() -> None:
    labels = [0] * 30 + [1] * 70  # 0.7 ± 0.046
    assert chance(labels) == 0.7
    assert is_chance(0.79, labels)
    assert not is_chance(0.80, labels)
