"""The zoo: each built-in network is what its file says, what others counted, and built.

tests/published.csv has what others counted; an empty cell is a figure nobody gave, one
with a letter was rounded. pycls adds the biases to its flops. Transformers of
torchvision project queries, keys, values and outputs by functions, which hooks miss.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import pytest

import effscale as es
from effscale import quantity
from effscale.cost.count import layer_costs, part_costs
from effscale.errors import ScaleError
from effscale.growth.growth import growth_of
from effscale.growth.multipliers import strategy
from effscale.growth.scale import at_resolution, with_classes
from effscale.module.measure import difference, measure_spec
from effscale.network.network import network
from effscale.network.operators.convolution import Conv, Linear
from effscale.network.operators.norm import BatchNorm
from effscale.network.operators.pooling import Blur
from effscale.spec.geometry import least_sides
from effscale.spec.models import Expected
from effscale.spec.names import files, names
from effscale.spec.values import Model
from tests.each import of_each

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch.nn import Module

    from effscale.spec.models import Spec

pytestmark = pytest.mark.usefixtures("undrawn")

FIGURES = ("params", "macs", "activations")
NAMES = tuple(names())
#: Of no publication: what `effscale train` shows itself on.
OWN = {"digits"}
PUBLISHED = [name for name in NAMES if name not in OWN]
#: Families of which no one printed figures of the networks as they are trained:
#: ultralytics' tables are of networks whose batch norms are folded into convolutions.
UNPRINTED = {"unet", *(f"yolov{k}" for k in (3, 5, 6, 8, 9, 10)), "yolov8-cls"}
#: Of other heads, or put together of what others printed.
UNPRINTED |= {"hrnet-small", "dla", "deeplabv3plus", "semantic-fpn", "centernet"}
UNPRINTED |= {"yolo11", "yolo11-cls", "yolo12"}
#: A file's own network, of which its variants have the lines.
BASELINES = [name for name, (_, variant) in names().items() if variant is None]


class Row(NamedTuple):
    """A line of tests/published.csv."""

    name: str
    resolution: str
    params: str
    macs: str
    activations: str
    source: str

    @property
    def exact(self) -> bool:
        """Whether someone counted params and MACs to the last digit."""
        return self.params.isdigit() and self.macs.isdigit()


def table() -> list[Row]:
    with Path(__file__).with_name("published.csv").open(encoding="utf-8") as lines:
        return [Row(*each) for each in csv.reader(lines)][1:]


ROWS = table()

# Networks of which no source has both params and MACs to the last digit, and what they
# are held to instead, beside their blocks being those of a network that was counted.
ROUNDED = {
    "retinanet-r50",  # MACs to 97B; params, of other classes, in a test below
    "retinanet-r101",  # params to 53M, MACs to 127B
    "unet",  # params; MACs of a hand-written module, in tests/module
    "unet-32",  # as U-Net
    "nas-fpn-r50",  # params to 60M, MACs to 360B
    "nas-fpn-r50-1280",  # MACs to 563B
    "nas-fpn-r50-1280-384",  # params to 104M, MACs to 1043B
}


def biases(spec: Spec) -> int:
    """One addition for each element that a layer with a bias puts out."""
    return sum(
        int(each.visit.output.elements)
        for each in layer_costs(network(spec))
        if isinstance(each.visit.leaf, Linear)
        or (isinstance(each.visit.leaf, Conv) and each.visit.leaf.bias)
    )


def projections(spec: Spec) -> int:
    """Elements of queries, keys and values, and of what is made of the heads' outputs.

    torchvision's attention calls functions for them, of which no module tells.
    """
    return sum(
        int(each.cost.activations)
        for each in layer_costs(network(spec))
        if each.visit.path.endswith((".qkv", ".project"))
    )


def blurs(spec: Spec) -> int:
    """Elements of blurs, which timm convolves by a function."""
    return sum(
        int(each.cost.activations)
        for each in layer_costs(network(spec))
        if isinstance(each.visit.leaf, Blur)
    )


@cache
def loaded(name: str) -> Spec:
    """A built-in network, read once for all tests of it."""
    return es.load(name)


def figures_of(cost: es.Cost) -> dict[str, int]:
    return {name: int(getattr(cost, name)) for name in FIGURES}


def counted(spec: Spec) -> dict[str, int]:
    return figures_of(es.count(spec))


@cache
def cost_of(name: str) -> es.Cost:
    """What a built-in network costs, counted once for all tests of it."""
    return es.count(loaded(name))


def figures(name: str) -> dict[str, int]:
    return figures_of(cost_of(name))


@of_each(NAMES, shares=4)
def test_a_network_is_what_its_file_expects(name: str) -> None:
    spec, ours = loaded(name), figures(name)
    assert spec.name == name
    assert spec.expected == Expected(params=ours["params"], macs=ours["macs"])


@of_each(ROWS, shares=4)
def test_a_network_is_what_others_counted(row: Row) -> None:
    spec, cost = loaded(row.name), cost_of(row.name)
    if (int(row.resolution),) * 2 != spec.resolution:
        spec = at_resolution(spec, (int(row.resolution),) * 2)
        cost = es.count(spec)
    ours = figures_of(cost)
    ours["activations"] -= int(cost.product_outputs)  # of no module
    if row.source.startswith("pycls"):
        ours["macs"] += biases(spec)
    if "blurs being no modules" in row.source:
        ours["activations"] -= blurs(spec)
    if "projects by functions" in row.source:
        ours["activations"] -= projections(spec)
    for figure in FIGURES:
        if theirs := getattr(row, figure):
            assert quantity.agrees(theirs, ours[figure]), figure
            assert not theirs.isdigit() or int(theirs) == ours[figure], figure


def test_every_network_was_counted_by_someone_or_is_held_to_less() -> None:
    known = {(name, str(loaded(name).resolution[0])) for name in PUBLISHED}
    assert known <= {(row.name, row.resolution) for row in ROWS}
    exact = {row.name for row in ROWS if row.exact}
    assert set(PUBLISHED) - exact == ROUNDED


@of_each(PUBLISHED, shares=4)
def test_a_network_has_a_family_and_its_printed_figures_are_ours(name: str) -> None:
    """Rounded, or with a note, and with a source."""
    spec, printed = loaded(name), loaded(name).published
    assert None not in {spec.family, spec.source}
    if spec.family in UNPRINTED:
        return
    assert printed is not None
    assert printed.source
    texts = {figure: getattr(printed, figure) for figure in ("params", "macs")}
    departs = any(
        text and not quantity.agrees(text, figures(name)[figure])
        for figure, text in texts.items()
    )
    assert departs == (printed.note is not None)


@of_each(sorted(files().keys() - OWN))
def test_a_file_cites_its_architecture(stem: str) -> None:
    text = files()[stem].read_text(encoding="utf-8")
    comments, _, rest = text.partition("\nname: ")
    assert "\n# Architecture: " in comments
    assert rest.startswith(f"{stem}\n")


def test_tensorflows_profiler_counts_a_little_more_of_the_lite_family() -> None:
    # tpu/models/official/efficientnet/lite/README.md: MAdds. Of Lite0, 2 and 4, whose
    # MACs are in the table, 5.7, 4.6 and 3.4 % more; the others must lie between.
    over = []
    for index in range(5):
        spec = es.load(f"efficientnet-lite{index}")
        assert spec.published is not None
        assert spec.published.macs is not None
        madds = quantity.parse(spec.published.macs)
        over.append(round(madds / counted(spec)["macs"] - 1, 3))
    assert over == [0.057, 0.051, 0.046, 0.041, 0.034]


def test_retinanet_has_torchvisions_params_and_batch_norms_that_train() -> None:
    # torchvision 0.28.0, RetinaNet_ResNet50_FPN_Weights.COCO_V1: `num_params`; its
    # backbone's batch norms are frozen, and have none.
    spec = with_classes(es.load("retinanet-r50"), 91)
    norms = [
        int(each.cost.params)
        for each in layer_costs(network(spec))
        if isinstance(each.visit.leaf, BatchNorm)
    ]
    assert counted(spec)["params"] - sum(norms) == 34014999
    assert sum(norms) == 53120


# Params and MACs of stem, stages and head. AmoebaNet: by arithmetic from the wiring of
# tpu/models/official/amoeba_net/model_specs.py. NASNet and PNASNet: timm's, cells
# added up by stack. PolyNet: polynet.py of Cadene's pretrained-models.pytorch, two
# modules of which are a block here.
PARTS = {
    "amoebanet-a": [
        (928, 23522400),
        (36170, 287813402),
        (133609, 379326400),
        (3398910, 5955458040),
        (2028440, 1730389185),
        (14145120, 6217888320),
        (7919580, 1769441120),
        (56015040, 6766784640),
        (3044041, 3043040),
    ],
    "nasnet-a-large": [
        (2784, 70567200),
        (49230, 414774786),
        (121128, 323765568),
        (3538080, 6198498432),
        (1919904, 1739289888),
        (14470848, 6360306624),
        (7452480, 1766839872),
        (57165696, 6905340288),
        (4033000, 4032000),
    ],
    "pnasnet-5-large": [
        (2784, 70567200),
        (69468, 572826696),
        (221616, 587796264),
        (3939408, 6906441024),
        (15694560, 8134100352),
        (61808832, 8661344256),
        (4321000, 4320000),
    ],
    "polynet": [
        (605728, 2826338400),
        (2759040, 4158535680),
        (2902528, 1845116928),
        (44112000, 21107814400),
        (3542784, 699531264),
        (39395520, 4060108800),
        (2049000, 2048000),
    ],
}


@pytest.mark.parametrize("name", PARTS)
def test_the_parts_of_an_irregular_network_are_what_others_counted(name: str) -> None:
    parts = part_costs(network(es.load(name)))
    ours = [(int(each.cost.params), int(each.cost.macs)) for each in parts]
    assert ours == PARTS[name]


@pytest.mark.parametrize(
    ("name", "multipliers", "params"),
    [  # Networks of EfficientNet's table 3, recounted with ceil and multiples of 8
        ("mobilenetv1", es.Multipliers(width=2), 14742120),
        ("mobilenetv1", es.Multipliers(1.4, 1.2, 1.3), 8677512),
        ("mobilenetv2", es.Multipliers(depth=4), 12051800),
        ("mobilenetv2", es.Multipliers(width=2), 11258088),
        ("mobilenetv2", es.Multipliers(1.4, 1.2, 1.3), 7987552),
        ("resnet50", es.Multipliers(depth=4), 89824040),
        ("resnet50", es.Multipliers(width=2), 98004072),
        ("resnet50", es.Multipliers(1.4, 1.2, 1.3), 54887592),
    ],
)
def test_a_network_scales_as_others_did(
    name: str, multipliers: es.Multipliers, params: int
) -> None:
    assert es.count(es.scale(es.load(name), multipliers)).params == params


@pytest.mark.parametrize(
    ("weights", "side", "params", "flops", "activations"),
    [  # What pycls/models/scaler.py makes of RegNetY-4.0GF at 4 times its cost
        ("w1", 224, 69029488, 12254643408, 24171984),
        ("w1_g1", 224, 80236144, 15730033872, 24171984),
        ("d1_w1_r1", 284, 46481584, 14101852048, 34366032),
        ("d1_w8_g8_r1", 240, 68144472, 15608249240, 26542408),
    ],
)
def test_regnety_scales_as_pycls_scales_it(
    weights: str, side: int, params: int, flops: int, activations: int
) -> None:
    spec = es.scale(es.load("regnety-4.0gf"), strategy(weights, 2))
    assert spec.resolution == (side, side)
    ours = counted(spec)
    assert ours["macs"] + biases(spec) == flops
    assert (ours["params"], ours["activations"]) == (params, activations)


NO_DEPTH = "has no stage that repeats"
#: Networks of trees and modules that are there once each.
ONCE = {"alexnet", "googlenet"}
ONCE |= {f"dla{size}" for size in ("34", "60", "60x", "102", "102x", "102x2", "169")}
ONCE |= {"dla46-c", "dla46x-c", "dla60x-c", "centernet-dla34"}
ONCE |= {"dla60-res2net", "dla60-res2next"}


@of_each(BASELINES, shares=4)
def test_a_network_scales_or_says_why_it_does_not(name: str) -> None:
    spec, said = loaded(name), set()
    growth = growth_of(spec)
    wider = [] if spec.detector else [strategy("width", 1)]
    for multipliers in [growth.at_phi(-1), *wider, growth.at_phi(1)]:
        try:
            scaled = es.scale(spec, multipliers)
        except ScaleError as error:
            why, _, _ = str(error).rpartition(f"depth: {name} ")[2].partition(";")
            said.add(why)
    assert said == ({NO_DEPTH} if name in ONCE else set())
    assert said or es.count(scaled).macs > 0


def smallest(spec: Spec) -> Spec:
    """The spec for the smallest square or so that its lines meet at."""
    height, width = least_sides(spec)
    while True:
        try:
            return at_resolution(spec, (height, width))
        except ScaleError:
            height, width = height + 1, width + 1


def shallow(spec: Spec) -> Spec:
    """The spec with at most two blocks of each stage; those that follow are alike."""
    repeats = [min(2, getattr(line, "repeats", None) or 1) for line in spec.stages]
    stages = tuple(
        line.model_copy(update={"repeats": count}) if count > 1 else line
        for line, count in zip(spec.stages, repeats, strict=True)
    )
    return spec.model_copy(update={"stages": stages})


def measured(spec: Spec, net: Module) -> Module:
    """The module, of which torch counts what we count of the spec."""
    channels = int(spec.image_channels)
    found = es.measure(net, spec.resolution, engine="torch", image_channels=channels)
    assert difference(spec, found) is None
    return net


Sign: TypeAlias = tuple[str, ...]


def said(value: object) -> Iterator[Sign]:
    """Of every line within: its kind and its keys, whatever their numbers."""
    if isinstance(value, Model):
        yield type(value).__name__, *sorted(value.model_fields_set)
    inner = value.values() if isinstance(value, dict) else value
    if isinstance(value, Model):
        inner = [each for _, each in value]
    if isinstance(inner, Iterable) and not isinstance(inner, str):
        for each in inner:
            yield from said(each)


@cache
def lines(name: str) -> list[Sign]:
    """What a network's lines are, those within lines too."""
    spec = loaded(name)
    parts = spec.stem, spec.stages, spec.blocks, spec.cells, spec.sections
    return [*said([*parts, spec.outputs])]


