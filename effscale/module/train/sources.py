"""What a name stands for: data, and the network fit for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from effscale.errors import TrainError
from effscale.scaling.scale import with_classes

if TYPE_CHECKING:
    from effscale.module.train.data import Data
    from effscale.spec.models import Spec

#: The data that come with the package.
DIGITS = "digits"


def data_of(name: str) -> Data:
    """The digits by their name, or else the images of a folder.

    Raises:
        DataError: if it is no folder with a folder of images for each class.
    """
    if name == DIGITS:
        from effscale.module.train.digits import digits

        return digits()
    from effscale.module.train.folder import folder

    return folder(Path(name))


def fitted(spec: Spec, data: Data, classes: int | None) -> Spec:
    """`spec` with a class for each of the data's, or with `classes` of them.

    Raises:
        TrainError: if these are fewer, or the network is no classifier.
        ScaleError: if the classifier is not a linear layer.
    """
    needed = len(data.classes)
    if classes is not None and classes < needed:
        expected = f"expected at least the {needed} of {data.name}"
        raise TrainError(f"classes: {expected}, got {classes}")
    wanted = needed if classes is None else classes
    return spec if classes_of(spec) == wanted else with_classes(spec, wanted)


def classes_of(spec: Spec) -> int:
    """What the network of `spec` tells apart.

    Raises:
        TrainError: if it has no head that classifies whole images.
    """
    head = getattr(spec, "head", None)
    if head is None:
        expected = "expected a network that tells classes of images apart"
        raise TrainError(f"{spec.name}: {expected}, got one without such a head")
    return int(head.classes)
