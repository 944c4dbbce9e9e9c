"""Files of torch in hostile hands: nothing that they hold is run."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from effscale.errors import MeasureError, WeightsError
from effscale.module.any_module import load
from effscale.module.mapping import load_weights

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

MODEL, EXAMPLES = "models/model.json", "data/sample_inputs/model.pt"
WEIGHTS = "data/weights/model_weights_config.json"
CONSTANTS = "data/constants/model_constants_config.json"
RAN = "ran"
CODE = f"__import__('pathlib').Path({RAN!r}).touch()"


class Net(nn.Module):
    """A parameter, a buffer, and a batch of any size."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.register_buffer("shift", torch.ones(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.linear(x) + self.shift).reshape(x.shape[0] * 3)


class Runs:
    """What makes a file when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (RAN,)


class Writes(nn.Module):
    """TorchScript may write files."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.save(x, "ran")
        return x


class Maps(nn.Module):
    """TorchScript may map files, and make them."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.from_file("ran", shared=True, size=4)


@pytest.fixture(scope="module")
def honest() -> dict[str, bytes]:
    """The records of a file as torch.export writes it."""
    batch = torch.export.Dim("batch", min=2, max=64)
    example = (torch.randn(4, 4),)
    program = torch.export.export(Net(), example, dynamic_shapes=({0: batch},))
    file = io.BytesIO()
    torch.export.save(program, file)
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(autouse=True)
def within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder to run in, with a module that must not be imported."""
    (tmp_path / "evil.py").write_text(CODE, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)


def written(records: dict[str, bytes], path: str = "net.pt2") -> str:
    with zipfile.ZipFile(path, "w") as archive:
        for name, record in records.items():
            archive.writestr(name, record)
    return path


def changed(records: dict[str, bytes], name: str, new: bytes) -> dict[str, bytes]:
    root = next(iter(records)).partition("/")[0]
    return {**records, f"{root}/{name}": new}


def edited(
    records: dict[str, bytes], name: str, edit: Callable[[Any], object]
) -> dict[str, bytes]:
    """The records with one of JSON edited."""
    root = next(iter(records)).partition("/")[0]
    found = json.loads(records[f"{root}/{name}"])
    edit(found)
    return changed(records, name, json.dumps(found).encode())


def test_an_honest_file_is_read(honest: dict[str, bytes]) -> None:
    found = load(written(honest), {})
    assert [tuple(each.shape) for each in found.inputs] == [(4, 4)]
    assert found.module(torch.zeros(2, 4)).shape == (6,)


def saved(value: object) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def graph(model: Any) -> Any:  # noqa: ANN401 - JSON
    return model["graph_module"]["graph"]


def with_target(target: str, *arguments: dict[str, object]) -> Callable[[Any], object]:
    def edit(model: Any) -> None:  # noqa: ANN401
        node = graph(model)["nodes"][0]
        node["target"] = target
        if arguments:
            node["inputs"] = [
                {"name": "", "arg": each, "kind": 1} for each in arguments
            ]

    return edit


def with_size(text: str) -> Callable[[Any], object]:
    def edit(model: Any) -> None:  # noqa: ANN401
        for each in graph(model)["tensor_values"].values():
            for size in each["sizes"]:
                if "as_expr" in size:
                    size["as_expr"]["expr_str"] = text

    return edit


def with_context(context: str) -> Callable[[Any], object]:
    def edit(model: Any) -> None:  # noqa: ANN401
        signature = model["graph_module"]["module_call_graph"][0]["signature"]
        tree = {"type": "builtins.tuple", "context": context, "children_spec": []}
        signature["in_spec"] = json.dumps([1, tree])

    return edit


def renamed(new: str) -> Callable[[Any], object]:
    """The model with its input of another name, everywhere."""

    def edit(model: Any) -> None:  # noqa: ANN401
        text = json.dumps(model).replace('"x"', json.dumps(new))
        model.clear()
        model.update(json.loads(text))

    return edit


def pickled(config: Any) -> None:  # noqa: ANN401
    next(iter(config["config"].values()))["use_pickle"] = True


def as_object(kind: str) -> Callable[[Any], object]:
    def edit(config: Any) -> None:  # noqa: ANN401
        config["config"]["evil"] = {
            "path_name": f"{kind}_0",
            "is_param": False,
            "use_pickle": True,
            "tensor_meta": None,
        }

    return edit


