"""Tests of `effscale.spec.schema`: the JSON Schema judges files as loading does."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import given
from pydantic import ValidationError

from effscale.spec import references
from effscale.spec.lines import STAGES
from effscale.spec.loading import examine
from effscale.spec.meanings import KEYS, meaning
from effscale.spec.models import Spec
from effscale.spec.names import folder
from effscale.spec.nodes import compose, mapping
from effscale.spec.schema import dumped, schema, subclasses
from effscale.spec.steps import CHAINS
from effscale.spec.values import Model
from tests.checking.corpus import FILES, source
from tests.drawn_detectors import detector_files
from tests.each import hold, of_each
from tests.examples import examples
from tests.spec.small import TEXT as SMALL

if TYPE_CHECKING:
    from pathlib import Path

#: What loading alone can see: it is lost, or allowed, once YAML has become data.
BEYOND = {
    "EFF103": "data has one value for a key",
    "EFF203": "a schema compares no number with another",
    "EFF205": "a schema compares no number with another",
    "EFF208": "a schema compares no line with another",
    "EFF202": "a kernel may be even without padding, or where pools meet",
    "EFF401": "a schema reads no other file",
    "EFF402": "a schema compares no level with a stage",
    "EFF403": "a schema compares no number with another",
    "EFF404": "a schema compares no node with another",
    "EFF405": "a schema compares no line with another",
}
#: Values that are other than JSON's: 3.0 is a whole number there, and NaN is none.
DIFFERENT = {
    *("floats_for_whole_numbers.yaml", "value_resolution_float.yaml"),
    *("value_stage_repeats_float.yaml", "value_rounding_multiple_float.yaml"),
    *("value_expected_macs_float.yaml", "value_momentum_nan.yaml"),
    *("not_a_number.yaml", "value_budget_fraction.yaml", "types_of_figures.yaml"),
    # one of two keys, and one that others may leave out
    *("missing_expand_ratio_of_a_stage.yaml", "missing_channels_of_stem.yaml"),
    *("missing_channels_of_a_convolution.yaml", "word_block_used_above_itself.yaml"),
    "missing_repeats_of_a_block_with_widths.yaml",
    *("detector_neither_wiring_nor_nodes.yaml", "detector_heads_of_a_classifier.yaml"),
    "detector_head_in_place_of_heads.yaml",
    # one key beside another
    "head_of_classifiers_without_one.yaml",
    # of two numbers the second is the higher
    *("detector_levels_that_fall.yaml", "detector_levels_of_one.yaml"),
    # names that the file gives itself
    *("word_cell_close.yaml", "word_cell_far.yaml"),
}


@cache
def judge() -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(schema())


def test_is_a_schema_of_draft_7() -> None:
    found = schema()
    jsonschema.Draft7Validator.check_schema(found)
    assert found["$schema"] == "http://json-schema.org/draft-07/schema#"
    later = {"$defs", "prefixItems", "unevaluatedProperties", "dependentRequired"}
    assert not later & set(json.dumps(found).split('"'))


def test_the_file_beside_the_specs_is_current() -> None:
    path = folder() / "effscale.schema.json"
    assert path.read_text("utf-8") == dumped()


@of_each(sorted(folder().glob("*.yaml")))
def test_built_in_specs_name_it_and_are_right_by_it(path: Path) -> None:
    text = path.read_text("utf-8")
    first = "# yaml-language-server: $schema=effscale.schema.json\n"
    assert text.startswith(first)
    root, faults = compose(text, str(path))
    assert root is not None
    assert faults == []
    assert list(judge().iter_errors(new(root.plain()))) == []


JUDGED = set[str]()


def new(data: Any) -> Any:  # noqa: ANN401
    """The data less lines that a file before has alike but for their numbers."""
    if isinstance(data, dict):
        return {key: new(value) for key, value in data.items()}
    if not isinstance(data, list) or not all(isinstance(each, dict) for each in data):
        return data
    kept = [each for each in data if alike(each) not in JUDGED]
    JUDGED.update(map(alike, data))
    return [new(each) for each in kept or data[:1]]


def alike(line: object) -> str:
    """The line with each number as 1."""
    return re.sub(r"-?[0-9][0-9.e+-]*", "1", json.dumps(line, sort_keys=True))


@cache
def compared() -> list[str]:
    """The files of the corpus that are data which JSON could hold alike."""
    found = []
    for name in sorted(set(FILES) - DIFFERENT):
        reading = source(name).reading
        codes = {fault.code for fault in reading.faults}
        lost = any(code < "EFF1" or code == "EFF106" for code in codes)
        if reading.root and not lost and not (codes and codes <= set(BEYOND)):
            found.append(name)
    return found


def test_most_of_the_corpus_is_compared() -> None:
    assert len(compared()) >= 200


def test_judges_files_as_loading_does() -> None:
    hold(judges_as_loading_does, compared())


def judges_as_loading_does(name: str) -> None:
    reading = source(name).reading
    assert reading.root is not None
    data = reading.root.plain()
    # of names that a file gives itself the schema says some, and no more than loading
    assert judge().is_valid(data) in {fits(data), not reading.faults}


def fits(data: object) -> bool:
    """Whether each value is one of its kind: what a schema can say of a file."""
    if references.needs_backbone(data):
        data, _ = references.with_backbone(mapping(data), "")
    try:
        Spec.model_validate(data)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    "change",
    [
        "resolution: [32, 48]",
        "rounding: pycls",
        "norm: {momentum: 0.1}",
        "norm: {kind: batch, momentum: 0.1}",
        "norm: {kind: layer, eps: 1.0e-6}",
        "rounding: {ties: even}",
        "budget: {macs: <= 400M}",
        "variants: {x: {resolution: 32, phi: -1}}",
    ],
)
def test_what_may_be_written_in_two_ways_may_be_so_in_the_schema(change: str) -> None:
    key = change.partition(":")[0]
    lines = [each for each in SMALL.splitlines() if not each.startswith(key)]
    reading = examine("\n".join([*lines, change]))
    assert reading.faults == ()
    assert reading.root is not None
    assert list(judge().iter_errors(reading.root.plain())) == []


@examples(40)
@given(file=detector_files())
def test_takes_any_detector(file: dict[str, object]) -> None:
    data = {**file, "name": "drawn", "resolution": 64}
    assert fits(data)
    assert list(judge().iter_errors(data)) == []


def test_says_of_each_key_what_it_means() -> None:
    found = schema()
    models = {model.__name__: model for model in subclasses(Model)}
    sections = {"Spec": found, **found["definitions"]}
    keys = [
        (name, key)
        for name, each in sections.items()
        for key in each.get("properties", ())
    ]
    assert [(name, k) for name, k in keys if not meaning(models[name], k)] == []
    assert [k for k in KEYS if k not in {key for _, key in keys}] == []
    channels = found["definitions"]["MBConv"]["properties"]["channels"]
    assert channels["description"].startswith("Channels that come out; they follow ")
    divisor = found["definitions"]["Rounding"]["properties"]["channel_divisor"]
    assert divisor["description"].startswith("Channels are a multiple of this. A whole")


def test_says_what_a_value_must_be_where_an_editor_shows_it() -> None:
    block = schema()["definitions"]["MBConv"]["properties"]
    assert block["kernel"]["description"].endswith(" An odd whole number from 1 to 31.")


def test_lists_of_steps_are_looked_into_wherever_they_stand() -> None:
    found = {
        key
        for line in STAGES.values()
        for key, field in line.model_fields.items()
        if "Told(" in repr(field.annotation)
    }
    assert found - {"branches"} == set(CHAINS)
