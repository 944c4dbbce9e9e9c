"""Tests of what `effscale.module.any_module` makes of files that torch has written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from effscale.errors import MeasureError
from effscale.module.any_module import Foreign, Scripted, count, load
from effscale.module.inputs import Input

if TYPE_CHECKING:
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
