"""Modules of plain torch as specs: recognised, proved, or refused in one line."""

from __future__ import annotations

import copy
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

import effscale as es
from effscale.errors import TranslationError
from effscale.growth.multipliers import Multipliers
from effscale.module.measure import difference, measure_spec
from effscale.report.importing import said
from tests.importing import nets
from tests.importing.nets import Residual, conv, net, plain, unit
from tests.importing.nets_joined import (
    blurred,
    encoding,
    exchanging,
    pyramid,
    rearranged,
)
from tests.importing.nets_parted import (
    meeting,
    parted,
    shuffled,
    turning,
    weighed,
)
from tests.importing.nets_tokens import lying, separate, transformer, windowed

if TYPE_CHECKING:
    from collections.abc import Callable

    from effscale.importing.network import Imported

IMAGE = 1, 3, 32, 32
#: Each, and the blocks that its stages are.
NETS = {
    **nets.NETS,
    shuffled: ["shuffled", "shuffled_2", "shuffled"],
    parted: ["cascading", "residual", "mixed_depthwise"],
    turning: ["unit_3"],
    encoding: [*2 * ["max_pool", "conv"], *2 * ["transposed_conv", "conv"]],
    blurred: ["blur_pool", "product", "conv", "product"],
    pyramid: ["conv", "conv", "concat", "upsample"],
    rearranged: ["conv", "pixel_shuffle", "conv"],
    exchanging: [
        *("conv", "conv", "conv", "upsample", "conv", "activation", "conv", "join")
    ],
    meeting: ["residual_2", *3 * ["down"], "conv"],
    transformer: ["class_token", "positions", "encoder"],
    separate: ["class_token", "positions", "encoder"],
    windowed: ["unit", *2 * ["pixel_unshuffle", "norm", "conv"]],
    lying: ["distances", "residual"],
    weighed: ["residual_2", "residual_3", "star", "conv", "layer_scale", "residual"],
}


@cache
def imported(make: Callable[[], nn.Module]) -> Imported:
    return es.from_module(make(), IMAGE)


@pytest.mark.parametrize("make", NETS, ids=lambda each: each.__name__)
def test_a_network_becomes_a_spec_of_known_blocks(
    make: Callable[[], nn.Module],
) -> None:
    found = imported(make)
    assert [line.block for line in found.spec.stages] == NETS[make]
    assert found.proof.apart is not None
    assert found.proof.apart < 1e-12
    assert es.loads(es.dumps(found.spec)) == found.spec
    counted = es.count(found.spec)
    assert found.spec.expected is not None
    assert found.spec.expected.params == counted.params


@pytest.mark.parametrize("make", NETS, ids=lambda each: each.__name__)
def test_what_was_imported_scales(make: Callable[[], nn.Module]) -> None:
    spec = imported(make).spec
    for multipliers in (Multipliers(width=1.3), Multipliers(1.2, 1.1, 1.5)):
        if multipliers.depth > 1 and all(line.times is None for line in spec.stages):
            continue
        wider = es.scale(spec, multipliers)
        assert difference(wider, measure_spec(wider, "torch")) is None


@pytest.mark.parametrize(
    ("slope", "said"),
    [(0.1, "leaky_relu(0.1)"), (0.001, "leaky_relu(0.001)"), (0.01, "leaky_relu")],
)
def test_a_leaky_relu_keeps_its_slope(slope: float, said: str) -> None:
    steep = nn.LeakyReLU(slope)
    spec = es.from_module(net(unit(8, 8), steep, unit(8, 8), channels=8), IMAGE)
    assert f"activation: {said}" in es.dumps(spec.spec)


def test_images_of_what_was_imported_fall_into_whole_patches() -> None:
    """Patches of 4×4, and neighbours among the channels twice; windows are filled."""
    assert imported(windowed).spec.rounding.resolution_multiple == 16
    assert imported(turning).spec.rounding.resolution_multiple == 8


def test_lines_read_others_by_the_modules_that_those_end_in() -> None:
    """A map that comes back to its size, one as large as another, two that cross."""
    assert [line.reads for line in imported(encoding).spec.stages if line.reads] == [
        ("downs", "ups.0"),
        ("stem", "ups.1"),
    ]
    spec = imported(pyramid).spec
    assert spec.stages[-1].likened == "low"
    assert spec.outputs["out"].reads == ("low", "up")
    crossing = imported(exchanging).spec.stages
    read = [(line.reads, line.merge) for line in crossing if line.reads]
    assert read == [
        (("stem",), "concat"),
        (("fine", "up"), "sum"),
        (("fine",), "concat"),
        (("end", "down", "coarse"), "sum"),
    ]


