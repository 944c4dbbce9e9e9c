"""Checkpoints: written whole, and read back only by the training they are of."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import torch

from effscale.atomic_write import remains, whole
from effscale.errors import TrainError, refusal
from effscale.module.archive import is_damaged
from effscale.version import CHECKPOINT, VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def save(path: Path, made_for: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Put `state`, of tensors and plain data, into the file, whole or not at all.

    Raises:
        OutputError: if the system refuses, as it does when the disk is full.
    """
    content = {"format": CHECKPOINT, "effscale": VERSION, "made_for": dict(made_for)}
    with whole(path) as file:
        try:
            torch.save({**content, **state}, file)
        except RuntimeError as error:  # what torch makes of a file that takes no more
            raise OSError(0, _reason(error)) from None


def _reason(error: BaseException) -> str:
    cause = error.__context__ or error.__cause__
    if isinstance(cause, OSError) and cause.strerror:
        return refusal(cause)
    return "the disk may be full"


def load(path: Path, made_for: Mapping[str, Any]) -> dict[str, Any] | None:
    """What `save` put there; None if nothing has.

    What programs killed while they wrote it have left is removed.

    Raises:
        TrainError: if it is no checkpoint, or one of another training.
    """
    for each in remains(path):
        each.unlink(missing_ok=True)
    if not path.exists():
        return None
    content = _read(path)
    expected = "expected a checkpoint of effscale train, got"
    if not isinstance(content, dict) or content.get("format") != CHECKPOINT:
        raise TrainError(f"{path}: {expected} another file")
    found = content.pop("made_for", None)
    if not isinstance(found, dict) or is_damaged(path):
        raise TrainError(f"{path}: {expected} a damaged one")
    for name, value in made_for.items():
        if found.get(name) != value:
            what = _difference(name, value, found.get(name))
            hint = "name another file, or remove this one"
            raise TrainError(f"{path}: expected a checkpoint of {what}; {hint}")
    return dict(content)


def _read(path: Path) -> object:
    """What torch makes of the file; None where that is nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of files that it did not write
        try:
            found: object = torch.load(path, map_location="cpu", weights_only=True)
        except OSError:
            raise
        except Exception:  # noqa: BLE001 - it raises all kinds of error
            return None
    return found


def _difference(name: str, value: object, found: object) -> str:
    if name in {"spec", "data"}:
        return f"this {name}, got one of another"
    if name == "weights":
        return "these weights to begin with, got one of others"
    return f"{name} {value}, got one of {name} {found}"
