"""Tests of `effscale.module.export`: files that give the same."""

from __future__ import annotations

import json
import re
import zipfile
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import pytest
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

import effscale as es
from effscale.errors import ExportError
from effscale.module import export as module
from effscale.module.export import Decode, Export, Form, export, export_spec
from effscale.module.latency import images
from effscale.module.mapping import load_weights
from tests.spec.small import TEXT

if TYPE_CHECKING:
    from collections.abc import Callable

    from effscale.module.export import Run

pytestmark = pytest.mark.torch

FORMS: tuple[Form, ...] = get_args(Form)


@pytest.fixture
def small() -> es.Spec:
    return es.loads(TEXT)


class Levels(NamedTuple):
    """What a detector puts out."""

    classes: tuple[torch.Tensor, ...]
    boxes: tuple[torch.Tensor, ...]


class TwoLevels(nn.Module):
    """Class scores and boxes at two levels, as a detector has them."""

    def __init__(self) -> None:
        super().__init__()
        self.classes, self.boxes = nn.Conv2d(3, 5, 3), nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> Levels:
        """Two maps of each."""
        levels = (x, nn.functional.max_pool2d(x, 2))
        return Levels(
            tuple(self.classes(each) for each in levels),
            tuple(self.boxes(each) for each in levels),
        )


def takes_any_number(found: Export, form: Form) -> None:
    """Of images, and gives the logits of each."""
    assert found.form == form
    assert found.inputs == {"image": [None, 3, 32, 32]}
    assert found.outputs == {"output": [None, 1000]}
    assert found.difference <= (1e-5 if form == "onnx" else 0)


@pytest.mark.parametrize("form", [each for each in FORMS if each != "onnx"])
def test_takes_any_number_of_images(small: es.Spec, tmp_path: Path, form: Form) -> None:
    path = tmp_path / "small.pt2"
    takes_any_number(export_spec(small, path, form), form)
    assert path.stat().st_size > 0


def test_takes_just_so_many_images(small: es.Spec, tmp_path: Path) -> None:
    found = export_spec(small, tmp_path / "small.pt2", "exported", batch=4)
    assert found.inputs == {"image": [4, 3, 32, 32]}
    assert found.outputs == {"output": [4, 1000]}


def test_onnx_is_what_other_programs_read(small: es.Spec, tmp_path: Path) -> None:
    import onnxruntime

    path = tmp_path / "small.onnx"
    takes_any_number(export_spec(small, path, "onnx", seed=3), "onnx")
    session = onnxruntime.InferenceSession(path)
    (entry,) = session.get_inputs()
    assert (entry.name, entry.shape) == ("image", ["batch", 3, 32, 32])
    assert b".py" not in path.read_bytes()  # nor any other path of this machine
    torch.manual_seed(3)
    net = es.build(small).eval()
    (batch,) = images((3, 32, 32))(5)
    (theirs,) = session.run(["output"], {"image": batch.numpy()})
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(theirs), net(batch))


def test_exported_is_what_torch_loads(small: es.Spec, tmp_path: Path) -> None:
    path = tmp_path / "small.pt2"
    export_spec(small, path, "exported")
    assert torch.export.load(path).module()(torch.zeros(7, 3, 32, 32)).shape == (
        7,
        1000,
    )


@pytest.mark.parametrize("form", FORMS)
def test_says_nothing_of_the_machine_that_wrote_it(
    small: es.Spec, tmp_path: Path, form: Form
) -> None:
    path = tmp_path / "small"
    export_spec(small, path, form)
    held = [path.read_bytes()]
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            held = [archive.read(name) for name in archive.namelist()]
    for code in (module.__file__, nn.__file__):
        folder = str(Path(code).parent)
        assert not any(folder.encode() in each for each in held)


def test_onnx_says_of_a_node_which_module_it_is_of(
    small: es.Spec, tmp_path: Path
) -> None:
    import onnx

    export_spec(small, tmp_path / "small.onnx", "onnx")
    graph = onnx.load(tmp_path / "small.onnx").graph
    notes = {note.key for node in graph.node for note in node.metadata_props}
    assert notes == {"pkg.torch.onnx.name_scopes"}


@pytest.mark.parametrize("form", ["torchscript", "exported", "onnx"])
def test_several_outputs_have_a_name_each(tmp_path: Path, form: Form) -> None:
    found = export(TwoLevels(), (3, 16, 16), tmp_path / "two.pt2", form)
    assert found.outputs == {
        "classes_0": [None, 5, 14, 14],
        "classes_1": [None, 5, 6, 6],
        "boxes_0": [None, 4, 14, 14],
        "boxes_1": [None, 4, 6, 6],
    }


def test_the_seed_makes_the_weights_and_nothing_else(
    small: es.Spec, tmp_path: Path
) -> None:
    torch.manual_seed(5)
    random = torch.get_rng_state()
    paths = [tmp_path / name for name in "abc"]
    for path, seed in zip(paths, (1, 1, 2), strict=True):
        export_spec(small, path, "state-dict", seed=seed)
    one, same, other = (torch.load(path)["stem.conv.weight"] for path in paths)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), random)


