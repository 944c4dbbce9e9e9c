"""A training of a network on images by a recipe: descent, average, loop, outcome."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, assert_never

import torch
from torch import nn
from torch.distributions import Beta
from torch.nn import functional
from torch.optim import SGD, AdamW, RMSprop
from torch.optim.swa_utils import AveragedModel

from effscale.errors import TrainError
from effscale.module.build import build
from effscale.module.drawing import NORMS
from effscale.spec.dumping import dumps
from effscale.train import checkpoint
from effscale.train.batches import Order, augmentation, batches, in_turn
from effscale.train.devices import ALONE, refuse_uneven, shared
from effscale.train.recipe import (
    FEW_STEPS,
    RMSPROP,
    average_decay,
    chance,
    device_name,
    is_chance,
    learning_rate,
    normalisation,
    seed,
    standard_error,
    statistics_batches,
    versions,
)
from effscale.train.sources import check_output, classes_of, memory, view_of
from effscale.train.transfer import begin, freeze, of_backbone, rest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from effscale.module.weights import Original
    from effscale.spec.models import Spec
    from effscale.train.batches import Batch, Data
    from effscale.train.devices import Share
    from effscale.train.recipe import Recipe

#: Seconds after which a checkpoint is written also within an epoch.
OFTEN = 60.0


def optimizer(net: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """torch's own, by the recipe's name for it; weights of norms do not decay."""
    norms = [each for each in net.modules() if isinstance(each, NORMS)]
    free = {id(parameter) for each in norms for parameter in each.parameters()}
    groups = _groups(net, recipe, free)
    lr, momentum = recipe.lr, recipe.momentum
    match recipe.optimizer:
        case "sgd":
            return SGD(groups, lr, momentum, nesterov=True, foreach=True)
        case "adamw":
            return AdamW(groups, lr, foreach=True)
        case "rmsprop":
            return RMSprop(groups, lr, *RMSPROP, momentum=momentum, foreach=True)
        case _:
            assert_never(recipe.optimizer)


def _groups(net: nn.Module, recipe: Recipe, free: set[int]) -> list[dict[str, Any]]:
    """What is learnt, by its weight decay and its share of the learning rate."""
    found: dict[tuple[float, float], list[nn.Parameter]] = {
        (recipe.weight_decay, 1.0): [],
        (0.0, 1.0): [],
    }
    for name, each in net.named_parameters():
        if each.requires_grad:
            decay = 0.0 if id(each) in free else recipe.weight_decay
            share = recipe.lr_backbone if of_backbone(name) else 1.0
            found.setdefault((decay, share), []).append(each)
    return [
        {"params": some, "weight_decay": decay, "share": share}
        for (decay, share), some in found.items()
        if some
    ]


def reestimate(net: nn.Module, batches: Iterable[torch.Tensor]) -> None:
    """Batch norm's running statistics anew: means over `batches`, each of equal weight.

    Frozen ones keep theirs. All else is as the network is asked (torch.optim.swa_utils.
    update_bn lets dropout and stochastic depth draw too, so that its statistics are of
    other networks).

    Source: Wu & Johnson 2021, arXiv:2105.07576, section 3 (precise BN), as pycls has it
    (compute_precise_bn_stats, pycls/core/net.py).
    """
    norms = [
        each
        for each in net.modules()
        if isinstance(each, nn.BatchNorm2d) and each.weight.requires_grad
    ]
    if not norms:
        return
    momenta = [each.momentum for each in norms]
    for each in norms:
        each.reset_running_stats()
        each.momentum = None  # torch's word for a mean over all
        each.train()
    for batch in batches:
        net(batch)
    for each, momentum in zip(norms, momenta, strict=True):
        each.momentum = momentum
        each.eval()


def mixing(alpha: float) -> float:
    """The share of each image in a step, the rest being the next one's.

    Source: Zhang et al. 2017, arXiv:1710.09412 (mixup).
    """
    if not alpha:
        return 1.0
    return float(Beta(torch.tensor(alpha), torch.tensor(alpha)).sample())


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to."""

    epoch: int  #: counted from 1
    loss: float  #: mean over the images trained on, with smoothed labels
    train_accuracy: float  #: of them, as they were augmented
    validation_loss: float  #: of the averaged weights, labels as they are
    accuracy: float  #: of the averaged weights on the validation images


