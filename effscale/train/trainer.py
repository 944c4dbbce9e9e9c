"""A training of a network on images by a recipe: descent, average, loop, outcome."""

from __future__ import annotations

import math
import time
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional
from torch.optim.sgd import sgd
from torch.optim.swa_utils import get_ema_multi_avg_fn

from effscale.errors import TrainError
from effscale.module.build import build
from effscale.module.operators import NORMS
from effscale.spec.dumping import dumps
from effscale.train import checkpoint
from effscale.train.batches import Order, augmentation, batches, in_turn
from effscale.train.recipe import (
    average_decay,
    device_name,
    learning_rate,
    seed,
    standard_error,
    versions,
)
from effscale.train.sources import check_output, classes_of, memory, view_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from effscale.spec.models import Spec
    from effscale.train.batches import Batch, Data
    from effscale.train.recipe import Recipe

#: Seconds after which a checkpoint is written also within an epoch.
OFTEN = 60.0


class Descent:
    """Gradient descent with Nesterov momentum; weights of norms do not decay.

    (torch's optimizers import torch._dynamo, a second before the first step; the
    function that they call does not.)
    """

    def __init__(self, net: nn.Module, recipe: Recipe) -> None:
        norms = [each for each in net.modules() if isinstance(each, NORMS)]
        free = {id(parameter) for each in norms for parameter in each.parameters()}
        decaying = [each for each in net.parameters() if id(each) not in free]
        others = [each for each in net.parameters() if id(each) in free]
        self._groups = (decaying, recipe.weight_decay), (others, 0.0)
        self._recipe = recipe
        self.momenta = [
            [torch.zeros_like(each) for each in group] for group, _ in self._groups
        ]

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Move the weights against their gradients, and forget these."""
        for (group, decay), momenta in zip(self._groups, self.momenta, strict=True):
            used = [k for k, each in enumerate(group) if each.grad is not None]
            sgd(
                [group[k] for k in used],
                [each.grad for each in group if each.grad is not None],
                [momenta[k] for k in used],
                weight_decay=decay,
                momentum=self._recipe.momentum,
                lr=rate,
                dampening=0,
                nesterov=True,
                maximize=False,
                foreach=True,
            )
            for each in group:
                each.grad = None

    @torch.no_grad()
    def load(self, momenta: list[list[torch.Tensor]]) -> None:
        for mine, theirs in zip(self.momenta, momenta, strict=True):
            for ours, other in zip(mine, theirs, strict=True):
                ours.copy_(other)


class Average:
    """A moving average of `net`: of its weights, and of batch norm's statistics.

    (`torch.optim.swa_utils.AveragedModel` waits for the device at every update.)
    """

    def __init__(self, net: nn.Module) -> None:
        self.module = deepcopy(net).eval().requires_grad_(requires_grad=False)
        pairs = list(zip(_tensors(self.module), _tensors(net), strict=True))
        self._averaged = [pair for pair in pairs if pair[0].is_floating_point()]
        self._counters = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self, decay: float) -> None:
        """Keep `decay` of what is here, take the rest of the other's; copy counters."""
        mine, theirs = map(list, zip(*self._averaged, strict=True))
        get_ema_multi_avg_fn(decay)(mine, theirs, 0)
        for ours, other in self._counters:
            ours.copy_(other)


