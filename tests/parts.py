"""Lines of a spec whose kind a test knows, and the types do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from effscale.spec.models import Head, Spec
    from effscale.spec.neck import Heads, Neck


def stem(spec: Spec) -> Any:  # noqa: ANN401 - a line of any kind
    """The only line of the stem."""
    (line,) = spec.stem
    return line


def stages(spec: Spec) -> Any:  # noqa: ANN401 - lines of any kind
    """The lines of the stages."""
    return spec.stages


def head_of(spec: Spec) -> Head:
    """The head of a classifier's spec."""
    assert spec.head is not None
    return spec.head


def detecting(spec: Spec) -> tuple[Neck, Heads]:
    """The neck and the heads of a detector's spec."""
    assert spec.neck is not None
    assert spec.heads is not None
    return spec.neck, spec.heads
