"""Published relatives of a network: what they score, beside networks of their cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.cost.count import count
from effscale.growth.scale import relatives
from effscale.report.document import Column

if TYPE_CHECKING:
    from collections.abc import Iterable

    from effscale.report.document import Row
    from effscale.report.rows import Data
    from effscale.spec.models import Published, Spec

#: How close in MACs a published relative must be.
CLOSE = 0.1
#: What the column of them shows, to stand below its table.
_LEGEND = "published: top-1, AP or mIoU of a relative whose MACs are within 10 %"


class Relatives:
    """The network and its published variants, those with an accuracy, by MACs."""

    def __init__(self, spec: Spec) -> None:
        self._known = [
            (int(count(each).macs), {"name": name, "score": score})
            for name, each in relatives(spec, spec.name).items()
            if (score := each.published and _score(each.published))
        ]

    def near(self, macs: int) -> Data | None:
        """The one that is nearest in MACs, and its accuracy, if one is near."""
        near = [
            (off, found)
            for known, found in self._known
            if (off := abs(known - macs) / max(macs, 1)) <= CLOSE
        ]
        return min(near, key=lambda pair: pair[0])[1] if near else None


def _score(printed: Published) -> float | None:
    return printed.top1 or printed.ap or printed.miou


def _said(value: Data) -> str:
    return f"{value['score']:.1f} ({value['name']})"


_COLUMN = Column("published", "published", _said)


def columns(table: Iterable[Row]) -> list[Column]:
    """Relatives that are near, where a row has one."""
    return [_COLUMN] if any(row["published"] for row in table) else []


def legend(table: Iterable[Row]) -> list[str]:
    """What to say of that column, where it is there."""
    return [_LEGEND] if columns(table) else []


def flat(row: Data) -> Data:
    """A row for a CSV: the relative and its accuracy in two cells."""
    found = row["published"] or {"name": None, "score": None}
    return {**row, "published": found["name"], "published_score": found["score"]}