def test_trained_weights_go_on(small: es.Spec, tmp_path: Path) -> None:
    trained = es.build(small)
    torch.save(trained.state_dict(), tmp_path / "trained.pth")
    path = tmp_path / "again.pth"
    export_spec(small, path, "state-dict", weights=tmp_path / "trained.pth")
    for name, each in torch.load(path).items():
        assert torch.equal(each, trained.state_dict()[name])


class Random(nn.Module):
    """A network that gives something else each time."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Noise."""
        return x + torch.randn(x.shape)


def test_another_output_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ExportError) as caught:
        export(Random(), (3, 8, 8), tmp_path / "x.pt2", "torchscript")
    assert str(caught.value).startswith(
        f"expected the outputs of the network from torch {torch.__version__}, got some"
    )


class Branching(nn.Module):
    """A network whose way depends on its values, which a graph cannot hold."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """One way or the other."""
        return x if x.sum() > 0 else -x


def test_what_a_format_cannot_hold_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ExportError) as caught:
        export(Branching(), (3, 8, 8), tmp_path / "x.pt2", "exported")
    assert str(caught.value).startswith("cannot be written as exported: ")
    assert "\n" not in str(caught.value)


def test_more_than_onnx_holds_is_refused(
    small: es.Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ONNX_BYTES", 1000)
    with pytest.raises(ExportError) as caught:
        export_spec(small, tmp_path / "x.onnx", "onnx")
    assert str(caught.value) == (
        "expected less than 1.00 kB of weights for one ONNX file, got 70.6 kB; "
        "--file-format exported has no such limit"
    )


TINY = """
name: tiny
resolution: [4, 8]
stem: {kernel: 3, stride: 2, channels: 4}
stages: [{block: conv, kernel: 3, channels: 4}]
neck: {levels: [1, 2], channels: 4, wiring: fpn}
heads: {classes: 2, anchors: {scales: 1, ratios: [1.0]}}
"""


@pytest.mark.parametrize("form", ["torchscript", "exported"])
def test_operators_of_later_versions_are_written(tmp_path: Path, form: Form) -> None:
    """GELU has changed since: torch says so in another record of a script."""
    path = tmp_path / "x.pt2"
    export(nn.Sequential(nn.Conv2d(3, 4, 1), nn.GELU()), (3, 8, 8), path, form)
    assert path.exists()


def puts_out_boxes(found: Export) -> None:
    """Ten boxes, and the scores of two classes."""
    assert found.outputs == {"boxes": [None, 10, 4], "scores": [None, 10, 2]}
    assert found.difference < 1e-5


@pytest.mark.parametrize("form", ["torchscript", "exported"])
def test_a_detector_can_put_out_boxes_in_pixels(tmp_path: Path, form: Form) -> None:
    path = tmp_path / "tiny.pt2"
    puts_out_boxes(export_spec(es.loads(TINY), path, form, decode=Decode()))


def test_onnx_gives_the_boxes_that_decode_gives(tmp_path: Path) -> None:
    import onnxruntime

    spec, path = es.loads(TINY), tmp_path / "tiny.onnx"
    puts_out_boxes(export_spec(spec, path, "onnx", seed=3, decode=Decode()))
    torch.manual_seed(3)
    net = es.build(spec).eval()
    (batch,) = images((3, 4, 8))(2)
    session = onnxruntime.InferenceSession(path)
    boxes, scores = session.run(["boxes", "scores"], {"image": batch.numpy()})
    with torch.no_grad():
        expected = es.decode(spec, net(batch))
    torch.testing.assert_close(torch.from_numpy(boxes), expected.boxes)
    torch.testing.assert_close(torch.from_numpy(scores), expected.scores)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_programs_of_torch_give_outputs_by_name(tmp_path: Path) -> None:
    for form, name in {"torchscript": "x.ts", "exported": "x.pt2"}.items():
        export(TwoLevels(), (3, 16, 16), tmp_path / name, form)  # type: ignore[arg-type]
    script = torch.jit.load(tmp_path / "x.ts")
    program = torch.export.load(tmp_path / "x.pt2").module()
    for loaded in (script, program):
        found = loaded(torch.zeros(3, 3, 16, 16))
        assert [*found] == ["classes_0", "classes_1", "boxes_0", "boxes_1"]


def test_the_best_boxes_alone_can_be_put_out(tmp_path: Path) -> None:
    decode = Decode(nms=0.3, boxes=4)
    found = export_spec(es.loads(TINY), tmp_path / "tiny.onnx", "onnx", decode=decode)
    assert found.outputs == {
        "boxes": [None, 4, 4],
        "scores": [None, 4],
        "classes": [None, 4],
    }
    assert [*found.means] == [*found.outputs]
    assert found.difference < 1e-5


class Uneven(nn.Module):
    """A large output, and a small one that is something else each time."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Numbers about 10⁶ and about 1."""
        return x + 1e6, torch.randn(x.shape)


def test_a_small_output_is_not_measured_by_a_large_one(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="got some that are"):
        export(Uneven(), (3, 8, 8), tmp_path / "x.pt2", "torchscript")


