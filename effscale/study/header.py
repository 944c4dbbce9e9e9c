"""What a study is of, written once and never changed."""

from __future__ import annotations

import json
import platform
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from effscale.errors import StudyError, short
from effscale.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FORMAT = 1
#: What two candidates of one name must agree in to be the same network.
_FIGURES = ("alpha", "beta", "gamma", "resolution", "params", "macs", "activations")


@dataclass(frozen=True)
class Header:
    """The spec, its candidates, the command that evaluates them, and the versions."""

    format: int
    id: str  #: of this study alone: a node knows its folder by it
    created: str
    name: str  #: the spec's
    spec: str  #: as YAML
    budget: float
    phi: float
    command: str
    candidates: list[dict[str, Any]]  #: rows of `grid`, each with a name
    versions: dict[str, str]

    @property
    def names(self) -> list[str]:
        """Those of the candidates, in their order."""
        return [each["name"] for each in self.candidates]

    def dumps(self) -> str:
        """The header as JSON."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"


def header(  # noqa: PLR0913 - what is evaluated
    *,
    name: str,
    spec: str,
    budget: float,
    phi: float,
    command: str,
    candidates: Sequence[dict[str, Any]],
) -> Header:
    """The header of a study that begins now."""
    return Header(
        format=FORMAT,
        id=secrets.token_hex(8),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        name=name,
        spec=spec,
        budget=budget,
        phi=phi,
        command=command,
        candidates=[{"name": called(each), **each} for each in candidates],
        versions=_versions(),
    )


def called(row: dict[str, Any]) -> str:
    """What a candidate is called, after its coefficients: `a1.2-b1.1-g1.15`."""
    letters = zip("abg", ("alpha", "beta", "gamma"), strict=True)
    return "-".join(f"{letter}{row[key]:.12g}" for letter, key in letters)


def read(path: Path) -> Header:
    """The header in the file at `path`.

    Raises:
        StudyError: if there is none that this version reads.
    """
    try:
        data = json.loads(path.read_text("utf-8"))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StudyError(f"{path}: cannot be read: {reason}") from None
    except ValueError:
        raise StudyError(f"{path}: expected the header of a study as JSON") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        found = short(data.get("format") if isinstance(data, dict) else data)
        raise StudyError(f"{path}: expected a study of format {FORMAT}, got {found}")
    missing = [each.name for each in fields(Header) if each.name not in data]
    if missing:
        raise StudyError(f"{path}: missing {', '.join(missing)}")
    return Header(**{each.name: data[each.name] for each in fields(Header)})


def difference(made: Header, asked: Header) -> str:
    """In what a study is another than the one asked for; empty where it is the same."""
    for what in ("name", "phi", "budget", "command"):
        old, new = getattr(made, what), getattr(asked, what)
        if old != new:
            label = "spec" if what == "name" else what
            return f"made for {label} {_quoted(old)}, got {_quoted(new)}"
    if made.spec != asked.spec:
        return f"made for another spec of the name {made.name!r}"
    if sorted(made.names) != sorted(asked.names):
        ours, theirs = set(made.names), set(asked.names)
        apart = min(ours ^ theirs)
        where = "its own" if apart in ours else "asked for"
        return (
            f"made for {len(ours)} candidates, got {len(theirs)}: {apart} is among "
            f"those {where} alone"
        )
    by_name = {each["name"]: each for each in made.candidates}
    for each in asked.candidates:
        for key in _FIGURES:
            if by_name[each["name"]].get(key) != each[key]:
                return f"made for another {each['name']}: its {key} differ"
    return ""


def _quoted(value: object) -> str:
    return repr(value) if isinstance(value, str) else f"{value:g}"


def _versions() -> dict[str, str]:
    found = {"effscale": VERSION, "python": platform.python_version()}
    with suppress(PackageNotFoundError):
        found["torch"] = version("torch")
    return found
