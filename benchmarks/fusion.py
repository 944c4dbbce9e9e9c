"""What a way to fuse feature maps costs in time, as a multiple of the fast one.

Table 6 of Tan, Pang & Le 2020 (arXiv:1911.09070v7) has detectors with the fast fusion
1.26 to 1.31 times as fast as with softmax, on a GPU. Here D0 and D3 take an image, and
learn from it, with each fusion in turn, A B C D A B C D …, in one process: a line says
the median of the ratios to the fast one, and their spread. `stacked` is softmax as
automl/efficientdet/efficientdet_arch.py:418-475 writes it: the maps are copied into one
tensor, weighted and summed. Without a GPU it is the time of one thread that counts,
which other work on the machine does not stretch.

    make bench-torch
    python benchmarks/fusion.py d0
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import TYPE_CHECKING

import torch
from torch import nn

import effscale as es
from effscale.module.operators import Fused
from effscale.spec.neck import Neck

if TYPE_CHECKING:
    from collections.abc import Callable

FAST, STACKED = "fast", "stacked"
KINDS = (FAST, "softmax", STACKED, "sum")
#: What stands in a spec, where it is not the kind.
FUSION = {STACKED: "softmax"}
#: Detectors, and how often each is timed.
ROUNDS = {"d0": 9, "d3": 5}
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CLOCK = time.perf_counter if DEVICE == "cuda" else time.process_time


class Stacked(nn.Module):
    """Softmax fusion of maps that are copied into one tensor first."""

    def __init__(self, weights: nn.Parameter) -> None:
        super().__init__()
        self.weights = weights

    def forward(self, maps: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Several (N, C, H, W) to one."""
        weights = self.weights.flatten().softmax(dim=0)
        return (torch.stack(maps, dim=-1) * weights).sum(dim=-1)


def detector(name: str, kind: str) -> nn.Module:
    """A built-in detector with that fusion."""
    spec = es.load(name)
    neck = dict(spec.neck or {})
    fused = Neck.model_validate({**neck, "fusion": FUSION.get(kind, kind)})
    net = es.build(spec.model_copy(update={"neck": fused}))
    for path, module in list(net.named_modules()) if kind == STACKED else ():
        if isinstance(module, Fused):
            parent, _, child = path.rpartition(".")
            setattr(net.get_submodule(parent), child, Stacked(module.weights))
    return net.to(DEVICE)


def maps(net: nn.Module, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """What the neck is given of an image."""
    found: list[tuple[torch.Tensor, ...]] = []
    hook = net.get_submodule("neck").register_forward_pre_hook(
        lambda _module, given: found.append(given[0])
    )
    with torch.no_grad():
        net(image)
    hook.remove()
    return found[0]


def infer(net: nn.Module, given: object) -> None:
    """One pass."""
    net.eval()
    with torch.inference_mode():
        net(given)


def train(net: nn.Module, given: object) -> None:
    """One step down the mean of all that is put out."""
    net.train()
    leaves: list[torch.Tensor] = []
    _flatten(net(given), leaves)
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-6)
    optimizer.zero_grad()
    torch.stack([each.mean() for each in leaves]).sum().backward()
    optimizer.step()


def _flatten(value: object, found: list[torch.Tensor]) -> None:
    if isinstance(value, torch.Tensor):
        found.append(value)
    elif isinstance(value, tuple):
        for each in value:
            _flatten(each, found)


def seconds(
    work: Callable[[nn.Module, object], None], net: nn.Module, given: object
) -> float:
    """How long it takes, to its end on a GPU too."""
    start = CLOCK()
    work(net, given)
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return CLOCK() - start


def report(name: str, nets: dict[str, nn.Module], given: object, rounds: int) -> None:
    """Print a line for inference and one for training."""
    for work in (infer, train):
        for net in nets.values():
            seconds(work, net, given)
        times = [
            {kind: seconds(work, net, given) for kind, net in nets.items()}
            for _ in range(rounds)
        ]
        fast = statistics.median(each[FAST] for each in times)
        line = f"{name:8} {work.__name__:5} {1000 * fast:8.1f} ms"
        for kind in KINDS[1:]:
            ratios = [each[kind] / each[FAST] for each in times]
            low, high = min(ratios), max(ratios)
            line += (
                f"  {kind} {statistics.median(ratios):.2f} ({low:.2f} to {high:.2f})"
            )
        print(line, flush=True)


def main() -> None:
    """Time the neck alone, and the whole detector."""
    torch.set_num_threads(1)
    print(f"on {DEVICE}; the fast fusion's time, and multiples of it")
    for name, rounds in ROUNDS.items():
        if name not in (sys.argv[1:] or ROUNDS):
            continue
        nets = {kind: detector(name, kind) for kind in KINDS}
        height, width = map(int, es.load(name).resolution)
        image = torch.zeros(1, 3, height, width, device=DEVICE)
        necks = {kind: net.get_submodule("neck") for kind, net in nets.items()}
        report(f"{name} neck", necks, maps(nets[FAST], image), rounds)
        report(name, nets, image, rounds)


if __name__ == "__main__":
    main()
