"""The JSON Schema of a spec file, in the features that editors know."""

from __future__ import annotations

import json
from itertools import chain
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from effscale.spec.lines import STAGES
from effscale.spec.meanings import meaning
from effscale.spec.models import ENDS, SECTIONS, Spec
from effscale.spec.outputs import OUTPUTS
from effscale.spec.steps import CHAINS, STEPS, Use
from effscale.spec.values import MODEL, PARAMETER, Model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from effscale.spec.line import Line

#: Draft 7: what yaml-language-server reads.
DRAFT = "http://json-schema.org/draft-07/schema#"
REFERENCE = "#/definitions/"


class _Draft7(GenerateJsonSchema):
    """pydantic's schema in the words of draft 7."""

    schema_dialect = DRAFT


def schema() -> dict[str, Any]:
    """What a schema can say of a spec file: keys, kinds of value, ranges.

    How numbers must be to each other is beyond it; `effscale check` says that.
    """
    models: list[type[Model]]
    models = [Spec, *SECTIONS, *STAGES.values(), Use, *OUTPUTS.values()]
    _, found = models_json_schema(
        [(each, "validation") for each in dict.fromkeys(models)],
        ref_template=f"{REFERENCE}{{model}}",
        schema_generator=_Draft7,
    )
    spec = found["$defs"].pop("Spec")
    stated = _in_draft_7({"$defs": found["$defs"], **spec})
    used = stated["definitions"]["Use"]["properties"]["block"]
    used["not"] = {"enum": list(STAGES)}  # a block of the file's own
    _allow_parameters(stated)
    _explain(stated)
    _require_either(stated)
    head = {"$schema": DRAFT, "title": "effscale spec"}
    return {**head, **{key: stated[key] for key in stated if key not in head}}


def _explain(stated: dict[str, Any]) -> None:
    """Say of each key what it means, before what kind of value it takes."""
    models = {model.__name__: model for model in subclasses(Model)}
    sections = {"Spec": stated, **stated["definitions"]}
    for name, section in sections.items():
        for key, value in section.get("properties", {}).items():
            said = meaning(models[name], key)
            if "$ref" in value:  # draft 7 reads nothing beside a reference
                value["allOf"] = [{"$ref": value.pop("$ref")}]
            value["description"] = f"{said} {value.get('description', '')}".strip()


def subclasses(model: type[Model]) -> Iterator[type[Model]]:
    """All models that are of this one, at any depth."""
    for each in model.__subclasses__():
        yield each
        yield from subclasses(each)


#: A value that a block's parameter stands for.
_PARAMETER = {"type": "string", "pattern": f"^{PARAMETER.pattern}$"}
#: Keys of lines that a parameter cannot stand for.
_STATED = {
    *("block", "cell", "shared", "name", "reads", "merge", "like"),
    *("branches", *CHAINS),
}


def _allow_parameters(stated: dict[str, Any]) -> None:
    """Parameters wherever a line of a block may have one."""
    definitions = stated["definitions"]
    definitions["Parameter"] = _PARAMETER
    kinds: set[type[Line]] = {*STEPS.values(), Use}
    for kind in kinds:
        keys = definitions[kind.__name__]["properties"]
        for name in keys.keys() - _STATED:
            either = [keys[name], {"$ref": "#/definitions/Parameter"}]
            known = ("default", "description")
            said = {word: keys[name].pop(word) for word in known if word in keys[name]}
            keys[name] = {"anyOf": either, **said}


def _require_either(stated: dict[str, Any]) -> None:
    """A head, or neck and heads; stem and stages, or the backbone that has them."""
    for name in chain(*ENDS):
        found = stated["properties"][name]
        stated["properties"][name] = found.get("anyOf", [found])[0]  # null aside
    always = [each for each in stated["required"] if each not in {"stem", "stages"}]
    stated["required"] = always
    stated["allOf"] = [
        {"anyOf": [{"required": ["stem", "stages"]}, {"required": ["backbone"]}]},
        {"anyOf": [{"required": list(group)} for group in ENDS]},
    ]
    backbones = stated["definitions"]["Scaling"]["properties"]["backbones"]
    listed = {"type": "array", "items": {"type": "string"}}
    stated["definitions"]["Scaling"]["properties"]["backbones"] = {
        "anyOf": [listed, backbones]
    }


def dumped() -> str:
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _in_draft_7(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """`value` in the words that later drafts renamed, less titles that say nothing."""
    if isinstance(value, list):
        return [_in_draft_7(each) for each in value]
    if not isinstance(value, dict):
        return value
    found = {key: _in_draft_7(each) for key, each in value.items()}
    if isinstance(found.get("title"), str):
        del found["title"]
    if MODEL in found:
        return {"$ref": f"{REFERENCE}{found[MODEL]}"}
    if "$defs" in found:
        found["definitions"] = found.pop("$defs")
    if "prefixItems" in found:
        found["items"] = found.pop("prefixItems")
        found["additionalItems"] = False
    return found
