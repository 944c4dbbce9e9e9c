"""`effscale train` beside a plain loop of torchvision's recipe: accuracy and images/s.

The loop is one of its own: torch's SGD, LinearLR and CosineAnnealingLR one behind the
other, an exponential average, label smoothing and no weight decay of norms, as
references/classification/train.py of torchvision puts them together; batch norm's
statistics by torch's `update_bn`. Network, images, batches in size and learning rate
are the same, the weights and the order of images are drawn from other seeds. A line is
of one network: accuracies in per cent, mean over three seeds ± its standard error, and
images a second of a thread's own time, which other work on the machine does not
stretch, as the median of the ratios, ours over theirs.

    python benchmarks/recipe.py digits mobilenetv3-small
"""

from __future__ import annotations

import statistics
import sys
import time
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn
from torch.utils.data import DataLoader, TensorDataset

import effscale as es
from effscale.train.recipe import Recipe, peak_rate
from effscale.train.sources import digits, fitted, view_of
from effscale.train.trainer import Training

if TYPE_CHECKING:
    from collections.abc import Sequence

SEEDS = 3


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


def ours(of: Asked, seed: int) -> tuple[float, float]:
    """Accuracy, and images for each second of this thread."""
    data = digits()
    recipe = Recipe(of.epochs, of.batch, peak_rate("sgd", of.batch), seed)
    training = Training(fitted(of.spec, data, None), data, recipe)
    began = time.process_time()
    for _ in training.run():
        pass
    seconds = time.process_time() - began
    return training.history[-1].accuracy, training.steps * of.batch / seconds


def theirs(of: Asked, seed: int) -> tuple[float, float]:
    """The same of the plain loop."""
    data = digits()
    spec = fitted(of.spec, data, None)
    view, draws = view_of(spec), torch.Generator()
    parts = [
        (
            torch.stack(
                [part.image(k, view, draws) for k in range(len(part.labels))]
            ).float()
            / 127.5
            - 1,
            torch.tensor(part.labels),
        )
        for part in (data.train, data.validation)
    ]
    (images, labels), (held, known) = parts
    torch.manual_seed(1000 + seed)
    net = es.build(spec).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
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
    average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    pairs = TensorDataset(images, labels)
    loader = DataLoader(pairs, of.batch, shuffle=True, drop_last=True)
    began = time.process_time()
    net.train()
    for _ in range(of.epochs):
        for seen, known_labels in loader:
            loss = functional.cross_entropy(
                net(seen), known_labels, label_smoothing=0.1
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            average.update_parameters(net)
        accuracy = _accuracy(average.module, images, held, known)
    seconds = time.process_time() - began
    return accuracy, steps * of.batch / seconds


def _groups(net: nn.Module) -> list[dict[str, object]]:
    norms = {
        id(each)
        for module in net.modules()
        if isinstance(module, nn.BatchNorm2d)
        for each in module.parameters()
    }
    every = list(net.parameters())
    return [
        {"params": [each for each in every if id(each) not in norms]}
        | {"weight_decay": 1e-5},
        {"params": [each for each in every if id(each) in norms]}
        | {"weight_decay": 0.0},
    ]


@torch.no_grad()
def _accuracy(
    net: nn.Module, images: torch.Tensor, held: torch.Tensor, known: torch.Tensor
) -> float:
    judged = deepcopy(net)
    update_bn(images[torch.randperm(len(images))[:512]].split(64), judged)
    judged.eval()
    right = sum(
        int((judged(part).argmax(1) == labels).sum())
        for part, labels in zip(held.split(64), known.split(64), strict=True)
    )
    return right / len(known)


def _said(accuracies: Sequence[float]) -> str:
    mean = statistics.fmean(accuracies)
    error = statistics.stdev(accuracies) / len(accuracies) ** 0.5
    return f"{100 * mean:.1f} ± {100 * error:.1f}"


def main(names: Sequence[str]) -> None:
    """A line for each network, ours and theirs in turn."""
    torch.set_num_threads(1)
    for name in names or ("digits", "mobilenetv3-small", "lite0", "b0"):
        of = asked(name)
        pairs = [(ours(of, seed), theirs(of, seed)) for seed in range(SEEDS)]
        mine, other = ([pair[k][0] for pair in pairs] for k in (0, 1))
        ratio = statistics.median(a[1] / b[1] for a, b in pairs)
        print(
            f"{name:<18} ours {_said(mine)} %  plain {_said(other)} %  "
            f"images/s, ours over plain: {ratio:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
