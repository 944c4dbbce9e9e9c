"""Tests of what `effscale.module.any_module` makes of files that torch has written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from effscale.errors import MeasureError
from effscale.module.any_module import Foreign, Scripted, count, load
from effscale.module.inputs import Input, given

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.torch


class Trained(nn.Module):
    """A layer, and another one while it is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) to the same shape."""
        x = self.conv(x)
        if self.training:
            x = self.conv(x)
        return x


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_a_script_is_counted_as_it_infers() -> None:
    own = torch.jit.script(Trained().train())
    found = count(
        Foreign("net", Scripted(own)), (Input((1, 3, 8, 8)),), ("fvcore", "torch")
    )
    assert found.answer is not None
    assert found.answer.macs == 9 * 64


@pytest.mark.parametrize(
    ("saved", "found"),
    [(nn.Linear(2, 2), "a whole pickled"), (nn.Linear(2, 2).state_dict(), "weights")],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_what_torch_has_pickled_is_not_opened(
    saved: object, found: str, tmp_path: Path, *, zipped: bool
) -> None:
    path = tmp_path / "net.bin"
    torch.save(saved, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(MeasureError, match=f"found {found}"):
        load(str(path), {})


class Keyed(nn.Module):
    """A layer of the first of a dictionary's maps."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 4)

    def forward(self, maps: dict[str, torch.Tensor], times: int = 1) -> torch.Tensor:
        """(N, 8) to (N, 4)."""
        made: torch.Tensor = self.linear(maps["x"])
        return made * times


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
@pytest.mark.parametrize("wrap", [Scripted, nn.Module.eval])
def test_a_script_says_what_it_takes_by_name(
    wrap: Callable[[nn.Module], nn.Module],
) -> None:
    keyed, layer = (wrap(torch.jit.script(e)) for e in (Keyed(), nn.Linear(8, 4)))
    asked = ("x", [((2, 8), None)], False), ("y", [((2, 8), None)], False)
    inputs, keywords = given(keyed, asked)
    assert ([*inputs[0]], keywords) == (["x", "y"], {})
    found = count(Foreign("net", keyed), inputs, ("torch",), keywords)
    assert found.best.macs == 64
    assert given(layer, [("input", [((2, 8), None)], False)])[0] == ()


class Encodes(nn.Module):
    """What is called by another name than `forward`."""

    @torch.jit.export
    def encode(self, x: torch.Tensor) -> torch.Tensor:
        return x @ x


@pytest.mark.filterwarnings("ignore:`torch.jit")
@pytest.mark.parametrize("made", [nn.LSTM(4, 4), Encodes()])
def test_a_script_that_cannot_be_called_is_said(
    made: nn.Module, tmp_path: Path
) -> None:
    path = tmp_path / "net.pt"
    torch.jit.script(made).save(str(path))
    with pytest.raises(MeasureError, match="expected a script with a forward pass"):
        load(str(path), {})


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_what_fails_within_a_script_is_said() -> None:
    own = Scripted(torch.jit.script(nn.Linear(8, 4)))
    with pytest.raises(MeasureError, match="mat1 and mat2 shapes cannot be multiplied"):
        count(Foreign("net", own), (Input((2, 9)),), ("torch",))
