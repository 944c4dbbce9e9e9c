"""The answer of `train`: the accuracy of the network, and the training behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.cost.count import count
from effscale.quantity import human
from effscale.report import rows
from effscale.report.document import Report, percent, several, sides

if TYPE_CHECKING:
    from effscale.report.rows import Data
    from effscale.spec.models import Spec

NOTE = "accuracy: of the averaged weights on images held out, ± its standard error"


def report(spec: Spec, outcome: Data) -> Report:
    """The `outcome` of a training, and the costs of the network."""
    data = {
        **rows.envelope("train", spec.name),
        "accuracy": outcome["accuracy"],
        "resolution": rows.image(spec),
        "classes": outcome["classes"],
        **rows.costs(count(spec)),
        **outcome,
    }
    flat = {key: value for key, value in data.items() if key not in {"data", "history"}}
    return Report(
        data=data,
        sections=[],
        heading=[
            ("network", _network(spec, data)),
            ("data", _data(outcome["data"])),
            ("trained", _trained(outcome)),
            ("speed", _speed(outcome)),
            ("accuracy", _accuracy(outcome)),
        ],
        notes=[NOTE],
        records=[flat],
    )


def epoch_line(epoch: Data, epochs: int, images_per_second: float) -> str:
    """How an epoch went, in a line."""
    number = f"{epoch['epoch']:>{len(str(epochs))}}/{epochs}"
    return (
        f"epoch {number}  loss {epoch['loss']:.3f}  "
        f"accuracy {percent(epoch['accuracy']):>7}  {images_per_second:,.0f} images/s"
    )


def _network(spec: Spec, data: Data) -> str:
    size, classes = sides(data["resolution"]), data["classes"]
    macs, params = human(data["macs"]), human(data["params"])
    return f"{spec.name}, {macs} MACs, {params} params, {size} px, {classes} classes"


def _data(data: Data) -> str:
    train, held_out = data["train"], data["held_out"]
    return f"{data['name']}, {train:,} images; {held_out:,} held out ({data['split']})"


def _trained(outcome: Data) -> str:
    return (
        f"{several(outcome['epochs'], 'epoch')}, batch {outcome['batch']}, "
        f"lr {outcome['lr']:g}, augment {outcome['augment']}, seed {outcome['seed']}"
    )


def _speed(outcome: Data) -> str:
    where = outcome["device"]
    if where == "cpu":
        where = f"{where}, {several(outcome['threads'], 'thread')}"
    return (
        f"{outcome['images_per_second']:,.0f} images/s, {outcome['seconds']:,.1f} s in "
        f"all, {outcome['precision']} on {where}"
    )


def _accuracy(outcome: Data) -> str:
    error = percent(outcome["standard_error"])
    return f"{percent(outcome['accuracy'])} ± {error}"
