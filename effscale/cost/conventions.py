"""The same network in the numbers that other tools print, term by term.

Each tool's rules are read from its source, in the version that `VERSIONS` has, and
held by tests to what it prints of the built network. What they call FLOPs or MACs are
sums of a few amounts, so that one network's figures differ by terms that have names.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from effscale.choices import TOOLS, Tool
from effscale.cost.count import leaf_cost, visited
from effscale.errors import LayerError
from effscale.network.operators.operator import TALLIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from effscale.cost.count import Visit
    from effscale.network.operators.operator import Tally
    from effscale.network.parts import Network

#: The versions whose rules these are; `paper` and effscale's MACs are one.
VERSIONS = {
    "fvcore": "0.1.5.post20221221",
    "torch": "2.13.0",
    "torchinfo": "1.8.0",
    "ptflops": "0.7.5",
    "thop": "0.1.1.post2209072238",
    "calflops": "0.3.2",
}


class Rule(NamedTuple):
    """A term of a tool's figure: so many times the amounts of those names."""

    term: str
    times: int
    amounts: tuple[Tally, ...]


class Term(NamedTuple):
    """So many times an amount: `2 × 386 M MACs`, `2 × 2.4 M pooling`."""

    name: str
    times: int
    amount: int


_MACS = Rule("MACs", 1, ("macs", "products", "fixed"))
_TWICE = _MACS._replace(times=2)
#: Of tools that see modules alone, and within one neither products of feature maps nor
#: convolutions with weights that are not learnt.
_LAYERS = Rule("MACs of layers", 1, ("macs",))
_NORM = Rule("batch norm", 2, ("norm",))
_LAYER_NORM = Rule("layer norm", 5, ("layer_norm",))
_OTHER_NORMS = (
    Rule("group norm", 5, ("group_norm",)),
    Rule("instance norm", 5, ("instance_norm",)),
)
_RESIZED = Rule("resizing", 1, ("resized",))

#: Sources: fvcore/nn/jit_handles.py:246-260, flop_count.py:38-44 (adaptive pooling);
#: torch/utils/flop_counter.py:85; torchinfo/layer_info.py:225-245;
#: ptflops/pytorch_ops.py:276-325, pytorch_engine.py:347-391 (modules and functions both
#: count ReLU, GELU and pooling, in the default backend); thop/profile.py:21-62,
#: thop/vision/basic_hooks.py; calflops/pytorch_ops.py:37-201, 453-505.
#: Products: fvcore/nn/jit_handles.py:115-156; ptflops/pytorch_ops.py:385;
#: calflops/pytorch_ops.py:274, 507; torchinfo and thop go by modules.
RULES: dict[Tool, tuple[Rule, ...]] = {
    "paper": (_MACS,),
    "fvcore": (
        _MACS,
        _NORM,
        _LAYER_NORM,
        *_OTHER_NORMS,
        Rule("pooling", 1, ("global_in",)),
        _RESIZED,
        Rule("resizing, bilinear", 3, ("bilinear",)),
    ),
    "torch": (_TWICE,),
    "torchinfo": (
        _LAYERS,
        Rule("bias", 1, ("conv_bias", "linear_bias")),
        Rule("batch norm", 2, ("norm_channels",)),
        Rule("layer norm", 2, ("layer_norm_channels",)),
        Rule("scales", 1, ("scales",)),
        Rule("fusion", 1, ("fused",)),
    ),
    "ptflops": (
        _MACS,
        Rule("bias", 1, ("conv_bias", "linear_bias")),
        _NORM,
        Rule("group norm", 2, ("group_norm",)),
        Rule("instance norm", 2, ("instance_norm",)),
        Rule("activation functions", 1, ("silu", "relu6", "leaky_relu")),
        Rule("activation functions", 2, ("relu", "gelu", "gelu_tanh", "elu", "prelu")),
        Rule("pooling", 2, ("global_in", "global_max_in", "max_in", "avg_in")),
        _RESIZED,
        Rule("shared layers, again", 1, ("shared",)),
    ),
    "thop": (
        _LAYERS,
        Rule("batch norm", 4, ("norm",)),
        Rule("instance norm", 4, ("instance_norm",)),
        Rule("activation functions", 1, ("prelu",)),
        Rule("pooling", 1, ("global_in", "global_out", "avg_out")),
        Rule("transposed, by their output", 1, ("transposed",)),
        Rule("shared layers, again", 1, ("shared_hooks",)),
    ),
    "calflops": (
        _TWICE,
        Rule("bias", 1, ("conv_bias",)),
        _NORM,
        _LAYER_NORM,
        *_OTHER_NORMS,
        Rule("activation functions", 1, ("silu", "relu", "gelu", "gelu_tanh")),
        Rule("other activation functions", 1, ("leaky_relu", "elu", "prelu")),
        Rule("pooling", 1, ("global_in", "global_max_in", "max_in", "avg_in")),
        Rule("resizing, one channel", 1, ("resized_positions",)),
        Rule("shared layers, again", 2, ("shared",)),
    ),
}

#: Terms of which a tool counts every element twice, once by a module's hook.
COUNTED_TWICE = [
    rule
    for rule in RULES["ptflops"]
    if rule.times == 2 and rule.term in {"activation functions", "pooling"}  # noqa: PLR2004
]


def conventions(net: Network) -> dict[str, int]:
    """What each tool prints for `net`, by arithmetic, for one image."""
    found = amounts(step for each in visited(net) for step in each.visits)
    return {tool: figure(found, tool) for tool in TOOLS}


def figure(found: Counter[str], tool: Tool) -> int:
    return sum(each.times * each.amount for each in terms(found, tool))


def terms(found: Counter[str], tool: Tool) -> list[Term]:
    """The terms of the tool's figure, MACs first; those that are 0 are left out."""
    made = []
    for rule in RULES[tool]:
        amount = sum(found[name] for name in rule.amounts)
        if "macs" in rule.amounts:
            other = found["products"] or found["fixed"]
            name = rule.term if other else _MACS.term
            made.append(Term(name, rule.times, amount))
        elif amount:
            times = 2 if rule in COUNTED_TWICE else 1
            made.append(Term(rule.term, times, rule.times // times * amount))
    return made


def amounts(steps: Iterable[Visit]) -> Counter[str]:
    """What tools count, in elements or MACs of one image, by the names of `RULES`."""
    return sum((each for _, each in amounts_of(steps)), Counter[str]())


def amounts_of(steps: Iterable[Visit]) -> Iterator[tuple[Visit, Counter[str]]]:
    """The same for each visit; a layer's later uses have to know of the earlier."""
    uses: Counter[str] = Counter()
    for step in steps:
        cost = leaf_cost(step)
        macs, products = int(cost.macs), int(cost.products)
        found = Counter[str]({"macs": macs - products, "products": products})
        found.update(step.leaf.tallies(step.input, step.output))
        if unknown := found.keys() - TALLIES:
            raise LayerError(f"{step.path}: no tool's rule knows {sorted(unknown)}")
        if (shared := step.leaf.shared) is not None:
            # Walking a tree of modules meets a layer of n uses n times, each time with
            # what its n calls have summed up: (n² - n)f more than n calls.
            uses[shared] = n = uses[shared] + 1 if step.tied else 1
            found["shared"] = 2 * (n - 1) * macs
            # thop hooks the layer at each meeting besides: (n³ - n)f more.
            found["shared_hooks"] = 3 * n * (n - 1) * macs
        yield step, Counter({name: int(step.times) * n for name, n in found.items()})
