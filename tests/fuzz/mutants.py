"""Specs with some of their values, keys and lines changed, by numbers drawn."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from yaml import CSafeDumper, CSafeLoader

from effscale.spec.lines import OPERATORS
from effscale.spec.models import POLICIES
from effscale.spec.names import folder, names
from effscale.spec.schema import schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

#: Per cent of mutants that are made of small specs; the rest are of built-in ones.
SMALL_ONES = 90
NUMBERS = (0, 1, 2, 3, 4, 5, 7, 8, 12, 16, 24, 33, 64, 100, 1000, 2**20, -1)
SHARES = (0.0, 0.01, 0.1, 0.25, 0.3, 0.334, 0.5, 0.7, 1.0, 1.5, 3.0)
TEXTS = ("<= 1M", "= 3M within 10 %", "b0", "mobilenetv3-small", "$size", "stem")


@cache
def small() -> tuple[Any, ...]:
    """Specs of a few lines, together of every kind of line."""
    path = Path(__file__).with_name("corpus.yaml")
    listed = yaml.load(path.read_text(encoding="utf-8"), CSafeLoader)
    return tuple({"name": "m", **each} for each in listed)


@cache
def built_in() -> dict[str, Any]:
    """Every built-in file, by the names of its networks."""
    found: dict[str, Any] = {}
    for name, (base, variant) in names().items():
        text = (folder() / f"{base}.yaml").read_text(encoding="utf-8")
        data = yaml.load(text, CSafeLoader)
        every = data.pop("variants", {})
        found[name] = {
            **data,  # a check counts every variant
            "variants": {k: each for k, each in every.items() if k == variant},
        }
    return found


def _within(value: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401
    """Every mapping of some data."""
    for each in _holders(value):
        if isinstance(each, dict):
            yield each


@cache
def keys() -> tuple[str, ...]:
    """Every key of the language."""
    found = [key for each in _within(schema()) for key in each.get("properties", ())]
    return tuple(dict.fromkeys(found))


@cache
def words() -> tuple[str, ...]:
    """Every word of the language, and names that small specs have."""
    of_language = [each.get("enum", [each.get("const")]) for each in _within(schema())]
    written = [list(each.values()) for each in _within(list(small()))]
    listed = [word for some in (*of_language, *written) for word in some]
    named = [key for each in small() for key in (each.get("blocks") or each)]
    every = [*listed, *named, *POLICIES, *OPERATORS, *TEXTS]
    return tuple(dict.fromkeys(word for word in every if isinstance(word, str)))


@cache
def lines() -> tuple[dict[str, Any], ...]:
    """Every line of every small spec, and of built-in ones."""
    every = [*small(), *built_in().values()]
    found = [
        line
        for each in every
        for line in _within([each.get("stages", []), each.get("blocks", {})])
        if "kernel" in line or "block" in line
    ]
    return tuple({repr(line): line for line in found}.values())


def mutant(random: Random) -> str:
    """The text of a spec with a few changes."""
    if random.randrange(100) < SMALL_ONES:
        data = copy.deepcopy(random.choice(small()))
    else:
        data = copy.deepcopy(random.choice([*built_in().values()]))
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 5))):
        _change(random, data)
    dumped = yaml.dump(
        data, Dumper=CSafeDumper, sort_keys=False, default_flow_style=None
    )
    return str(dumped)


def _change(random: Random, data: Any) -> None:  # noqa: ANN401
    """Change something, somewhere."""
    holders = list(_holders(data))
    holder = random.choice(holders)
    if not holder:
        return
    if isinstance(holder, dict):
        _change_key(random, holder)
    else:
        _change_item(random, holder)


def _holders(value: Any) -> Iterator[Any]:  # noqa: ANN401
    """Every mapping and list of the data."""
    if isinstance(value, dict | list):
        yield value
        for each in value.values() if isinstance(value, dict) else value:
            yield from _holders(each)


def _change_key(random: Random, holder: dict[str, Any]) -> None:
    key = random.choice(list(holder))
    match random.randrange(12):
        case 0:
            del holder[key]
        case 1:
            holder[random.choice(keys())] = _any(random)
        case 2:
            holder[key] = _any(random)
        case _:
            holder[key] = _near(random, holder[key])


def _change_item(random: Random, holder: list[Any]) -> None:
    index = random.randrange(len(holder))
    match random.randrange(6):
        case 0:
            del holder[index]
        case 1:
            holder.insert(index, copy.deepcopy(random.choice(holder)))
        case 2 if isinstance(holder[index], dict):
            holder.insert(index, copy.deepcopy(random.choice(lines())))
        case 3:
            holder[index] = copy.deepcopy(random.choice(holder))
        case _:
            holder[index] = _near(random, holder[index])


def _near(random: Random, value: Any) -> Any:  # noqa: ANN401
    """Another value of the kind."""
    match value:
        case bool():
            return not value
        case int():
            own = (value + 1, value - 1, 2 * value, value // 2, 3 * value)
            return random.choice((*own, *own, *NUMBERS))
        case float():
            return random.choice((value / 2, value * 1.1, *SHARES))
        case str():
            return random.choice(words())
        case _:
            return value


def _any(random: Random) -> Any:  # noqa: ANN401
    """A value of any kind."""
    several = [random.choice(NUMBERS), random.choice(NUMBERS)]
    kinds = (random.choice(NUMBERS), random.choice(SHARES), random.choice(words()))
    return random.choice((*kinds, *kinds, several, None, True, {}, [], "", several))
