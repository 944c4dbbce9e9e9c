"""Names of the built-in networks: files, variants in them, families, other spellings.

They are looked up in the texts, unparsed, since one network is wanted where dozens are
built in: the files write a variant's name in a line of its own, and `variants` last.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
# Patterns are compiled when one is first looked for, as most runs look for none.
_VARIANT = r"(?m)^  ([A-Za-z0-9][\w.+-]*):"
_FAMILY = r"(?m)^family: (\S+)"
#: What libraries write out or add: `tf_efficientnet_b0`, `vit_small_patch16_224`.
_SIZE = {"tiny": "t", "small": "s", "base": "b", "large": "l", "huge": "h"}
_DROPPED = {"tf", "patch", "100", "224"}
#: A width as a decimal, `0.5`, `x0_5`; others write it in per cent: `050`.
_WIDTH = r"x?(?<!\d)(\d)[._](\d{1,2})(?!\d)"
_FAMILIES = r"\bfamily: ([\w.+-]+)"


def folder() -> Path:
    """Where the built-in specs lie: in an installed package, or beside a checkout's."""
    installed = _PACKAGE / "specs"
    return installed if installed.is_dir() else _PACKAGE.parent / "specs"


@cache
def files() -> dict[str, Path]:
    """The built-in files by their name without suffix, sorted."""
    listed = sorted(folder().iterdir())
    return {path.stem: path for path in listed if path.suffix == ".yaml"}


@cache
def names() -> dict[str, tuple[str, str | None]]:
    """Every name that needs no file: of a built-in file, or of a variant in one."""
    found: dict[str, tuple[str, str | None]] = {}
    for stem, path in files().items():
        variants = re.findall(_VARIANT, _text(path).partition("\nvariants:\n")[2])
        found.update({stem: (stem, None), **{name: (stem, name) for name in variants}})
    return found


@cache
def aliases() -> dict[str, str]:
    """Names with the family of their file before them: `efficientnet-b4` is `b4`.

    And a family for its baseline, of one file alone or of its smallest size: `yolov8`
    is `yolov8n`, `yolov9` is `yolov9t`, and `yolox` is `yolox-nano`.
    """
    family = {stem: re.search(_FAMILY, _text(path)) for stem, path in files().items()}
    stems: dict[str, list[str]] = {}
    for stem, found in family.items():
        stems.setdefault(found[1] if found else stem, []).append(stem)
    alone = {
        each: stem
        for each, several in stems.items()
        for stem in several
        if len(several) == 1 or stem in _smallest(each)
    }
    return alone | {
        f"{found[1]}-{name}": name
        for name, (stem, _) in names().items()
        if (found := family[stem]) and found[1] not in name
    }


def _smallest(family: str) -> set[str]:
    """What the files of a family may be called that are of its smallest size."""
    name, dash, task = family.partition("-")
    return {f"{name}{size}{dash}{task}" for size in ("n", "t", "-nano")}


@cache
def families() -> list[str]:
    """The families of the built-in networks, sorted; variants may have their own."""
    texts = map(_text, files().values())
    return sorted({each for text in texts for each in re.findall(_FAMILIES, text)})


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def bare(name: str) -> str:
    """What is left of a name where libraries differ: `ConvNeXt_Tiny` is `convnextt`."""
    found = re.sub(_WIDTH, lambda width: f"{width[1]}{width[2]:0<2}", name.lower())
    words = re.findall(r"[a-z]+|\d+", found)
    return "".join(_SIZE.get(word, word) for word in words if word not in _DROPPED)


def bare_names() -> dict[str, str]:
    every = aliases() | {name: name for name in names()}
    return {bare(name): meant for name, meant in every.items()}