@cache
def with_every(*, keys: bool) -> list[str]:
    """Baselines that have every kind of line between them, and with every set of keys.

    The shortest that bring something new are taken first.
    """
    kinds = {
        name: {each[: None if keys else 1] for each in lines(name)}
        for name in BASELINES
    }
    kept, left = [], set().union(*kinds.values())
    while left:
        name = max(kinds, key=lambda name: len(kinds[name] & left) / len(lines(name)))
        kept.append(name)
        left -= kinds[name]
    return kept


def traced(name: str) -> None:
    spec = shallow(smallest(loaded(name)))
    assert difference(spec, measure_spec(spec, "fvcore")) is None, name


#: Tests that share what is built.
SHARES = 12
shares = pytest.mark.parametrize("share", range(SHARES))


@pytest.mark.torch
@shares
def test_every_line_is_built_as_it_is_counted(share: int) -> None:
    for name in with_every(keys=True)[share::SHARES]:
        spec = shallow(loaded(name))
        measured(spec, es.build(spec, device="meta"))


@pytest.mark.torch
def test_every_kind_of_line_is_traced_on_the_smallest_image_that_it_takes() -> None:
    for name in with_every(keys=False):
        traced(name)


@pytest.mark.long
@shares
def test_every_line_is_traced_on_the_smallest_image_that_it_takes(share: int) -> None:
    for name in with_every(keys=True)[share::SHARES]:
        traced(name)


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_a_network_is_built_as_it_is_counted(name: str) -> None:
    """A file's own network whole, and at the smallest image that it takes.

    That is the same module, unless it has weights of each position. Variants, which
    have the same lines, are as wide as they are, and shallow.
    """
    spec = loaded(name) if name in BASELINES else shallow(loaded(name))
    net = measured(spec, es.build(spec, device="meta"))
    if name in BASELINES:
        least = smallest(spec)
        if any(step.visit.leaf.sized for step in layer_costs(network(spec))):
            net = es.build(least, device="meta")
        measured(least, net)