def test_maps_by_corners_or_of_no_size_that_is_there_are_refused() -> None:
    corners = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
    with pytest.raises(TranslationError, match=r"upsample_bilinear2d by corners: by"):
        es.from_module(net(unit(8, 8, 3, 2), corners, channels=8), IMAGE)
    with pytest.raises(TranslationError, match=r"brought to 20×20 positions: by a"):
        es.from_module(net(unit(8, 8, 3), nn.Upsample(20), channels=8), IMAGE)
    with pytest.raises(TranslationError, match=r"image's size, found neither"):
        es.from_module(nn.Sequential(unit(3, 8), unit(8, 8)), IMAGE)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # torch's own
def test_a_blur_that_is_learnt_is_none_and_a_decomposed_file_is_said() -> None:
    learnt = nn.Conv2d(8, 8, 3, 2, padding=1, padding_mode="reflect", groups=8)
    with pytest.raises(TranslationError, match=r"mirrored sides: before a window of"):
        es.from_module(net(unit(8, 8, 3), learnt, channels=8), IMAGE)
    program = torch.export.export(plain().eval(), (torch.rand(IMAGE),))
    with pytest.raises(TranslationError, match=r"conv2d is known, as it is before run"):
        es.from_module(program.run_decompositions().module(), IMAGE)


def test_a_pool_beside_a_convolution_leaves_no_row_out() -> None:
    """A 2×2 pool drops the last of odd rows, a 3×3 convolution keeps it."""
    assert imported(meeting).spec.rounding.resolution_multiple == 16


