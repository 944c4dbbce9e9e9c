"""Counters side by side, on one network: time and memory, each in a process of its own.

Those that are installed (the extra `parity`): fvcore, ptflops, torchinfo and torch's
counter used directly, and effscale's three ways. Times are of the counting alone, with
the network built and all imported; memory is what the process grew by meanwhile.

    make bench-torch
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from importlib.util import find_spec

NETWORK, RUNS = "b4", 3

#: What every process does first, and last.
BEFORE = """
import contextlib, io, json, resource, sys, time, warnings
warnings.simplefilter("ignore")
import torch
import effscale as es
from effscale.network.network import network
torch.set_num_threads(1)
spec = es.load({network!r})
image = torch.zeros(1, 3, *spec.resolution)
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
"""
AFTER = """
{build}
{imports}
before, start = peak(), time.perf_counter()
with torch.no_grad(), contextlib.redirect_stdout(io.StringIO()):
    {count}
took = time.perf_counter() - start
print(json.dumps([took, (peak() - before) / 1024, int(found)]))
"""
BUILT = "net = es.build(spec, init=False).eval()"

#: Name, package, what is imported beforehand, the call; whether it needs the module.
COUNTERS = {
    "effscale, by arithmetic": ("effscale", "", "found = es.count(spec).macs", False),
    "effscale by torch, on meta": (
        "effscale",
        "from effscale.module.measure import measure_spec",
        "found = measure_spec(spec, 'torch').macs",
        False,
    ),
    "effscale by fvcore": (
        "effscale",
        "import fvcore.nn, fvcore.nn.jit_analysis",
        "found = es.measure(net, spec.resolution).macs",
        True,
    ),
    "fvcore": (
        "fvcore",
        "from fvcore.nn import FlopCountAnalysis",
        (
            "analysis = FlopCountAnalysis(net, image).unsupported_ops_warnings(False)\n"
            "    found = analysis.total()"
        ),
        True,
    ),
    "effscale by torch, a module": (
        "effscale",
        "import effscale.module.flops",
        "found = es.measure(net, spec.resolution, engine='torch').macs",
        True,
    ),
    "torch's counter": (
        "torch",
        "from torch.utils.flop_counter import FlopCounterMode",
        (
            "counter = FlopCounterMode(display=False)\n"
            "    with counter: net(image)\n"
            "    found = counter.get_total_flops()"
        ),
        True,
    ),
    "ptflops": (
        "ptflops",
        "from ptflops import get_model_complexity_info as info",
        (
            "found = info(net, tuple(image.shape[1:]), as_strings=False, "
            "print_per_layer_stat=False)[0]"
        ),
        True,
    ),
    "torchinfo": (
        "torchinfo",
        "from torchinfo import summary",
        "found = summary(net, input_data=image, verbose=0).total_mult_adds",
        True,
    ),
}


def run(name: str) -> tuple[float, float, int]:
    """Seconds, MiB and the figure of one counter, in a process of its own."""
    _, imports, count, module = COUNTERS[name]
    code = BEFORE.format(network=NETWORK) + AFTER.format(
        build=BUILT if module else "", imports=imports, count=count
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    seconds, grown, figure = json.loads(done.stdout.splitlines()[-1])
    return float(seconds), float(grown), int(figure)


def main() -> None:
    """Run the counters in turn, and print a line for each."""
    names = [name for name, each in COUNTERS.items() if find_spec(each[0])]
    found: dict[str, list[tuple[float, float, int]]] = {name: [] for name in names}
    for _ in range(RUNS):
        for name in names:
            found[name].append(run(name))
    print(f"{NETWORK}, counting alone, median of {RUNS}")
    for name, runs in found.items():
        seconds = [each[0] for each in runs]
        grown = statistics.median(each[1] for each in runs)
        spread = f"({min(seconds):.3f} to {max(seconds):.3f})"
        median = statistics.median(seconds)
        print(f"{name:28} {median:7.3f} s {spread:18} {grown:7.0f} MiB {runs[0][2]:,}")
    for ours, direct in (
        ("effscale by fvcore", "fvcore"),
        ("effscale by torch, a module", "torch's counter"),
    ):
        ratios = [a[0] / b[0] for a, b in zip(found[ours], found[direct], strict=True)]
        print(f"{ours} / {direct}: {statistics.median(ratios):.2f}, at most 1.1")


if __name__ == "__main__":
    main()