ENUM = json.dumps({"__enum__": True, "fqn": "evil:Evil", "name": "a"})
EDITS: dict[str, tuple[str, Callable[[Any], object]]] = {
    "call of a function": (MODEL, with_target("torch.os.mkdir", {"as_string": RAN})),
    "call that loads a library": (
        MODEL,
        with_target("torch.ops.load_library.__call__.__call__", {"as_string": "a.so"}),
    ),
    "call by an operator": (MODEL, with_target("_operator.methodcaller")),
    "call of a file's operator": (
        MODEL,
        with_target(
            "torch.ops.aten.from_file.default",
            {"as_string": RAN},
            {"as_bool": True},
            {"as_int": 4},
        ),
    ),
    "size by sympy": (MODEL, with_size(CODE)),
    "size by attributes": (MODEL, with_size("Symbol('s0').__class__")),
    "size that takes for ever": (MODEL, with_size("9**9**9**9")),
    "guard": (MODEL, lambda model: model.update(guards_code=[CODE])),
    "import by an enum": (MODEL, with_context(ENUM)),
    "name with a default": (MODEL, renamed(f"x={CODE}")),
    "comment that ends": (
        MODEL,
        lambda model: graph(model)["nodes"][0]["metadata"].update(
            stack_trace=f'File "a\r    {CODE}", line 1, in forward\n    pass'
        ),
    ),
    "weight as a pickle": (WEIGHTS, pickled),
    "opaque object": (CONSTANTS, as_object("opaque_obj")),
    "custom object": (CONSTANTS, as_object("custom_obj")),
}


@pytest.mark.parametrize(("name", "edit"), EDITS.values(), ids=EDITS)
def test_what_a_graph_says_is_not_run(
    name: str, edit: Callable[[Any], object], honest: dict[str, bytes]
) -> None:
    records = edited(honest, name, edit)
    for kind in ("opaque_obj", "custom_obj"):
        records = changed(records, f"data/constants/{kind}_0", pickle.dumps(Runs()))
    if edit is pickled:
        records = changed(records, "data/weights/weight_0", saved(Runs()))
    with pytest.raises(MeasureError, match="refused, and nothing of it was run") as e:
        load(written(records), {})
    assert "\n" not in str(e.value)
    assert not Path(RAN).exists()


@pytest.mark.parametrize(
    "name",
    [
        EXAMPLES,
        "data/weights/model.pt",
        "data/constants/model.pt",
        "data/aotinductor/model/a.so",
    ],
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_what_is_pickled_is_not_run(
    name: str, protocol: int, honest: dict[str, bytes]
) -> None:
    for evil in (saved(Runs()), pickle.dumps(Runs(), protocol)):
        with pytest.raises(MeasureError, match="refused, and nothing of it was run"):
            load(written(changed(honest, name, evil)), {})
    assert not Path(RAN).exists()


def test_an_older_form_of_the_file_is_not_read() -> None:
    """It is nothing but pickles."""
    path = written({"version": b"8.1", "serialized_state_dict.pt": saved(Runs())})
    with pytest.raises(MeasureError, match=r"expected a file of torch\.export, got"):
        load(path, {})
    assert not Path(RAN).exists()


@pytest.mark.parametrize("kind", [Writes, Maps])
def test_script_writes_no_files(kind: type[nn.Module]) -> None:
    torch.jit.save(torch.jit.script(kind()), "net.ts")
    with pytest.raises(MeasureError, match="it holds code that calls"):
        load("net.ts", {})
    assert not Path(RAN).exists()


@pytest.mark.parametrize("name", ["net.pt2", "net.pt", "net.ts"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", b"\x80\x02}."])
def test_what_is_no_archive_is_said_in_a_line(name: str, content: bytes) -> None:
    Path(name).write_bytes(content)
    with pytest.raises(MeasureError, match="expected a file of") as error:
        load(name, {})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("zipped", [True, False])
def test_weights_that_run_are_not_loaded(zipped: bool) -> None:  # noqa: FBT001
    torch.save(Runs(), "w.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match="nothing of it was run"):
        load_weights(Net(), Path("w.pth"))
    assert not Path(RAN).exists()