def _tensors(net: nn.Module) -> Iterator[torch.Tensor]:
    yield from net.parameters()
    yield from net.buffers()


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to."""

    epoch: int  #: counted from 1
    loss: float  #: mean over the images trained on, with smoothed labels
    train_accuracy: float  #: of them, as they were augmented
    held_out_loss: float  #: of the averaged weights, labels as they are
    accuracy: float  #: of the averaged weights on the images held out


class Training:
    """A training of the network of `spec` on `data` by `recipe`.

    Takes up the checkpoint, if there is one. On the CPU its figures are always the
    same, in one go or in several, for the same number of threads.
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
    ) -> None:
        self.spec, self.data, self.recipe = spec, data, recipe
        self.device, self.workers, self.file = torch.device(device), workers, file
        images = len(data.train.labels)
        if recipe.batch > images:
            expected = f"expected at most the {images} images to learn from"
            raise TrainError(f"batch: {expected}, got {recipe.batch}")
        self.order = Order(images, recipe.batch, recipe.epochs, recipe.seed)
        self.step, self.seconds = 0, 0.0
        self.history: list[Epoch] = []
        self._view = view_of(spec)
        self._augmented = augmentation(recipe.augment)
        torch.manual_seed(seed(recipe.seed, "weights"))
        net = build(spec)  # on the CPU, so that all devices begin alike
        self.net = net.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        check_output(self.net, spec.name, self._view)
        self.average = Average(self.net)
        self._descent = Descent(self.net, recipe)
        #: Of losses and of right answers, since the epoch began.
        self._sums = torch.zeros(2, dtype=torch.float64, device=self.device)
        self._made_for = {"spec": dumps(spec), "data": data.digest, **asdict(recipe)}
        self._take_up()

    @property
    def steps(self) -> int:
        return self.recipe.epochs * self.order.per_epoch

    @property
    def images_per_second(self) -> float:
        """Images trained on, for each second of it; evaluation apart."""
        return self.step * self.recipe.batch / self.seconds if self.seconds else 0.0

    def run(self) -> Iterator[Epoch | None]:
        """Take the steps that are left; after each, the epoch if one has ended.

        Where it stops between two steps, `save` may be called and all is kept. With a
        file, that is also done after each epoch, and every minute.

        Raises:
            TrainError: if the loss is no number any more, or memory runs out.
            DataError: if an image cannot be read.
            OutputError: if the checkpoint cannot be written.
        """
        self.net.train()
        saved, begun = time.monotonic(), time.perf_counter()
        for images, labels in self._batches():
            with memory(self.recipe.batch):
                self._learn(images, labels)
                ended = self.step % self.order.per_epoch == 0
                sums = self._sums.tolist() if ended else []  # waits for the device
                self.seconds += time.perf_counter() - begun
                if ended:
                    self._end_epoch(*sums)
            if self.file and (ended or time.monotonic() - saved > OFTEN):
                self.save()
                saved = time.monotonic()
            yield self.history[-1] if ended else None
            begun = time.perf_counter()

    def save(self) -> None:
        """Write the checkpoint, if there is a file for it."""
        self._check(float(self._sums[0]))
        if self.file is None:
            return
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "history": [asdict(each) for each in self.history],
            "sums": self._sums.cpu(),
            "net": self.net.state_dict(),
            "average": self.average.module.state_dict(),
            "momenta": self._descent.momenta,
        }
        checkpoint.save(self.file, self._made_for, state)

    def outcome(self) -> dict[str, Any]:
        """The accuracy and all that it depends on, under the keys that JSON promises.

        Accuracy is that of the averaged weights at the end, not the best on the way:
        that would have been chosen by the very images it is measured on.
        """
        data, recipe = self.data, self.recipe
        last, held_out = self.history[-1], len(data.held_out.labels)
        return {
            "accuracy": last.accuracy,
            "classes": classes_of(self.spec),
            "standard_error": standard_error(last.accuracy, held_out),
            "loss": last.held_out_loss,
            **asdict(recipe),
            "steps": self.steps,
            "images_per_second": round(self.images_per_second, 1),
            "seconds": round(self.seconds, 3),
            "data": {
                "name": data.name,
                "classes": len(data.classes),
                "train": len(data.train.labels),
                "held_out": held_out,
                "split": data.split,
                "digest": data.digest,
            },
            "device": device_name(self.device),
            "threads": torch.get_num_threads(),
            "checkpoint": None if self.file is None else str(self.file),
            "versions": versions(recipe.augment),
            "history": [asdict(each) for each in self.history],
        }

    def _take_up(self) -> None:
        if self.file is None:
            return
        state = checkpoint.load(self.file, self._made_for)
        if state is None:
            return
        self.step, self.seconds = state["step"], state["seconds"]
        self.history = [Epoch(**each) for each in state["history"]]
        self._sums = state["sums"].to(self.device)
        self.net.load_state_dict(state["net"])
        self.average.module.load_state_dict(state["average"])
        self._descent.load(state["momenta"])

    def _batches(self) -> Iterator[Batch]:
        return batches(
            self.data.train,
            replace(self._view, crops=self.recipe.augment != "none"),
            replace(self.order, start=self.step),
            base=self.recipe.seed,
            workers=self.workers,
            pinned=self.device.type == "cuda",
        )

    def _learn(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        recipe = self.recipe
        torch.manual_seed(seed(recipe.seed, "step", self.step))
        warmup = round(recipe.warmup * self.steps)
        rate = learning_rate(self.step, self.steps, warmup, recipe.lr)
        labels = labels.to(self.device, non_blocking=True)
        batch = self._seen(images, augmented=True)
        with self._precision():
            logits = self.net(batch)
            loss = functional.cross_entropy(
                logits, labels, label_smoothing=recipe.smoothing
            )
        loss.backward()
        self._descent.step(rate)
        self.average.update(average_decay(self.step, recipe.average))
        self._sums += _sums(loss.detach(), logits.detach(), labels)
        self.step += 1

    def _seen(self, images: torch.Tensor, *, augmented: bool = False) -> torch.Tensor:
        """Bytes as the network sees them: augmented or not, from -1 to 1."""
        on_device = images.to(self.device, non_blocking=True).float() / 255
        if augmented:
            on_device = self._augmented(on_device)
        return (2 * on_device - 1).contiguous(memory_format=torch.channels_last)

    def _precision(self) -> torch.autocast:
        mixed = self.recipe.precision == "bfloat16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=mixed)

    def _end_epoch(self, losses: float, right: float) -> None:
        self._check(losses)
        trained = self.order.per_epoch * self.recipe.batch
        held_out_loss, accuracy = self._evaluate()
        self._check(held_out_loss)
        epoch = self.step // self.order.per_epoch
        means = losses / trained, right / trained
        self.history.append(Epoch(epoch, *means, held_out_loss, accuracy))
        self._sums.zero_()

    def _check(self, loss: float) -> None:
        if not math.isfinite(loss):
            epoch = math.ceil(self.step / self.order.per_epoch)
            raise TrainError(
                f"loss: expected a number, got {loss} in epoch {epoch}; "
                f"a learning rate below {self.recipe.lr:g} may do"
            )

    @torch.inference_mode()
    def _evaluate(self) -> tuple[float, float]:
        """Mean loss and accuracy of the averaged weights on the images held out."""
        held_out = self.data.held_out
        order = in_turn(len(held_out.labels), self.recipe.batch)
        sums = torch.zeros_like(self._sums)
        for images, labels in batches(
            held_out, self._view, order, base=0, workers=self.workers
        ):
            known = labels.to(self.device)
            with self._precision():
                logits = self.average.module(self._seen(images))
                loss = functional.cross_entropy(logits, known)
            sums += _sums(loss, logits, known)
        loss_sum, right = sums.tolist()
        return loss_sum / len(held_out.labels), right / len(held_out.labels)


def _sums(
    loss: torch.Tensor, logits: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    """Sum of a batch's losses, and how many of its images were told right."""
    right = (logits.argmax(1) == labels).sum()
    return torch.stack([loss.double() * len(labels), right.double()])
