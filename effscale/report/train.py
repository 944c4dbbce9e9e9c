"""The answer of `train`: the accuracy of the network, and the training behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.cost.count import count
from effscale.markup import plain
from effscale.quantity import human
from effscale.report import rows
from effscale.report.document import Report, percent, several, sides

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.report.rows import Data
    from effscale.spec.models import Spec

#: The least share of an image that is cropped to, unless another is asked for.
CROP = 0.08
#: Classes that a line shows, of many.
SHOWN = 20
NOTE = (
    "accuracy: of the averaged weights on validation images, ± one standard error; in "
    "training: of the last epoch, as weights changed, on augmented images"
)


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
    nested = {"data", "history", "warnings", "normalisation"}
    flat = {key: value for key, value in data.items() if key not in nested}
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
        notes=[
            NOTE,
            *_statistics(outcome["statistics_images"]),
        ],
        records=[flat],
        warnings=[f"warning: {each}" for each in outcome["warnings"]],
    )


def data_lines(name: str, counts: Data, notes: Sequence[str]) -> list[str]:
    """What will be learnt from: the classes, their images, and what is done to them."""
    shown = [
        f"{each} {n['train']:,} + {n['validation']:,}" for each, n in counts.items()
    ]
    more = f", and {len(shown) - SHOWN:,} more" if len(shown) > SHOWN else ""
    classes = f"{len(shown):,} classes (training + validation images)"
    listed = f"{classes}: {', '.join(shown[:SHOWN])}{more}"
    return [plain(f"{name}: {each}") for each in (listed, *notes)]


def epoch_line(epoch: Data, epochs: int, images_per_second: float) -> str:
    """How an epoch went, in a line."""
    number = f"{epoch['epoch']:>{len(str(epochs))}}/{epochs}"
    return (
        f"epoch {number}  loss {epoch['loss']:.3f}  "
        f"train {percent(epoch['train_accuracy']):>7}  "
        f"accuracy {percent(epoch['accuracy']):>7}  {images_per_second:,.0f} images/s"
    )


def _statistics(images: int) -> list[str]:
    if not images:
        return []
    return [
        f"batch norm's statistics: of {images:,} images learnt from, not running ones"
    ]


def _network(spec: Spec, data: Data) -> str:
    size, classes = sides(data["resolution"]), data["classes"]
    macs, params = human(data["macs"]), human(data["params"])
    return f"{spec.name}, {macs} MACs, {params} params, {size} px, {classes} classes"


def _data(data: Data) -> str:
    train, validation = data["train"], data["validation"]
    images = f"{train:,} training images, {validation:,} validation images"
    return f"{data['name']}, {images} ({data['split']})"


def _trained(outcome: Data) -> str:
    return (
        f"{_epochs(outcome)}, batch {outcome['batch']}, "
        f"{outcome['optimizer']}, lr {outcome['lr']:g}, augment {outcome['augment']}, "
        f"normalize {outcome['normalize']}, {_besides(outcome)}"
        f"seed {outcome['seed']}"
    )


def _epochs(outcome: Data) -> str:
    epochs, until = several(outcome["epochs"], "epoch"), outcome["until"]
    return epochs if until == outcome["epochs"] else f"{until} of {epochs}"


def _besides(outcome: Data) -> str:
    """What else was asked of augmentation, otherwise than it is unless asked."""
    mirror = outcome["mirror"]
    said = [
        *([f"crop {outcome['crop']:g}"] if outcome["crop"] != CROP else []),
        *([] if mirror is None else ["mirror" if mirror else "no mirror"]),
        *(f"{each} {outcome[each]:g}" for each in ("mixup", "erase") if outcome[each]),
    ]
    return "".join(f"{each}, " for each in said)


def _speed(outcome: Data) -> str:
    where, devices = outcome["device"], outcome["devices"]
    if where == "cpu":
        where = f"{where}, {several(outcome['threads'], 'thread')}"
    if devices > 1:
        where = f"{devices} × {where}"
    return (
        f"{outcome['images_per_second']:,.0f} images/s, {outcome['seconds']:,.1f} s in "
        f"all, {outcome['evaluation_seconds']:,.1f} s of them to evaluate, "
        f"{outcome['precision']} on {where}"
    )


def _accuracy(outcome: Data) -> str:
    error = percent(outcome["accuracy_error"])
    train = percent(outcome["train_accuracy"])
    return f"{percent(outcome['accuracy'])} ± {error}, in training {train}"
