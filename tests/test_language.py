"""The reference of the language is whole, short and true: every example of it loads."""

from __future__ import annotations

import json
import re
from typing import Any, get_args

import pytest
import yaml

import effscale as es
from effscale.spec.lines import OPERATORS, STAGES
from effscale.spec.models import POLICIES
from effscale.spec.outputs import OUTPUTS
from effscale.spec.values import Activation
from tests.documents import ROOT

PAGES = {
    name: (ROOT / "docs" / "reference" / f"{name}.md").read_text("utf-8")
    for name in ("language", "blocks", "attention", "graphs")
}
TEXT = "\n".join(PAGES.values())
#: As many lines as a reader takes at a time, of all four pages.
LINES = 317
BLOCKS = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
#: What stands in code, in a line or in a block.
CODE = "\n".join([*BLOCKS, *re.findall(r"`([^`\n]+)`", TEXT)])
FILE = next(each for each in BLOCKS if each.startswith("name: tiny"))

LEVELS = [
    {"name": "p1", "block": "conv", "kernel": 3, "channels": 16},
    {"name": "p2", "block": "conv", "kernel": 3, "channels": 16},
]
NORMAL = {"nodes": [[["identity", 0]]], "concat": [1, 2]}
LEAST: dict[str, Any] = {
    "name": "x",
    "resolution": 32,
    "stem": {"kernel": 3, "stride": 2, "channels": 16},
    "stages": LEVELS,
}
#: Of levels, each is half of the one before.
HALVED = [LEVELS[0], {**LEVELS[1], "stride": 2}]
DETECTED = {"kind": "detect", "reads": ["p1", "p2"], "classes": 20}


def rows() -> list[Any]:
    """The examples of all tables, with the head of the table and the first cell."""
    found = []
    head = ""
    for line in TEXT.splitlines():
        cells = [each.strip() for each in line.strip("| ").split(" | ")]
        if not line.startswith("|"):
            head = ""
        elif not head:
            head = cells[0]
        elif "---" not in cells[0]:
            examples = re.findall(r"`([^`]+)`", cells[-1])
            assert examples, line
            at = f"{head}: {cells[0]}"
            found += [pytest.param(head, cells[0], each, id=at) for each in examples]
    return found


def mapping(example: str) -> Any:  # noqa: ANN401 - keys and values of a file
    return yaml.safe_load(example if example.startswith("{") else f"{{{example}}}")


def completed(head: str, first: str, example: str) -> dict[str, Any]:
    """A file in which the example stands where its table says."""
    said = mapping(example)
    in_stages = {**LEAST, "stages": [*LEVELS, said], "cells": {"normal": NORMAL}}
    match head.replace("`", ""):
        case "block" | "step":
            return {**in_stages, "head": {}}
        case "key of a convolution":
            layers = [{"kernel": 3, **said}]
            used = {"block": "own", "channels": 32}
            own = {"own": [{"block": "residual", "layers": layers, "projection": []}]}
            return {**LEAST, "stages": [*LEVELS, used], "blocks": own, "head": {}}
        case "key of a section":
            section = first.strip("`").partition(".")[0]
            return {**LEAST, "head": {}, section: said}
        case "key of attention":
            line = {"block": "attention", **said}
            return {**LEAST, "stages": [*LEVELS, line], "head": {}}
        case "key of any line":
            line = {"block": "conv", "kernel": 1, "channels": 8, **said}
            return {**LEAST, "stages": [*LEVELS, line], "head": {}}
        case "kind":
            return {**LEAST, "stages": HALVED, "outputs": {"told": said}}
        case "key of detect":
            told = {"told": {**DETECTED, **said}}
            return {**LEAST, "stages": HALVED, "outputs": told}
        case _:
            pytest.fail(f"expected a table whose examples can be completed, got {head}")


def test_the_reference_is_short() -> None:
    assert sum(len(text.splitlines()) for text in PAGES.values()) <= LINES


@pytest.mark.parametrize("example", BLOCKS)
def test_blocks_of_code_load(example: str) -> None:
    said = yaml.safe_load(example)
    ends: dict[str, Any] = (
        {"head": {}} if not {"head", "heads", "outputs"} & {*said} else {}
    )
    least = {key: each for key, each in LEAST.items() if key != "stem"}
    if "neck" in said:
        whole = {"name": "x", "resolution": 512, "backbone": "b0", **said}
    else:
        stem = {"kernel": 3, "channels": 16}
        whole = {**least, "stem": stem, "resolution": 64, **ends, **said}
    assert es.count(es.loads(yaml.safe_dump(whole, sort_keys=False))).params > 0


@pytest.mark.parametrize(("head", "first", "example"), rows())
def test_examples_of_tables_load(head: str, first: str, example: str) -> None:
    whole = completed(head, first, example)
    assert es.count(es.loads(yaml.safe_dump(whole, sort_keys=False))).params > 0
    named = re.findall(r"\w+", first.replace("…", ""))
    assert any(re.search(rf"\b{each}\b", example) for each in named)


def keys(schema: dict[str, Any]) -> set[str]:
    """All keys of the language."""
    models = [schema, *schema["definitions"].values()]
    return {key for each in models for key in each.get("properties", {})}


def test_every_key_of_the_language_is_there() -> None:
    words = {*re.findall(r"[\w]+", CODE)}
    written = json.loads((ROOT / "specs" / "effscale.schema.json").read_text("utf-8"))
    assert keys(written) - words == set()


def test_every_word_of_the_language_is_there() -> None:
    words = {*re.findall(r"[\w]+", CODE)}
    for known in (STAGES, OPERATORS, OUTPUTS, POLICIES, get_args(Activation)):
        assert {*known} - words == set()


def test_the_defaults_that_a_file_shows_are_the_defaults() -> None:
    spec, said = es.loads(FILE), yaml.safe_load(FILE)
    needed = ("name", "resolution", "stem", "stages", "head")
    least = es.loads(yaml.safe_dump({key: said[key] for key in needed}))
    cost = es.count(spec)
    assert spec.expected is not None
    assert (cost.params, cost.macs) == (spec.expected.params, spec.expected.macs)
    for name in ("image_channels", "norm", "padding", "deployed", "stochastic_depth"):
        assert getattr(spec, name) == getattr(least, name)
    assert spec.coefficients == least.coefficients