def _refuse(recipe: Recipe, images: int, share: Share, until: int) -> None:
    """Refuse a recipe that so many images, or devices, cannot follow.

    Raises:
        TrainError: saying which number of it is wrong.
    """
    if recipe.batch > images:
        expected = f"expected at most the {images} images to learn from"
        raise TrainError(f"batch: {expected}, got {recipe.batch}")
    refuse_uneven(recipe.batch, share.of)
    if not 1 <= until <= recipe.epochs:
        expected = f"expected 1 to the {recipe.epochs} epochs of the schedule"
        raise TrainError(f"until: {expected}, got {until}")


class Training:
    """A training of the network of `spec` on `data` by `recipe`.

    Takes up the checkpoint, if there is one. It ends after `until` of the epochs that
    the recipe's schedule has, and another may take it up and go further. Of several
    devices each has its `share` of each batch, and the first writes the checkpoint. On
    the CPU its figures are the same, in one go or in several, for as many threads.
    """

    def __init__(  # noqa: PLR0913 - what a training is, and where it runs
        self,
        spec: Spec,
        data: Data,
        recipe: Recipe,
        *,
        device: torch.device | str = "cpu",
        workers: int = 0,
        file: Path | None = None,
        until: int | None = None,
        weights: Path | Original | None = None,
        share: Share = ALONE,
    ) -> None:
        self.spec, self.data, self.recipe = spec, data, recipe
        self.device, self.workers, self.file = torch.device(device), workers, file
        self.share = share
        images = len(data.train.labels)
        self.until = recipe.epochs if until is None else until
        _refuse(recipe, images, share, self.until)
        self.order = Order(images, recipe.batch, recipe.epochs, recipe.seed)
        self.step, self.seconds, self.evaluation_seconds = 0, 0.0, 0.0
        self.history: list[Epoch] = []
        self._view = view_of(spec)
        self._augmented = augmentation(recipe.augment, recipe.erase)
        self.normalisation = normalisation(recipe.normalize)
        self._mean, self._deviation = self._pixels()
        torch.manual_seed(seed(recipe.seed, "weights"))
        net = build(spec)  # on the CPU, so that all devices begin alike
        self.begun = None if weights is None else begin(net, weights)
        freeze(net, recipe.freeze)
        self.net = net.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        check_output(self.net, spec.name, self._view)
        # n_averaged stays on the CPU, so that no update waits for the device.
        average = AveragedModel(self.net, multi_avg_fn=self._mix, use_buffers=True)
        self.average = average.eval()
        self._optimizer = optimizer(self.net, recipe)
        self._learner, self.net = shared(self.net, share, self.device)
        #: Of losses and of right answers, since the epoch began.
        self._sums = torch.zeros(2, dtype=torch.float64, device=self.device)
        self._made_for = {"spec": dumps(spec), "data": data.digest, **asdict(recipe)}
        self._made_for["weights"] = self.begun and self.begun.digest
        self._take_up()

    def _pixels(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The mean and the deviation of each channel, on the device.

        Raises:
            TrainError: if they are of other channels.
        """
        found = self.normalisation
        if any(len(each) not in {1, self._view.channels} for each in found):
            expected = "expected one mean and one deviation for grey images"
            raise TrainError(f"normalize: {expected}, got {self.recipe.normalize!r}")
        mean, deviation = (
            torch.tensor(each, device=self.device).view(-1, 1, 1) for each in found
        )
        return mean, deviation

    @property
    def steps(self) -> int:
        """Of the whole schedule."""
        return self.recipe.epochs * self.order.per_epoch

    @property
    def last_step(self) -> int:
        """The step that it goes on to, or has gone beyond already."""
        return self.until * self.order.per_epoch

    @property
    def images_per_second(self) -> float:
        """Images trained on, for each second of it; evaluation apart."""
        return self.step * self.recipe.batch / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float:
        """Until the last step, as those so far went; nothing is known before any."""
        taken = self.seconds + self.evaluation_seconds
        return taken / max(self.step, 1) * max(self.last_step - self.step, 0)

    def run(self) -> Iterator[Epoch | None]:
        """Take the steps that are left; after each, the epoch if one has ended.

        Where it stops between two steps, `save` may be called and all is kept. With a
        file, that is also done after each epoch, and every minute.

        Raises:
            TrainError: if the loss is no number any more, or memory runs out.
            DataError: if an image cannot be read.
            OutputError: if the checkpoint cannot be written.
        """
        rest(self.net.train())
        saved, begun = time.monotonic(), time.perf_counter()
        for images, labels in self._batches():
            with memory(self.recipe.batch):
                self._learn(images, labels)
                ended = self.step % self.order.per_epoch == 0
                sums = self._sums.tolist() if ended else []  # waits for the device
                learnt = time.perf_counter()
                self.seconds += learnt - begun
                if ended:
                    self._end_epoch(*sums)
                    self.evaluation_seconds += time.perf_counter() - learnt
            if self.file and (ended or time.monotonic() - saved > OFTEN):
                self.save()
                saved = time.monotonic()
            yield self.history[-1] if ended else None
            begun = time.perf_counter()

    def save(self) -> None:
        """Write the checkpoint, if there is a file for it."""
        self._check(float(self._sums[0]))
        if self.file is None or self.share.rank:
            return
        state = {
            "step": self.step,
            "normalisation": [list(each) for each in self.normalisation],
            "classes": list(self.data.classes),
            "seconds": self.seconds,
            "evaluation_seconds": self.evaluation_seconds,
            "history": [asdict(each) for each in self.history],
            "sums": self._sums.cpu(),
            "net": self.net.state_dict(),
            "average": self.average.module.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }
        checkpoint.save(self.file, self._made_for, state)

    def outcome(self) -> dict[str, Any]:
        """The accuracy and all that it depends on, under the keys that JSON promises.

        Accuracy is that of the averaged weights at the end, not the best on the way:
        that would have been chosen by the very images it is measured on.
        """
        data, recipe = self.data, self.recipe
        history, validation = self.history[: self.until], len(data.validation.labels)
        last = history[-1]
        return {
            "accuracy": last.accuracy,
            "classes": classes_of(self.spec),
            "weights": self.begun and self.begun.said,
            "accuracy_error": standard_error(last.accuracy, validation),
            "train_accuracy": last.train_accuracy,
            "chance": chance(data.validation.labels),
            "loss": last.validation_loss,
            **asdict(recipe),
            "until": self.until,
            "steps": self.last_step,
            "normalisation": dict(
                zip(("mean", "std"), map(list, self.normalisation), strict=True)
            ),
            "statistics_images": self._statistics_images(),
            "images_per_second": round(self.images_per_second, 1),
            "seconds": round(self.seconds + self.evaluation_seconds, 3),
            "evaluation_seconds": round(self.evaluation_seconds, 3),
            "data": {
                "name": data.name,
                "classes": len(data.classes),
                "train": len(data.train.labels),
                "validation": validation,
                "split": data.split,
                "digest": data.digest,
                "by_class": data.counts(),
                "notes": list(data.notes),
            },
            "device": device_name(self.device),
            "devices": self.share.of,
            "threads": torch.get_num_threads(),
            "checkpoint": None if self.file is None else str(self.file),
            "versions": versions(recipe),
            "warnings": self._warnings(),
            "history": [asdict(each) for each in history],
        }

    def _warnings(self) -> list[str]:
        """Why the accuracy may not be what it seems."""
        last, said = self.history[self.until - 1], []
        if is_chance(last.accuracy, self.data.validation.labels):
            share = chance(self.data.validation.labels)
            found = (
                f"the accuracy of {100 * last.accuracy:.1f} % is within two standard "
                f"errors of chance, {100 * share:.1f} %"
            )
            said.append(f"{found}, {self._why_chance(last)}")
        if self.last_step < FEW_STEPS:
            said.append(
                f"{self.last_step} of at least {FEW_STEPS} steps: so short a training "
                "run says little about what the network can become"
            )
        return said

    def _why_chance(self, last: Epoch) -> str:
        """Why an accuracy is that of chance, as far as the one in training tells."""
        learnt, images = last.train_accuracy, len(self.data.validation.labels)
        if is_chance(learnt, self.data.train.labels):
            return "and so is the one in training: nothing was learnt yet"
        found = f"it is {100 * learnt:.1f} % in training"
        if last.accuracy >= learnt - 2 * standard_error(learnt, images):
            return f"and {images} validation images are too few to tell: {found}"
        return (
            f"though {found}: images of validation are of another kind, or others were "
            "memorised"
        )

    def _statistics_images(self) -> int:
        """Images that batch norm's statistics are estimated from."""
        if not any(isinstance(each, nn.BatchNorm2d) for each in self.average.modules()):
            return 0
        return math.prod(statistics_batches(self.order.images, self.recipe.batch))

    def _take_up(self) -> None:
        if self.file is None:
            return
        state = checkpoint.load(self.file, self._made_for)
        if state is None:
            return
        try:
            self.step, self.seconds = int(state["step"]), float(state["seconds"])
            self.evaluation_seconds = float(state["evaluation_seconds"])
            self.history = [Epoch(**each) for each in state["history"]]
            self._sums = state["sums"].to(self.device)
            self.net.load_state_dict(state["net"])
            self.average.module.load_state_dict(state["average"])
            self.average.n_averaged.fill_(self.step)
            self._optimizer.load_state_dict(state["optimizer"])
        except (KeyError, TypeError, AttributeError, ValueError, RuntimeError):
            expected = "expected a checkpoint of effscale train, got a damaged one"
            raise TrainError(f"{self.file}: {expected}") from None

    def _batches(self) -> Iterator[Batch]:
        return batches(
            self.data.train,
            replace(
                self._view,
                crops=self.recipe.augment != "none",
                least=self.recipe.crop,
                mirror=self.recipe.mirror,
            ),
            map(
                self.share.part,
                replace(self.order, epochs=self.until, start=self.step),
            ),
            base=self.recipe.seed,
            workers=self.workers,
            pinned=self.device.type == "cuda",
        )

    def _learn(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        recipe = self.recipe
        others = [self.share.rank] if self.share.rank else []
        self._draw_by(seed(recipe.seed, "step", self.step, *others))
        warmup = round(recipe.warmup * self.steps)
        rate = learning_rate(self.step, self.steps, warmup, recipe.lr)
        labels = labels.to(self.device, non_blocking=True)
        batch = self._seen(images, augmented=True)
        share = mixing(recipe.mixup)
        if share < 1:
            batch = batch.lerp(batch.roll(1, 0), 1 - share)
        with self._precision():
            logits = self._learner(batch)
            loss = self._loss(logits, labels)
            if share < 1:
                loss = loss.lerp(self._loss(logits, labels.roll(1)), 1 - share)
        loss.backward()
        for group in self._optimizer.param_groups:
            group["lr"] = rate * group["share"]
        self._optimizer.step()
        self._optimizer.zero_grad()
        self.average.update_parameters(self.net)
        sums = _sums(loss.detach(), logits.detach(), labels)
        self._sums += self.share.summed(sums)
        self.step += 1

    def _draw_by(self, number: int) -> None:
        """What torch.manual_seed does, but for devices that this training is not on.

        (Where CUDA is not begun, that writes down the stack at each step.)
        """
        torch.default_generator.manual_seed(number)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(number)

    def _loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        smoothing = self.recipe.smoothing
        return functional.cross_entropy(logits, labels, label_smoothing=smoothing)

    @torch.no_grad()
    def _mix(
        self,
        mine: tuple[torch.Tensor, ...] | list[torch.Tensor],
        theirs: tuple[torch.Tensor, ...] | list[torch.Tensor],
        _count: torch.Tensor | int,
    ) -> None:
        """Take the share of `theirs` that the recipe's average does at this step."""
        if mine[0].is_floating_point():
            share = 1 - average_decay(self.step, self.recipe.average)
            torch._foreach_lerp_(mine, theirs, share)
        else:  # counters
            torch._foreach_copy_(mine, theirs)

    def _seen(self, images: torch.Tensor, *, augmented: bool = False) -> torch.Tensor:
        """Bytes as the network sees them: augmented or not, and normalised."""
        seen = images.to(self.device, non_blocking=True).float().div_(255)
        if augmented:
            seen = self._augmented(seen)
        seen = seen.sub_(self._mean).div_(self._deviation)
        return seen.contiguous(memory_format=torch.channels_last)

    def _precision(self) -> torch.autocast:
        mixed = self.recipe.precision == "bfloat16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=mixed)

    def _end_epoch(self, losses: float, right: float) -> None:
        self._check(losses)
        trained = self.order.per_epoch * self.recipe.batch
        validation_loss, accuracy = self._evaluate()
        self._check(validation_loss)
        epoch = self.step // self.order.per_epoch
        means = losses / trained, right / trained
        self.history.append(Epoch(epoch, *means, validation_loss, accuracy))
        self._sums.zero_()

    def _check(self, loss: float) -> None:
        if not math.isfinite(loss):
            epoch = math.ceil(self.step / self.order.per_epoch)
            raise TrainError(
                f"loss: expected a number, got {loss} in epoch {epoch}; "
                f"a learning rate below {self.recipe.lr:g} may do"
            )

    def _for_statistics(self) -> Iterator[torch.Tensor]:
        """Training images as validation images are shown, always the same ones."""
        images = len(self.data.train.labels)
        count, size = statistics_batches(images, self.recipe.batch)
        draws = torch.Generator().manual_seed(seed(self.recipe.seed, "statistics"))
        chosen: list[int] = torch.randperm(images, generator=draws).tolist()
        order = [
            [(0, image) for image in chosen[k * size : (k + 1) * size]]
            for k in range(count)
        ]
        for read, _ in batches(
            self.data.train, self._view, order, base=0, workers=self.workers
        ):
            yield self._seen(read)

    @torch.inference_mode()
    def _evaluate(self) -> tuple[float, float]:
        """Mean loss and accuracy of the averaged weights on the validation images."""
        with self._precision():
            reestimate(self.average.module, self._for_statistics())
        validation = self.data.validation
        order = in_turn(len(validation.labels), self.recipe.batch)
        sums = torch.zeros_like(self._sums)
        mine = order[self.share.rank :: self.share.of]
        for images, labels in batches(
            validation, self._view, mine, base=0, workers=self.workers
        ):
            known = labels.to(self.device)
            with self._precision():
                logits = self.average.module(self._seen(images))
                loss = functional.cross_entropy(logits, known)
            sums += _sums(loss, logits, known)
        loss_sum, right = self.share.summed(sums).tolist()
        return loss_sum / len(validation.labels), right / len(validation.labels)


def _sums(
    loss: torch.Tensor, logits: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    """Sum of a batch's losses, and how many of its images were told right."""
    right = (logits.argmax(1) == labels).sum()
    return torch.stack([loss.double() * len(labels), right.double()])
