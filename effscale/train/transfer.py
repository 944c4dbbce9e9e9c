"""Trainings that begin with weights: what of a network stays, and what moves slowly."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from effscale.errors import TrainError, did_you_mean
from effscale.module.mapping import held, load_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from effscale.module.mapping import Mapped
    from effscale.module.weights import Original
    from effscale.train.recipe import Normalisation

#: All of a network but what tells classes apart.
BACKBONE = "backbone"
CLASSIFIER = "head.classifier"
_CHUNK = 2**20


def of_backbone(name: str) -> bool:
    """Whether a parameter is of the backbone."""
    return not name.startswith(f"{CLASSIFIER}.")


@dataclass(frozen=True)
class Begun:
    """Where the weights that a training began with came from."""

    file: Path
    digest: str  #: of the file's content
    mapped: Mapped
    #: Means and deviations of pixels that they were trained with, where known.
    normalisation: Normalisation | None

    @property
    def said(self) -> dict[str, object]:
        """The same, under the keys that JSON promises."""
        return {
            "file": str(self.file),
            "digest": self.digest,
            "by": self.mapped.by,
            "drawn_anew": list(self.mapped.classifier),
        }


def begin(net: nn.Module, weights: Path | Original) -> Begun:
    """Give `net` the weights of a file; a classifier of other classes stays drawn.

    Raises:
        WeightsError: if they cannot be read, or are another network's.
    """
    found = held(weights)
    path = Path(found.file)
    mapped = load_weights(net, found, new_classifier=True)
    known = found.normalisation
    normal = known and (tuple(known[0]), tuple(known[1]))
    return Begun(path, _digest(path), mapped, normal)


def freeze(net: nn.Module, parts: Sequence[str]) -> None:
    """Let the parameters of these parts as they are: `backbone`, `stem`, `stages.0`.

    Raises:
        TrainError: if there is no such part, or nothing is left to be learnt.
    """
    for part in parts:
        named = [
            each
            for name, each in net.named_parameters()
            if (
                of_backbone(name)
                if part == BACKBONE
                else f"{name}.".startswith(f"{part}.")
            )
        ]
        if not named:
            known = [BACKBONE, *dict(net.named_modules())][:1000]
            hint = did_you_mean(part, known) or f"; {BACKBONE}, stem, stages.0 are some"
            message = f"expected a part of the network, got {part!r}{hint}"
            raise TrainError(f"freeze: {message}")
        for each in named:
            each.requires_grad = False
    if not any(each.requires_grad for each in net.parameters()):
        message = "expected something that is left to be learnt, got all of the network"
        raise TrainError(f"freeze: {message}")


def rest(net: nn.Module) -> None:
    """Have modules that are frozen whole run as in inference, in place.

    So batch norm keeps its statistics, and no block is skipped.
    """
    for each in net.modules():
        parameters = [*each.parameters()]
        if parameters and not any(one.requires_grad for one in parameters):
            each.eval()


def _digest(path: Path) -> str:
    """What tells the content of a file from another's."""
    found = blake2b(digest_size=16)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()
