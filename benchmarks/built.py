"""Built networks beside torchvision's own: a run of one image, and a training step.

    python benchmarks/built.py --device cuda
    python benchmarks/built.py --side 32 --batch 2 --seconds 1

Both have the same weights and put out the same, or nothing is timed. They take turns,
A B A B …, in one process; a line has the median time of each, and the median of the
ratios ours/theirs with its quartiles. Weights and images are float32; in training
autocast computes in the type that the line says, and a step is forward, cross entropy,
backward and SGD with momentum. On a CPU one thread is timed. The smaller `--side`, the
more of the time is Python's own. Needs torchvision (the extra `parity`).
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

import torch
from torch import nn
from torchvision import models

import effscale as es
from effscale.module.clocks import Stopwatch
from effscale.module.latency import machine, quartiles
from effscale.module.mapping import load_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Names here and there.
NETWORKS = {
    "resnet50": "resnet50",
    "b0": "efficientnet_b0",
    "mobilenetv3-large": "mobilenet_v3_large",
}
TRAINED = "resnet50", "b0"
#: In what a step computes, and where its channels are.
WAYS = (
    (torch.float32, torch.contiguous_format),
    (torch.bfloat16, torch.contiguous_format),
    (torch.bfloat16, torch.channels_last),
)
#: Turns at least, whatever they take.
TURNS = 5


def both(name: str) -> tuple[nn.Module, nn.Module]:
    """Ours and torchvision's, of the same weights and so of the same outputs.

    Raises:
        AssertionError: if they are not the same network.
    """
    spec, theirs = es.load(name), getattr(models, NETWORKS[name])()
    if name == "b0":  # torchvision's is padded and normalised as ResNets are
        of_torch = {"padding": "centred", "norm": es.load("resnet50").norm}
        spec = spec.model_copy(update=of_torch)
    ours = es.build(spec, init=False)
    load_weights(ours, theirs.state_dict())
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(ours.eval()(image), theirs.eval()(image))
    return ours, theirs


def step(
    net: nn.Module, images: torch.Tensor, dtype: torch.dtype
) -> Callable[[], object]:
    """A training step of the network, again and again on the same images."""
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    wanted = torch.arange(len(images), device=images.device)
    kind, mixed = images.device.type, dtype != torch.float32

    def take() -> None:
        with torch.autocast(kind, dtype, enabled=mixed):
            loss = nn.functional.cross_entropy(net(images), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return take


def in_turn(
    runs: Sequence[Callable[[], object]], device: str, seconds: float
) -> list[list[float]]:
    """What each takes in each turn, after both have settled."""
    watches = [Stopwatch(run, device) for run in runs]
    for watch in watches:
        watch.settle(seconds / 2)
    turns, end = list[list[float]](), time.perf_counter() + seconds
    while len(turns) < TURNS or time.perf_counter() < end:
        turns.append([watch.block() for watch in watches])
    return turns


def report(what: str, turns: list[list[float]], images: int) -> None:
    """Print a line of ours beside theirs."""
    ours, theirs = (median(each) for each in zip(*turns, strict=True))
    ratios = [one / other for one, other in turns]
    low, high = quartiles(ratios)
    print(
        f"{what:44}{1000 * ours:9.3f} / {1000 * theirs:.3f} ms, "
        f"{images / ours:.0f} / {images / theirs:.0f} images/s, "
        f"ratio {median(ratios):.3f} ({low:.3f} to {high:.3f})",
        flush=True,
    )


def main() -> None:
    """Time one image, then training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=128, help="images of a step")
    parser.add_argument("--side", type=int, default=224, help="pixels of an image")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each line")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.backends.cudnn.benchmark = True
    print(f"{machine(asked.device)}, torch {torch.__version__}; ours / theirs")
    pairs = {name: both(name) for name in NETWORKS}
    for pair in pairs.values():
        for net in pair:
            net.to(asked.device)
    images = torch.randn(asked.batch, 3, asked.side, asked.side, device=asked.device)
    timed = partial(in_turn, device=asked.device, seconds=asked.seconds)
    with torch.inference_mode():
        for name, pair in pairs.items():
            runs = [partial(net.eval(), images[:1]) for net in pair]
            report(f"{name}, one image", timed(runs), 1)
    for name in TRAINED:
        for dtype, layout in WAYS:
            seen = images.contiguous(memory_format=layout)
            for net in pairs[name]:
                net.train().to(memory_format=layout)  # type: ignore[call-overload]
            turns = timed([step(net, seen, dtype) for net in pairs[name]])
            where = " channels last" if layout == torch.channels_last else ""
            said = str(dtype).removeprefix("torch.") + where
            report(f"{name}, a step, {said}", turns, asked.batch)


if __name__ == "__main__":
    main()
