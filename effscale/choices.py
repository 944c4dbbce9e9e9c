"""Names and bounds that options offer, here so that --help loads nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Whose figures a cost can be restated as: `cost.conventions` has their rules.
Tool = Literal["paper", "fvcore", "torch", "torchinfo", "ptflops", "thop", "calflops"]
TOOLS: tuple[Tool, ...] = get_args(Tool)

#: The papers' tables by name: `compare.paper_tables` has them.
TABLES = (
    *("efficientnet-2", "efficientnet-3", "efficientnet-5", "efficientnet-7"),
    *("efficientdet-1", "efficientdet-2", "efficientdet-4", "efficientdet-5"),
)

#: How the names of specs end.
SPECS = (".yaml", ".yml")

#: Formats of pictures, by how the names of files end.
PICTURES = ("png", "svg")

#: What has a row of its own in `profile`.
By = Literal["part", "layer", "operator", "level"]
BY: tuple[By, ...] = get_args(By)

#: What a grid holds to its target: α·β²·γ², or the MACs of the rounded network.
Constraint = Literal["nominal", "realised"]
CONSTRAINTS: tuple[Constraint, ...] = get_args(Constraint)

#: What the largest network can be the largest in.
MOST = ("macs", "params", "activations")

#: What a grid's networks are put in order by.
SORTS = ("deviation", "rms_error", "params", "activations", "macs", "resolution")

#: Pairs of a box and a class among which those that overlap are left out.
MOST_BOXES = 1000

#: What weights and feature maps may be stored as: bytes of an element.
ELEMENT_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
#: The same where nothing is run: what a quantized network would be stored as, too.
STORED_BYTES = {**ELEMENT_BYTES, "int8": 1}
StoredName = Literal["float32", "bfloat16", "float16", "int8"]
#: Images at once, threads of a CPU, and classes, at most.
MAX_BATCH, MAX_THREADS, MAX_CLASSES = 2**16, 1024, 2**20
#: Ratios, shares, steps and coefficients, and bounds in pixels, at most.
MAX_NUMBER, MAX_PIXELS = 1000, 2**31
#: What a network may be run on, in words, and as a pattern.
DEVICES = "cpu, cuda, cuda:N, mps, xpu or xpu:N"
DEVICE_PATTERN = "^(cpu|mps|(xpu|cuda)(:[0-9]{1,3})?)$"
#: What a network may be run by: torch, or once it is exported ONNX Runtime; the latter
#: has none of torch's ways to lay out, compile and replay, and runs on a CPU and CUDA.
Runtime = Literal["torch", "onnxruntime"]
RUNTIMES: tuple[Runtime, ...] = get_args(Runtime)
#: Kinds of devices that both run on.
SHARED_DEVICES = ("cpu", "cuda")
#: MACs that a machine does while it moves a byte. An NVIDIA V100 does 7.8 T MACs/s in
#: float32 and moves 0.9 TB/s: 8.7. CPUs of many cores are near it.
BALANCE = 10

#: |φ| beyond which no network is left: 2^φ is then 10^15 times the baseline's cost.
MAX_PHI = 50.0

#: How the growth s is shared: the exponents of d = s^e_d, w² = s^e_w, r² = s^e_r.
#: Single dimensions as in Tan & Le 2019, tables 3 and 7; their pairs, and all three
#: alike (`dwr`), as in Dollár, Singh & Girshick 2021 (arXiv:2103.06877), table 2.
SHARES: Mapping[str, tuple[float, float, float]] = {
    "depth": (1, 0, 0),
    "width": (0, 1, 0),
    "resolution": (0, 0, 1),
    "dw": (1 / 2, 1 / 2, 0),
    "dr": (1 / 2, 0, 1 / 2),
    "wr": (0, 1 / 2, 1 / 2),
    "dwr": (1 / 3, 1 / 3, 1 / 3),
}


def is_cuda(device: str) -> bool:
    """Whether it is CUDA, which alone captures graphs: `cuda`, `cuda:1`."""
    return device.startswith("cuda")


def of_torch(device: str, ways: Mapping[str, object]) -> str:
    """What of these no other runtime has: `device`, or the first of the ways in use.

    Nothing if it has all of them.
    """
    if device.partition(":")[0] not in SHARED_DEVICES:
        return "device"
    return next((name for name, used in ways.items() if used), "")
