"""The lines that each line of `stages` reads, and the fold that follows them.

A line reads the one before it, or those that it names: by their names, `stage 3` by
number, the stem, or the image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from effscale.errors import Fault, closest
from effscale.spec.lines import CellStage
from effscale.spec.outputs import lines_of_output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from effscale.errors import Place
    from effscale.spec.line import Line, Lines
    from effscale.spec.models import Spec

T = TypeVar("T")


class End(NamedTuple):
    """What is behind the stages: its place, its steps, the lines that it reads."""

    place: tuple[str, ...]
    lines: Lines
    numbers: tuple[int, ...]


#: In place of a line's number: the image; the stem is 0, the first stage 1.
IMAGE, STEM = -1, 0
#: The rule of lines that read.
READS = "EFF215"


def called(spec: Spec) -> dict[str, int]:
    """What there is to read, by each of its names."""
    found = {"image": IMAGE, "stem": STEM}
    found |= {f"stage {k}": k for k in range(1, len(spec.stages) + 1)}
    names = ((line.name, k) for k, line in enumerate(spec.stages, 1))
    return found | {name: k for name, k in names if name is not None}


def is_wired(spec: Spec) -> bool:
    """Whether a line reads another than the one before it."""
    return any(line.reads or line.likened for line in spec.stages)


def sources(spec: Spec) -> list[tuple[int, ...]]:
    """The numbers that each stage reads; last, that whose size it takes, if any.

    Of a name that is not there yet, the line before.
    """
    known = called(spec) if is_wired(spec) else {}
    found = []
    for index, line in enumerate(spec.stages):
        names = [*line.reads, *([line.likened] if line.likened else [])]
        numbers = [known.get(name, index) for name in names]
        numbers = [min(each, index) for each in numbers]
        found.append((*(() if line.reads else (index,)), *numbers))
    return found


def ends(spec: Spec) -> list[End]:
    """What reads the last stage, or the lines that it names; a neck is none of them."""
    last = len(spec.stages)
    if spec.head is not None:
        return [End(("head",), spec.head.layers, (last,))]
    known = called(spec) if spec.outputs else {}
    return [
        End(
            ("outputs", name),
            lines_of_output(each),
            tuple(known.get(read, last) for read in each.reads) or (last,),
        )
        for name, each in spec.outputs.items()
    ]


def followed(
    spec: Spec,
    image: T,
    stem: T,
    through: Callable[[int, Line, list[T]], T],
    first: int | None = None,
) -> list[T]:
    """What stem and stages make, `through` telling it of a stage by what it reads.

    Of all stages, or of so many `first`.
    """
    made, reads = [stem], sources(spec)
    for index, (line, numbers) in enumerate(
        zip(spec.stages[:first], reads[:first], strict=True)
    ):
        read = [image if k == IMAGE else made[k] for k in numbers]
        made.append(through(index, line, read))
    return made


def faults(spec: Spec, taps: Sequence[int] = ()) -> Iterator[Fault]:
    """Names that are taken, lines that read what is not there, or that nothing reads.

    `taps` are the indices of the stages that a neck reads.
    """
    known, seen = called(spec), {"image", "stem"}
    place: Place
    for index, line in enumerate(spec.stages):
        at = ("stages", index)
        if line.name in seen:
            message = f"expected a name that no other line has, got {line.name!r}"
            yield Fault((*at, "name"), message, READS)
        reads: list[tuple[Place, str]] = [
            ((*at, "reads", k), name) for k, name in enumerate(line.reads)
        ]
        reads += [((*at, "like"), line.likened)] if line.likened else []
        for place, name in reads:
            if name not in known:
                listed = ", ".join(n for n, k in known.items() if k <= index)
                message = f"expected one of {listed}, got {name!r}"
                yield Fault(place, message, READS, closest(name, [*known]))
            elif known[name] > index:
                message = f"expected a line above, got {name!r}"
                yield Fault(place, message, READS)
        if line.reads and isinstance(line, CellStage):
            message = "expected none, as a cell reads the two outputs before it, got"
            yield Fault((*at, "reads"), f"{message} {', '.join(line.reads)}", READS)
        if line.merge != "concat" and len(line.reads) < 2:  # noqa: PLR2004
            message = f"expected several to merge, got {len(line.reads) or 'none'}"
            yield Fault(
                (*at, "reads") if line.reads else (*at, "merge"), message, READS
            )
        seen |= {line.name} if line.name else set()
    for name, output in spec.outputs.items():
        for k, read in enumerate(output.reads):
            if read not in known or read == "image":
                named = [each for each in known if each != "image"]
                message = f"expected one of {', '.join(named)}, got {read!r}"
                place = ("outputs", name, "reads", k)
                yield Fault(place, message, READS, closest(read, named))
    if is_wired(spec) or spec.outputs:
        behind = [number for end in ends(spec) for number in end.numbers]
        yield from _unread(spec, [*behind, *(k + 1 for k in taps)])


def _unread(spec: Spec, behind: Sequence[int]) -> Iterator[Fault]:
    read = {number for numbers in sources(spec) for number in numbers} | {*behind}
    for index in range(len(spec.stages)):
        if index + 1 not in read:
            message = "expected a line that is read, or the last; nothing reads"
            message += f" {spec.stages[index].name or f'stage {index + 1}'}"
            yield Fault(("stages", index), message, READS)
