"""The words of the answers: what each means, in what unit, and its key in JSON.

Headings of tables, the glossary of pages and that of the documents are made of these.
"""

from __future__ import annotations

from typing import NamedTuple


class Term(NamedTuple):
    """A word, what it means, and what it counts in."""

    word: str
    means: str
    unit: str = ""


#: By the key that rows have in JSON, or by a name of its own.
TERMS = {
    "macs": Term(
        "MACs",
        "Multiply-accumulates of convolutions, linear layers and products of feature "
        "maps for one image; no bias, norm, activation or pooling. What papers often "
        "call FLOPs.",
        "count",
    ),
    "flops": Term("FLOPs", "2 × MACs; shown with --units flops.", "count"),
    "params": Term(
        "params",
        "Trainable parameters, scale and shift of norms included.",
        "count",
    ),
    "activations": Term(
        "activ.",
        "Activations: output elements of convolutions, linear layers and products.",
        "count",
    ),
    "products": Term(
        "products", "MACs of products of two feature maps, as in attention.", "count"
    ),
    "resolution": Term("input", "Height and width of the image.", "pixels"),
    "phi": Term("φ", "Compound coefficient: the target is 2^φ times the baseline."),
    "coefficients": Term(
        "α β γ", "Growth of depth, width and resolution for one φ.", "factor"
    ),
    "depth_multiplier": Term("d", "Factor on the repeats of stages.", "factor"),
    "width_multiplier": Term("w", "Factor on channels.", "factor"),
    "resolution_multiplier": Term("r", "Factor on the sides of the image.", "factor"),
    "macs_ratio": Term(
        "MACs ratio",
        "MACs over those of the baseline, or of what stands there.",
        "factor",
    ),
    "target_ratio": Term(
        "target",
        "What MACs are to be, as a multiple of the baseline's: 2^φ, or what was asked.",
        "factor",
    ),
    "deviation": Term(
        "deviation",
        "How far a figure is from its target: MACs / target − 1, more if positive.",
        "%, a fraction in JSON",
    ),
    "share": Term("share", "Part of the network's MACs.", "%, a fraction in JSON"),
    "grid_points": Term(
        "grid points", "Points of a grid that round to this one network.", "count"
    ),
    "rms_error": Term(
        "rms error",
        "Root mean square, over all φ, of log(MACs ratio / target).",
        "%, a fraction in JSON",
    ),
    "pareto": Term(
        "◆", "Pareto front: no other has fewer params and activations both."
    ),
    "own_coefficients": Term("★", "The spec's own coefficients."),
    "budget": Term(
        "budget", "Limits that a spec sets to its own network, in `budget:`."
    ),
    "memory": Term(
        "memory",
        "Weights, and the most that feature maps take at one time in inference.",
        "bytes",
    ),
    "training_memory": Term(
        "training memory",
        "Weights, and the most that feature maps and gradients take at one time in "
        "training; the state of an optimizer comes to that.",
        "bytes",
    ),
    "latency": Term("latency", "Time of one run on the device that is named.", "s"),
    "intensity": Term(
        "MACs/B",
        "Arithmetic intensity: MACs for each byte read or written. Below the machine's "
        "balance a part is memory-bound.",
        "MACs per byte",
    ),
    "stage": Term("stage", "Blocks of one width; the first has the stride."),
    "block": Term("block", "Layers around one skip connection."),
    "level": Term("P3 … P7", "Feature map of 1/2^n of the image's sides."),
}


def word(key: str) -> str:
    """The heading of what stands under a key."""
    return TERMS[key].word


def page() -> str:
    """The glossary as a table of Markdown."""
    rows = (
        f"| {term.word} | {term.means} | {term.unit} | {_code(key)} |\n"
        for key, term in TERMS.items()
    )
    return "| word | means | unit | key |\n|---|---|---|---|\n" + "".join(rows)


#: Terms that no row of JSON has under that key.
UNSAID = {"flops", "stage", "block", "level", "budget"}


def _code(key: str) -> str:
    return "" if key in UNSAID else f"`{key}`"
