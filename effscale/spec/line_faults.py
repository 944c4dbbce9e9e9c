"""What is wrong with a line where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.spec.cells import cell_faults
from effscale.spec.lines import Bottleneck, CellStage, MBConv
from effscale.spec.sizes import off_centre
from effscale.spec.steps import Conv, Depthwise, Pool
from effscale.spec.wrong import Wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from effscale.spec.models import Spec
    from effscale.spec.nodes import Place
    from effscale.spec.steps import Line
    from effscale.spec.structure import Finding, Map


def line_faults(
    spec: Spec, line: Line, here: Map, at: Place, *, stated: bool
) -> Iterator[Finding]:
    """What is wrong with a line where it stands."""
    given = getattr(line, "c_in", None)
    if given not in {None, here.channels}:
        before = "image" if at == ("stem", 0) else "line before"
        message = (
            f"expected {here.channels} (the channels of the {before}), got {given}"
        )
        yield Wrong((*at, "c_in"), message, "EFF205", "", str(here.channels))
    match line:
        case MBConv(expand_ratio=None, c_mid=None):
            yield Wrong(at, "missing expand_ratio or c_mid", "EFF101")
        case MBConv(expand_ratio=int(), c_mid=c_mid) if c_mid is not None:
            yield (*at, "c_mid"), "expected expand_ratio or c_mid, got both"
        case Conv() | Depthwise() | Pool() if off_centre(line):
            found = "×".join(map(str, line.window[0]))
            message = f"expected odd sides, or padding: valid, got {found}"
            yield Wrong((*at, "kernel"), message, "EFF202")
        case Conv(channels=None) if stated:
            yield Wrong(at, "missing channels", "EFF101")
        case Conv(channels=tuple()):
            yield (
                (*at, "channels"),
                "expected one width, as nothing repeats, got a list",
            )
        case Bottleneck(group_width=int() as width):
            inside = line.c_mid or line.channels
            if inside % width:
                message = f"expected a divisor of {inside} channels inside, got {width}"
                yield (*at, "group_width"), message
        case CellStage():
            yield from cell_faults(spec, line, at)
        case _:
            pass
