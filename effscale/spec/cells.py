"""What a cell's wiring must be: states there before they are read, none in vain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.arrays import strided
from effscale.spec.lines import CellStage
from effscale.spec.sizes import strides

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from effscale.spec.models import Spec
    from effscale.spec.nodes import Place
    from effscale.spec.steps import Line
    from effscale.spec.structure import Finding


def cell_faults(spec: Spec, line: CellStage, at: Place) -> Iterator[Finding]:
    """What is wrong with a stage of cells, or with how they are wired."""
    if line.stride > 1 and int(line.channels) < 2:  # noqa: PLR2004 - one for each path
        yield (*at, "channels"), f"expected at least 2 to reduce, got {line.channels}"
    place, cell = ("cells", line.cell), spec.cells[line.cell]
    read = set(cell.concat)
    for index, node in enumerate(cell.nodes):
        for k, (operator, state) in enumerate(node):
            where = (*place, "nodes", index, k)
            yield from _known(state, index + 2, (*where, 1))
            read.add(state)
            once = line.stride > 1 and line.repeats in {None, 1} and state < 2  # noqa: PLR2004
            if operator.endswith("2x2") and not once:
                message = "expected odd sides where nothing strides, got"
                yield (*where, 0), f"{message} {operator!r}"
    for k, state in enumerate(cell.concat):
        yield from _known(state, len(cell.nodes) + 2, (*place, "concat", k))
        if state in cell.concat[:k]:
            yield (*place, "concat", k), f"expected each state once, got {state} again"
    for state in range(2, len(cell.nodes) + 2):
        if state not in read:
            message = f"expected state {state} to be read or put out, found neither"
            yield (*place, "nodes", state - 2), message


def cells_follow(stages: Sequence[Line], index: int) -> bool:
    """Whether the stage after number `index` is one of cells."""
    return any(isinstance(line, CellStage) for line in stages[index + 1 : index + 2])


def meeting(
    spec: Spec, before: Line, older: tuple[int, ...], newest: tuple[int, ...], at: Place
) -> Iterator[Finding]:
    """What a cell cannot make of the line before it, whose input it reads as well."""
    if isinstance(before, CellStage):
        return
    step, other = strides(spec, (before,))
    made = tuple(strided(side, step) for side in older)
    if step > 2 or step != other or newest != made:  # noqa: PLR2004 - cells halve
        sizes = " to ".join(f"{height}×{width} px" for height, width in (older, newest))
        yield at, f"expected a line before the cell that keeps or halves, got {sizes}"


def _known(state: int, known: int, place: Place) -> Iterator[Finding]:
    if state >= known:
        yield place, f"expected a state below {known}, got {state}"