@pytest.mark.parametrize("make", [plain, separate, windowed])
def test_weights_of_the_original_load_by_the_mapping(
    make: Callable[[], nn.Module],
) -> None:
    """Also where ours are laid otherwise: heads, tables, neighbours."""
    module, found = make().double().eval(), imported(make)
    ours = es.build(found.spec).double().eval()
    missing, unknown = ours.load_state_dict(
        found.weights(module.state_dict()), strict=False
    )
    assert not unknown
    assert all(name.endswith("num_batches_tracked") for name in missing)
    image = torch.rand(2, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        assert torch.allclose(ours(image), module(image), atol=1e-12)


def test_the_module_stays_as_it_is() -> None:
    module = plain().train()
    before = copy.deepcopy(module.state_dict())
    kept = {name: id(each) for name, each in module.named_parameters()}
    es.from_module(module, IMAGE)
    assert module.training
    assert {name: id(each) for name, each in module.named_parameters()} == kept
    for name, each in module.state_dict().items():
        assert torch.equal(each, before[name])


class _Reads(nn.Module):
    """Goes another way for dark images."""

    def __init__(self) -> None:
        super().__init__()
        self.net = plain()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.net(x if x.sum() > 0 else -x)
        return found


class _Raises(_Reads):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise ValueError(f"no {x.shape[1]} channels\nhere")


class _Leaves(_Reads):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise SystemExit(x.shape[1])


class _Cuts(_Reads):
    """As many rows as there are bright pixels."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.net(x[:, :, : max(int((x > 0).sum()), 16)])
        return found


class _Standardised(nn.Conv2d):
    """Weights that have no mean and a variance of 1 (Qiao et al. 2019)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flat = self.weight.reshape(1, self.out_channels, -1)
        made = nn.functional.batch_norm(flat, None, None, training=True)
        return nn.functional.conv2d(x, made.reshape_as(self.weight))


class _Twice(nn.Module):
    """A convolution that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = unit(8, 8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.conv(self.conv(x))
        return found


class _Apart(nn.Module):
    """Half of the channels, and nothing of the rest."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x.chunk(2, 1)[0])


class _Elsewhere(_Reads):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.net(x.to("meta"))
        return found


class _Chooses(_Reads):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.net(torch.cond(x.sum() > 0, _same, torch.neg, (x,)))
        return found


def _same(x: torch.Tensor) -> torch.Tensor:
    return x.clone()


class _Two(nn.Module):
    """Two images that go in."""

    def __init__(self) -> None:
        super().__init__()
        self.net = plain()

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.net(x + y)
        return found


class _Placed(nn.Module):
    """Numbers of a buffer, or of no module, are added."""

    def __init__(self, *, buffer: bool) -> None:
        super().__init__()
        places = torch.zeros(1, 8, 16, 16)
        if buffer:
            self.register_buffer("places", places)
        else:
            self.places = places

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert isinstance(self.places, torch.Tensor)
        return x + self.places


class _Shifted(nn.Module):
    """A number for each position, added to all channels."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Conv2d(8, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = x + self.gate(x).sigmoid()
        return found


class _Attends(nn.Module):
    """A map by numbers for its positions that others have made, in a U-Net."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = unit(8, 8, 3, 2), nn.ConvTranspose2d(8, 8, 2, 2)
        self.gate, self.end = nn.Conv2d(8, 1, 1), nn.Conv2d(16, 8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.up(self.down(x))
        gate = self.gate(torch.relu(x + y)).sigmoid()
        found: torch.Tensor = self.end(torch.cat([x * gate, y], 1))
        return found


class _Uncopied(_Reads):
    def __init__(self) -> None:
        super().__init__()
        self.each = iter([1]), (k for k in "ab")


class _Trains(_Reads):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = nn.functional.dropout(self.net(x))
        return found


REFUSED: dict[str, tuple[nn.Module, str]] = {
    "reads data": (
        _Reads(),
        "what it does depends on the values that go in, which no spec says",
    ),
    "chooses": (
        _Chooses(),
        "the forward pass: cannot be said in a spec: torch.cond: what runs is chosen",
    ),
    "two": (
        _Two(),
        "expected one image that goes in, but its forward pass needs y beside 1x3x",
    ),
    "unmade": (
        nn.Sequential(nn.LazyConv2d(8, 3), plain()),
        "0: expected weights of known shapes, found those that are made when it is",
    ),
    "uncopied": (_Uncopied(), "_Uncopied: cannot be copied: TypeError: cannot pickle"),
    "trains": (
        _Trains(),
        "the forward pass: expected dropout as in evaluation, got it as in training",
    ),
    "one line": (
        nn.Sequential(unit(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        "expected a stem and a stage before the head, got 1 line",
    ),
    "raises": (_Raises(), "tracing it raised ValueError: no 3 channels here"),
    "leaves": (_Leaves(), "tracing it raised SystemExit: 3"),
    "cuts": (_Cuts(), "what it does depends on the values that go in"),
    "twice": (
        net(_Twice(), unit(8, 8), channels=8),
        "1.conv.0 (Conv2d): cannot be said in a spec: 1.conv.0.weight, which is used",
    ),
    "a part": (
        net(_Apart(), unit(4, 8), channels=8),
        "1 (_Apart): cannot be said in a spec: a part of a map's channels by itself",
    ),
    "elsewhere": (_Elsewhere(), "tracing it raised "),
    "standardised": (
        net(_Standardised(8, 8, 3), channels=8),
        "1 (_Standardised): cannot be said in a spec: weights that are standardised",
    ),
    "slope": (
        net(unit(8, 8), nn.LeakyReLU(1.1), channels=8),
        "2 (LeakyReLU): cannot be said in a spec: leaky_relu by a negative_slope of",
    ),
    "slopes": (
        net(unit(8, 8), nn.PReLU(8), channels=8),
        "2 (PReLU): cannot be said in a spec: prelu by 8 slopes: by one of all is",
    ),
    "buffer": (
        net(_Placed(buffer=True), unit(8, 8), channels=8),
        "1 (_Placed): cannot be said in a spec: 1.places, which is not learnt: param",
    ),
    "constant": (
        net(_Placed(buffer=False), unit(8, 8), channels=8),
        "1 (_Placed): cannot be said in a spec: 1.places, which is not learnt: param",
    ),
    "first": (
        nn.Sequential(Residual(unit(3, 3, 3), act=False), plain()),
        "cannot be said in a spec: a fused_mbconv of the image itself: a stem before",
    ),
    "attends": (
        net(_Attends(), channels=8),
        "1 (_Attends): cannot be said in a spec: the product of maps of 8 and 1",
    ),
    "shifted": (
        net(_Shifted(), channels=8),
        "1 (_Shifted): cannot be said in a spec: the sum of maps of 8 and 1 channels",
    ),
    "operator": (
        net(nn.CELU(), channels=8),
        "1 (CELU): cannot be said in a spec: operator celu",
    ),
    "no head": (
        nn.Sequential(unit(3, 8, 3), unit(8, 8, 3)),
        "expected a classifier (a mean of all positions, linear layers), or 1×1 conv",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_no_spec_says_is_refused_in_a_line(
    what: str, capfd: pytest.CaptureFixture[str]
) -> None:
    module, message = REFUSED[what]
    with pytest.raises(TranslationError) as error:
        es.from_module(module, IMAGE)
    said = str(error.value)
    assert message in said
    assert "\n" not in said
    assert capfd.readouterr() == ("", "")


def test_what_goes_in_is_one_image() -> None:
    message = "expected one image that goes in, such as 1x3x224x224, got 1x3"
    with pytest.raises(TranslationError, match=message):
        es.from_module(plain(), (1, 3))
    with pytest.raises(TranslationError, match=r"such as 1x3x224x224, got 2x3x8x8$"):
        es.from_module(plain(), (2, 3, 8, 8))


class _Named(nn.Module):
    """A network that has two names in it."""

    def __init__(self) -> None:
        super().__init__()
        self.net = self.again = plain()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.again(x)
        return found


class _Small(nn.Module):
    """Two convolutions and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = unit(3, 8, 3, 2), unit(8, 8, 3)
        self.classify = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.second(self.first(x)).mean((2, 3))
        return self.classify(found) if hasattr(self, "classify") else found


@pytest.mark.parametrize("backbone", [False, True])
def test_a_module_that_holds_the_whole_network_is_no_block_of_it(
    *, backbone: bool
) -> None:
    """As in what wraps a network, or puts a head behind a backbone."""
    inner = _Small()
    outer = nn.Sequential(inner)
    if backbone:
        outer.append(inner.classify)
        del inner.classify
    found = es.from_module(outer, IMAGE)
    assert [line.block for line in found.spec.stages] == ["conv"]
    assert not found.spec.blocks


def test_a_module_may_have_two_names() -> None:
    module = _Named()
    found = es.from_module(module, IMAGE)
    assert found.proof.holds
    assert not found.proof.unread
    assert found.weights(module.state_dict())


@pytest.mark.filterwarnings("ignore::FutureWarning")  # torch's own, of its own ways
def test_a_file_may_be_of_any_batch() -> None:
    """Sizes in it are symbols, which fvcore cannot trace; torch counts it alone."""
    batch = ({0: torch.export.Dim("batch", min=1, max=8)},)
    image = (torch.zeros(2, *IMAGE[1:]),)
    program = torch.export.export(plain().eval(), image, dynamic_shapes=batch)
    module = torch.export.unflatten(program)
    found = es.from_module(module, IMAGE)
    assert found.proof.holds
    assert "by count and module by torch, spec by fvcore, spec by torch;" in said(
        found.proof
    )


class _Aux(nn.Module):
    """A second classifier that is there while it is trained alone."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.aux = plain(), nn.Linear(4, 5)

    def forward(self, x: torch.Tensor) -> Any:  # noqa: ANN401
        found = self.net(x)
        return (found, self.aux(x[:, 0, 0, :4])) if self.training else found


def test_params_that_are_not_read_are_said() -> None:
    proof = es.from_module(_Aux(), IMAGE).proof
    assert proof.holds
    assert proof.unread == {"aux": 25}


class _Silent(nn.Module):
    """A stretch that cannot be told from the trace: its weights are at rest."""

    def __init__(self) -> None:
        super().__init__()
        self.net = net(
            Residual(nn.Sequential(unit(8, 8, 3), conv(8, 8), nn.BatchNorm2d(8))),
            channels=8,
        )
        for each in self.net.modules():
            if isinstance(each, nn.BatchNorm2d):
                nn.init.zeros_(each.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.net(x)
        return found


def test_weights_at_rest_are_shaken_before_outputs_are_compared() -> None:
    """Else every norm would put out zeros, and any two networks the same."""
    found = es.from_module(_Silent(), IMAGE)
    assert found.proof.holds


class _Within(nn.Module):
    """Layers, some within stretches of other precision or with gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.body = unit(3, 8, 3, 2), unit(8, 8, 3)
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast(x.device.type, enabled=False):
            x = self.stem(x)
            with torch.enable_grad():
                x, beside = self.body(x), x
                x += beside
        with torch.enable_grad():
            x.mul_(2.0)
        found: torch.Tensor = self.head(torch.relu(x))
        return found


def test_stretches_that_compute_as_ever_are_read_where_they_run() -> None:
    found = es.from_module(_Within(), IMAGE)
    assert found.proof.holds
    assert len(found.spec.stages) == 2