def test_safetensors_say_what_they_are(small: es.Spec, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    found = export_spec(small, path, "safetensors", seed=3)
    assert found.difference == 0
    header = path.read_bytes()[8:600].decode("utf-8", "replace")
    for fact in ('"network": "small"', '"resolution": "32x32"', '"classes": "1000"'):
        assert fact in header
    ours, theirs = es.build(small), es.build(small)
    load_weights(ours, path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        theirs = es.build(small)
    for name, each in ours.state_dict().items():
        assert torch.equal(each, theirs.state_dict()[name])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_format_of_a_program_says_what_it_is(
    small: es.Spec, tmp_path: Path
) -> None:
    files = {"torchscript": "x.ts", "exported": "x.pt2"}
    for form, name in files.items():
        export_spec(small, tmp_path / name, form)  # type: ignore[arg-type]
    told = {module.FACTS: ""}
    torch.jit.load(tmp_path / "x.ts", _extra_files=told)
    assert json.loads(told[module.FACTS])["network"] == "small"
    told = {module.FACTS: ""}
    torch.export.load(tmp_path / "x.pt2", extra_files=told)
    assert json.loads(told[module.FACTS])["padding"] == "centred"


def test_opset_and_number_of_images_are_those_asked_for(
    small: es.Spec, tmp_path: Path
) -> None:
    onnx = pytest.importorskip("onnx")
    path = tmp_path / "x.onnx"
    found = export_spec(small, path, "onnx", opset=19, batch=4)
    assert found.version == "ONNX opset 19"
    assert found.inputs == {"image": [4, 3, 32, 32]}
    assert found.outputs == {"output": [4, 1000]}
    model = onnx.load(path)
    assert {each.key: each.value for each in model.metadata_props}["classes"] == "1000"


def rounding() -> nn.Sequential:
    """Maps of thousands that hardly vary, and a norm that takes nothing but that."""
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)
    assert conv.bias is not None
    assert norm.running_mean is not None
    with torch.no_grad():
        conv.bias.normal_(3e3, 300)
        norm.running_mean.copy_(conv.bias)
    return nn.Sequential(conv, norm).eval()


def test_what_onnx_rounds_otherwise_is_no_other_output(tmp_path: Path) -> None:
    """The norm is in the convolution of a file of ONNX."""
    pytest.importorskip("onnxruntime")
    found = export(rounding(), (3, 8, 8), tmp_path / "x.onnx", "onnx", batch=2)
    assert module.TOLERANCE < found.difference < 1e-3


def read_otherwise(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], None] = lambda _net: None
) -> None:
    """A file is read by a program that folds the norm, of a network that is changed."""

    def read(net: nn.Module, _path: Path) -> tuple[Run, str]:
        other: Any = deepcopy(net)
        change(other)
        folded = fuse_conv_bn_eval(other[0], other[1])
        return (lambda batch: [folded(batch)]), "it"

    formats = {"state-dict": (lambda *_: "folded", read)}
    monkeypatch.setattr("effscale.module.export._FORMATS", formats)


def more_noise(net: Any) -> None:  # noqa: ANN401
    net[1].eps = 0.01


def another_scale(net: Any) -> None:  # noqa: ANN401
    net[1].weight[0] *= 1.01


def another_kernel(net: Any) -> None:  # noqa: ANN401
    net[0].weight[3] *= 0.99


@pytest.mark.parametrize("change", [more_noise, another_scale, another_kernel])
def test_of_what_amplifies_rounding_another_network_is_told(
    change: Callable[[Any], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = rounding(), (3, 8, 8), tmp_path / "x"
    read_otherwise(monkeypatch)
    assert module.TOLERANCE < export(*given, "state-dict").difference < 1e-3
    read_otherwise(monkeypatch, change)
    with pytest.raises(ExportError) as caught:
        export(*given, "state-dict")
    assert re.fullmatch(
        r"expected the outputs of the network from it, got some that are 0\.0\d+ of "
        r"the largest apart, where the last bit of its weights makes 0\.000\d+",
        str(caught.value),
    )


def test_what_the_last_bit_decides_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No check could tell such an output from that of another network."""
    net: Any = rounding()
    with torch.no_grad():
        net[0].weight *= 1e-3
    read_otherwise(monkeypatch)
    with pytest.raises(ExportError, match="the last bit of its weights makes"):
        export(net, (3, 8, 8), tmp_path / "x", "state-dict")


def test_learnt_tokens_are_exported_for_any_batch(tmp_path: Path) -> None:
    spec = es.loads(
        "name: tokens\nresolution: 8\nstem: {kernel: 4, stride: 4, channels: 4, "
        "padding: valid}\n"
        "stages: [{block: class_token, tokens: 3}, {block: drop_tokens}]\n"
        "head: {classes: 5}\n"
    )
    export_spec(spec, tmp_path / "tokens.pt2", "exported")
    loaded = torch.export.load(tmp_path / "tokens.pt2").module()
    assert loaded(torch.zeros(7, 3, 8, 8)).shape == (7, 5)
